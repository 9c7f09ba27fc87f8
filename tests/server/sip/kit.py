"""A server with a SIP door on a free port of this machine, and phones that do what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from bargein.agent import Agent
from bargein.clock import MonotonicClock
from bargein.recorder.reading import Noted, read
from bargein.server.settings import Settings
from bargein.server.sip.door import SipDoor
from bargein.sip.addresses import SipAddress, SipUri
from bargein.sip.dialog import SipDialog
from bargein.sip.incoming_call import IncomingCall
from bargein.sip.session_description import AudioDescription, AudioFormat, Direction, write_answer, write_offer
from bargein.sip.settings import SipAdmission
from bargein.sip.user_agent import SipUserAgent
from tests.server.kit import World, settings, tone_agent, world

PCMU, PCMA, G722 = AudioFormat("PCMU", 8000, 0), AudioFormat("PCMA", 8000, 8), AudioFormat("G722", 8000, 9)
KEYS = AudioFormat("telephone-event", 8000, 101, parameters="0-16")
ANSWERED = ("Via", "From", "To", "Call-ID", "CSeq")  # headers that an answer repeats
GREETING = "Hello there, this is a greeting " * 8


@dataclass
class SipWorld:
    here: World
    door: SipDoor

    @property
    def uri(self) -> SipUri:
        return SipUri.read(self.door.addresses()[0])

    def at(self, user: str) -> SipUri:
        return SipUri(user, self.uri.host, self.uri.port)

    async def gone(self, seconds: float = 5) -> None:
        """Until no call is left, and no port."""
        async with asyncio.timeout(seconds):
            # ports are given back a moment after their call is over
            while self.here.hub.calls.taken or self.door.ports_taken:  # noqa: ASYNC110  # a test may look
                await asyncio.sleep(0.01)

    async def started(self, count: int = 1) -> list[str]:
        """Ids of the live calls, once there are so many."""
        async with asyncio.timeout(5):
            while len(ids := self.here.hub.calls.ids) < count:  # noqa: ASYNC110  # a test may look
                await asyncio.sleep(0.01)
        return ids

    def over(self, call_id: str) -> str:
        return str(self.here.hub.calls.status(call_id)["over"])


@asynccontextmanager
async def sip_world(tmp: Path | None = None, *agents: Agent, **given: object) -> AsyncIterator[SipWorld]:
    chosen: Settings = settings(tmp, **({"sip": "127.0.0.1:0"} | given))
    async with world(chosen, *(agents or (tone_agent(greeting=GREETING),)), alone=False) as here:
        door = here.hub.sip.door
        assert isinstance(door, SipDoor)
        yield SipWorld(here, door)


def offer(*formats: AudioFormat, direction: Direction = "sendrecv", port: int = 40_000, version: int = 1) -> bytes:
    audio = AudioDescription("127.0.0.1", port, formats or (PCMU, KEYS), direction)
    return write_offer(audio, session=7, version=version)


@dataclass
class Phone:
    """A user agent of the test's. take: what it does with a call that comes."""

    take: Callable[[IncomingCall], None] = lambda call: call.reject(480)
    agent: SipUserAgent = field(init=False)
    dialogs: list[SipDialog] = field(default_factory=list)
    seen: list[IncomingCall] = field(default_factory=list)

    def incoming(self, call: IncomingCall) -> None:
        self.take(call)

    def answer(self, call: IncomingCall, port: int = 40_000) -> None:
        """Take the call, with PCMU."""
        audio = AudioDescription("127.0.0.1", port, (PCMU, KEYS))
        self.dialogs.append(call.answer(write_answer(call.sdp, audio, session=9, version=1)))

    @property
    def uri(self) -> SipUri:
        address = self.agent.addresses[0]
        return SipUri("phone", address.host, address.port)


@asynccontextmanager
async def phone(take: Callable[[Phone, IncomingCall], None] | None = None) -> AsyncIterator[Phone]:
    made = Phone()
    if take is not None:
        made.take = lambda call: take(made, call)
    listen = SipAddress("127.0.0.1", 0)
    admission = SipAdmission(admits=lambda _: True)
    async with SipUserAgent((listen,), made, MonotonicClock(), admission=admission) as made.agent:
        yield made


class Ear(asyncio.DatagramProtocol):
    """The UDP port of a phone: keeps each packet that comes."""

    def __init__(self) -> None:
        self.packets: list[bytes] = []
        self.answers: asyncio.Queue[str] = asyncio.Queue()  # of a test
        self.acknowledges = False
        """Each call that is answered."""
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[object, ...]) -> None:
        self.packets.append(data)
        if data[:3] == b"SIP":
            self.answers.put_nowait(data.decode())
            if self.acknowledges and data.startswith(b"SIP/2.0 200") and b"CSeq: 1 INVITE" in data:
                self.send(acknowledgement(data.decode(), self.port), addr[:2])  # type: ignore[arg-type]
        elif data[:3] == b"BYE":
            kept = [line for line in data.decode().splitlines() if line.split(":")[0] in ANSWERED]
            self.send("\r\n".join(["SIP/2.0 200 OK", *kept, "Content-Length: 0", "", ""]).encode(), addr[:2])  # type: ignore[arg-type]

    @property
    def port(self) -> int:
        assert self._transport is not None
        port: int = self._transport.get_extra_info("sockname")[1]
        return port

    def send(self, data: bytes, to: tuple[str, int]) -> None:
        assert self._transport is not None
        self._transport.sendto(data, to)

    @property
    def loud(self) -> int:
        """How many packets of PCMU had something to hear."""
        return sum(each[0] == 0x80 and each[1] & 0x7F == 0 and set(each[12:]) != {0xFF} for each in self.packets)

    async def until(self, status: str, seconds: float = 5) -> str:
        """The next answer of SIP with this status."""
        async with asyncio.timeout(seconds):
            while True:
                answer = await self.answers.get()
                if answer.startswith(f"SIP/2.0 {status}"):
                    return answer


@asynccontextmanager
async def ear() -> AsyncIterator[Ear]:
    transport, made = await asyncio.get_running_loop().create_datagram_endpoint(Ear, local_addr=("127.0.0.1", 0))
    try:
        yield made
    finally:
        transport.close()


def request(
    method: str, to: SipUri, port: int, *, call: str = "raw", more: str = "", to_tag: str = "", body: bytes = b""
) -> bytes:
    """A request of a phone at this UDP port. more: further header lines."""
    cseq = 1 if method in ("INVITE", "ACK", "CANCEL") else 2
    branch = f"{call}{method}" if to_tag else call
    kind = "Content-Type: application/sdp\r\n" if body else ""
    head = (
        f"{method} {to} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n"
        f"From: <sip:raw@127.0.0.1>;tag=raw\r\nTo: <{to}>{to_tag}\r\nCall-ID: {call}\r\nCSeq: {cseq} {method}\r\n"
        f"Contact: <sip:raw@127.0.0.1:{port}>\r\n{kind}{more}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def acknowledgement(answer: str, port: int) -> bytes:
    """The ACK of an answer with 200."""
    fields = dict(line.split(": ", 1) for line in answer.partition("\r\n\r\n")[0].splitlines()[1:])
    uri = SipUri.read(fields["Contact"].strip("<>"))
    return request("ACK", uri, port, call=fields["Call-ID"], to_tag=to_tag(answer))


def to_tag(answer: str) -> str:
    """ ";tag=..." of the To of an answer."""
    line = next(each for each in answer.splitlines() if each.startswith("To:"))
    return ";" + line.partition(">;")[2]


def notes(folder: Path, kind: str) -> list[dict[str, object]]:
    """Of the record of a call."""
    return [dict(each.facts) for each in read(folder).entries if isinstance(each, Noted) and each.kind == kind]
