"""Two user agents on a network of moved time, which loses, repeats and delays datagrams as a test says."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bargein.clock import ManualClock
from bargein.sip.addresses import NameAddr, SipAddress, SipUri
from bargein.sip.core import CoreSettings, SipCore
from bargein.sip.dialog import SipDialog
from bargein.sip.dialog_state import OnFlow
from bargein.sip.errors import SipRefusal
from bargein.sip.incoming_call import IncomingCall
from bargein.sip.messages import SipMessage, SipRequest, SipResponse, read_message
from bargein.sip.outgoing_call import InvitePlan, OutgoingCall
from bargein.sip.session_description import AudioDescription, AudioFormat, Direction, write_answer, write_offer
from bargein.sip.settings import SipAdmission, SipCredentials, SipLimits
from bargein.sip.transactions import new_tag

FORMATS = (AudioFormat("PCMU", 8000, 0), AudioFormat("telephone-event", 8000, 101, 1, "0-16"))
EVERYBODY = SipAdmission(lambda host: True)
Fate = Callable[[bytes], Sequence[float]]
"""Delays (ms) of a datagram's copies. (): it is lost."""


def described(host: str, port: int, direction: Direction = "sendrecv") -> AudioDescription:
    return AudioDescription(host, port, FORMATS, direction)


def offer(host: str = "10.0.0.1", port: int = 5000, version: int = 1) -> bytes:
    return write_offer(described(host, port), session=1, version=version)


def label(message: SipMessage) -> str:
    if isinstance(message, SipRequest):
        return message.method
    return f"{message.status} {message.headers.get('cseq').split()[1]}"


@dataclass
class Wire:
    """All datagrams that were sent, with what they say."""

    time_ms: float
    source: SipAddress
    target: SipAddress
    message: SipMessage

    @property
    def label(self) -> str:
        return label(self.message)


class SimNetwork:
    def __init__(self, fate: Fate = lambda data: (10.0,)) -> None:
        self.clock = ManualClock(1000.0)
        self.fate = fate
        self.sent: list[Wire] = []
        self.phones: dict[SipAddress, Phone] = {}
        self._due: list[tuple[float, int, SipAddress, SipAddress, bytes]] = []
        self._count = itertools.count()

    def send(self, data: bytes, source: SipAddress, target: SipAddress) -> None:
        if data.strip():
            self.sent.append(Wire(self.clock.now_ms(), source, target, read_message(data)))
        for delay in self.fate(data):
            heapq.heappush(self._due, (self.clock.now_ms() + delay, next(self._count), source, target, data))

    def run(self, ms: float) -> None:
        """Move time, delivering and running timers in their order."""
        end = self.clock.now_ms() + ms
        while True:
            times = [phone.core.timers.next_due_ms for phone in self.phones.values()]
            due = min(
                [each for each in times if each is not None] + [entry[0] for entry in self._due[:1]], default=end + 1
            )
            if due > end:
                break
            self.clock.advance(max(0.0, due - self.clock.now_ms()))
            while self._due and self._due[0][0] <= self.clock.now_ms():
                _, _, source, target, data = heapq.heappop(self._due)
                if (phone := self.phones.get(target)) is not None:
                    phone.core.receive(data, SimFlow(self, target, source))
            for phone in self.phones.values():
                phone.core.timers.run_due()
        self.clock.advance(max(0.0, end - self.clock.now_ms()))

    def labels(self, source: Phone | Raw | None = None) -> list[str]:
        return [each.label for each in self.sent if source is None or each.source == source.address]


@dataclass
class SimFlow:
    network: SimNetwork
    local: SipAddress
    peer: SipAddress
    reliable: bool = False
    closed: bool = False

    def send(self, data: bytes) -> None:
        self.network.send(data, self.local, self.peer)

    def toward(self, port: int) -> SimFlow:
        return SimFlow(self.network, self.local, SipAddress(self.peer.host, port))


@dataclass
class Phone:
    """A user agent that answers each call after `answer_ms`, unless it is told otherwise."""

    network: SimNetwork
    host: str
    admission: SipAdmission = EVERYBODY
    limits: SipLimits = field(default_factory=SipLimits)
    answer_ms: float | None = 100.0
    session_expires_s: int = 1800
    calls: list[IncomingCall] = field(default_factory=list)
    dialogs: list[SipDialog] = field(default_factory=list)
    overs: list[tuple[str, str]] = field(default_factory=list)
    """(Call-ID, reason) of each on_over."""
    cancelled: list[str] = field(default_factory=list)
    offers: list[AudioDescription | None] = field(default_factory=list)
    """Of each re-INVITE."""
    answers: list[AudioDescription] = field(default_factory=list)
    keys: list[tuple[str, int]] = field(default_factory=list)
    refuse_offers: bool = False

    def __post_init__(self) -> None:
        self.address = SipAddress(self.host, 5060)
        self.core = SipCore(
            self,
            self.network.clock,
            CoreSettings(self.admission, self.limits, session_expires_s=self.session_expires_s),
            open_flow=self._open,
            contact_port=lambda flow: 5060,
        )
        self.network.phones[self.address] = self

    def _open(self, address: SipAddress, reached: OnFlow) -> None:
        reached(SimFlow(self.network, self.address, address))

    def incoming(self, call: IncomingCall) -> None:
        self.calls.append(call)
        call.on_cancel = self.cancelled.append
        call.ring()
        if self.answer_ms is not None:
            self.core.timers.after(self.answer_ms, lambda: self._answer_in_time(call))

    def _answer_in_time(self, call: IncomingCall) -> None:
        if not call.settled:
            self.answer(call)

    def answer(self, call: IncomingCall) -> SipDialog:
        mine = described(self.host, 4000)
        sdp = (
            write_answer(call.sdp, mine, session=2, version=1) if call.sdp else write_offer(mine, session=2, version=1)
        )
        return self.adopt(call.answer(sdp))

    def adopt(self, dialog: SipDialog) -> SipDialog:
        self.dialogs.append(dialog)
        dialog.on_over = lambda reason: self.overs.append((dialog.id, reason))
        dialog.on_key = lambda key, ms: self.keys.append((key, ms))
        dialog.on_answer = self.answers.append
        dialog.on_reinvite = self._reinvited
        return dialog

    def _reinvited(self, description: AudioDescription | None, sdp: bytes) -> bytes:
        self.offers.append(description)
        if self.refuse_offers:
            raise SipRefusal(488, "Not Acceptable Here")
        mine = described(self.host, 4000)
        return write_answer(sdp, mine, session=2, version=2) if sdp else write_offer(mine, session=2, version=2)

    def call(
        self, other: Phone | Raw, sdp: bytes | None = None, credentials: SipCredentials | None = None
    ) -> OutgoingCall:
        plan = InvitePlan(
            SipUri("bot", other.host),
            NameAddr(SipUri("me", self.host), "", (("tag", new_tag()),)),
            f"call-{len(self.network.sent)}@{self.host}",
            offer(self.host) if sdp is None else sdp,
            credentials,
        )
        flow = SimFlow(self.network, self.address, other.address)
        call = OutgoingCall(self.core, plan, flow)
        call.start()
        return call

    def talk(self, other: Phone) -> tuple[SipDialog, SipDialog]:
        """A call that is up: (ours, theirs)."""
        call = self.call(other)
        self.network.run(500)
        return self.adopt(call.result.result()), other.dialogs[-1]


class _Listener:
    """What a Raw has in the place of a core."""

    def __init__(self, raw: Raw) -> None:
        self.timers = NO_TIMERS
        self._raw = raw

    def receive(self, data: bytes, flow: SimFlow) -> None:
        self._raw.got.append(read_message(data))


class _NoTimers:
    next_due_ms = None

    def run_due(self) -> None:
        pass


NO_TIMERS = _NoTimers()


class Raw:
    """A peer that says exactly what a test writes."""

    def __init__(self, network: SimNetwork, host: str = "10.0.0.9", port: int = 5060) -> None:
        self.network = network
        self.host = host
        self.address = SipAddress(host, port)
        self.got: list[SipMessage] = []
        self.core = _Listener(self)
        network.phones[self.address] = self  # type: ignore[assignment]

    def send(self, target: Phone, data: bytes | str) -> None:
        raw = data.encode() if isinstance(data, str) else data
        target.core.receive(raw, SimFlow(self.network, target.address, self.address))
        self.network.run(20)

    def request(
        self,
        target: Phone,
        method: str,
        *,
        headers: str = "",
        body: bytes = b"",
        cseq: int = 1,
        branch: str = "z9hG4bKa",
        call_id: str = "raw-1",
        to_tag: str = "",
        from_tag: str = "ft",
        cseq_method: str = "",
    ) -> list[SipMessage]:
        """Send a request, and return what came back at once."""
        before = len(self.got)
        head = (
            f"{method} sip:bot@{target.host} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self.host}:{self.address.port};branch={branch}\r\n"
            f"From: <sip:raw@{self.host}>;tag={from_tag}\r\n"
            f"To: <sip:bot@{target.host}>{f';tag={to_tag}' if to_tag else ''}\r\n"
            f"Call-ID: {call_id}\r\nCSeq: {cseq} {cseq_method or method}\r\n"
            f"Contact: <sip:raw@{self.host}:{self.address.port}>\r\n{headers}"
            f"{f'Content-Type: application/sdp{chr(13)}{chr(10)}' if body else ''}"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self.send(target, head.encode() + body)
        return self.got[before:]

    def labels(self) -> list[str]:
        return [label(each) for each in self.got]


def status(messages: Sequence[SipMessage]) -> list[int]:
    return [each.status for each in messages if isinstance(each, SipResponse)]
