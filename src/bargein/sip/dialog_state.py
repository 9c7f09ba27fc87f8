"""A dialog's identity and route (RFC 3261, 12): what a request inside of it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bargein.errors import ProtocolError
from bargein.sip.addresses import NameAddr, SipUri, is_private
from bargein.sip.client_transactions import ClientTransaction
from bargein.sip.flows import Flow
from bargein.sip.messages import Headers, SipRequest, SipResponse, read_cseq
from bargein.sip.server_transactions import ServerTransaction
from bargein.sip.timers import TimerQueue

DialogKey = tuple[str, str, str]


class OnAnswer(Protocol):
    def __call__(self, response: SipResponse | None) -> None:
        """None: no answer came in time, or the peer cannot be reached."""
        ...


class OnFlow(Protocol):
    def __call__(self, flow: Flow | None) -> None: ...


class DialogHost(Protocol):
    """What a dialog needs of its user agent."""

    timers: TimerQueue
    session_expires_s: int

    def contact(self, flow: Flow) -> str: ...

    def media_host(self, flow: Flow) -> str: ...

    def send(self, request: SipRequest, flow: Flow, answered: OnAnswer) -> ClientTransaction:
        """Send with a Via of ours. answered: each answer, provisional ones too; None once if there is none."""
        ...

    def cancel(self, request: SipRequest, flow: Flow) -> None:
        """Send a CANCEL, which has the Via of its INVITE."""
        ...

    def send_ack(self, request: SipRequest, flow: Flow) -> bytes: ...

    def reach(self, state: DialogState, reached: OnFlow) -> None:
        """Calls back at once if the dialog's flow is open, else when a new one is."""
        ...

    def confirmed(self, dialog: HostedDialog) -> None: ...

    def forget(self, dialog: HostedDialog) -> None: ...


class HostedDialog(Protocol):
    """What a user agent asks of a dialog."""

    @property
    def state(self) -> DialogState: ...

    def handle(self, transaction: ServerTransaction) -> None: ...

    def acknowledged(self, request: SipRequest) -> None: ...

    def accepted_again(self, response: SipResponse) -> None: ...

    def hang_up(self, reason: str = "") -> None: ...

    def lost(self, reason: str) -> None: ...


@dataclass(slots=True)
class DialogState:
    call_id: str
    local: NameAddr
    remote: NameAddr
    target: SipUri
    """The far end's Contact: where requests are addressed."""
    routes: tuple[str, ...]
    flow: Flow
    direct: bool
    """True: no proxy stood between at the start, so requests go the way the first message came."""
    local_cseq: int = 0
    remote_cseq: int = 0
    allowed: frozenset[str] = frozenset()
    """Methods that the far end allows, in capitals."""

    @property
    def key(self) -> DialogKey:
        return (self.call_id, self.local.tag, self.remote.tag)

    @classmethod
    def called(cls, invite: SipRequest, local_tag: str, flow: Flow) -> DialogState:
        """Of the side that is called. ProtocolError: the INVITE's addresses cannot be read."""
        headers = invite.headers
        to = NameAddr.read(headers.get("to"))
        local = NameAddr(to.uri, to.display, (*((k, v) for k, v in to.parameters if k != "tag"), ("tag", local_tag)))
        number, _ = read_cseq(headers.get("cseq"))
        return cls(
            headers.get("call-id"),
            local,
            NameAddr.read(headers.get("from")),
            target_of(headers),
            tuple(headers.all("record-route")),
            flow,
            len(headers.all("via")) == 1,
            0,
            number,
            methods_of(headers),
        )

    @classmethod
    def calling(cls, invite: SipRequest, response: SipResponse, flow: Flow) -> DialogState:
        """Of the side that calls, by a 2xx."""
        headers = response.headers
        number, _ = read_cseq(invite.headers.get("cseq"))
        try:
            target = target_of(headers)
        except ProtocolError:
            target = SipUri.read(invite.uri)  # no Contact, which a 2xx must have: the callee's own address may do
        return cls(
            invite.headers.get("call-id"),
            NameAddr.read(invite.headers.get("from")),
            NameAddr.read(headers.get("to")),
            target,
            tuple(reversed(headers.all("record-route"))),
            flow,
            # The answer came back over our flow, and its sender named another place for what follows.
            _same_place(target, flow) or (is_private(target.host) and not is_private(flow.peer.host)),
            number,
            0,
            methods_of(headers),
        )

    def refresh(self, headers: Headers) -> None:
        """Take the Contact of a re-INVITE, an UPDATE or the 2xx of one (target refresh)."""
        try:
            self.target = target_of(headers)
        except ProtocolError:
            return
        self.allowed = methods_of(headers) or self.allowed

    def request(self, method: str, *, cseq: int | None = None) -> SipRequest:
        """A request in the dialog, without Via and body. cseq: of the INVITE that an ACK belongs to."""
        if cseq is None:
            self.local_cseq += 1
            cseq = self.local_cseq
        uri, routes = str(self.target), list(self.routes)
        if routes and NameAddr.read(routes[0]).uri.parameter("lr") is None:
            # A strict router wants its own address in the first line (12.2.1.1).
            uri, routes = str(NameAddr.read(routes[0]).uri), [*routes[1:], f"<{uri}>"]
        headers = Headers([("route", route) for route in routes])
        for name, value in (("from", str(self.local)), ("to", str(self.remote)), ("call-id", self.call_id)):
            headers.add(name, value)
        headers.add("cseq", f"{cseq} {method}")
        return SipRequest(method, uri, headers)


def target_of(headers: Headers) -> SipUri:
    """ProtocolError: no Contact, or none with a SIP URI."""
    contacts = headers.all("contact")
    return NameAddr.read(contacts[0] if contacts else "").uri


def methods_of(headers: Headers) -> frozenset[str]:
    return frozenset(each.upper() for each in headers.tokens("allow"))


def in_order(state: DialogState, request: SipRequest) -> bool:
    """True, and counted: the request's CSeq is above the last one's."""
    number, _ = read_cseq(request.headers.get("cseq"))
    if number <= state.remote_cseq:
        return False
    state.remote_cseq = number
    return True


def _same_place(target: SipUri, flow: Flow) -> bool:
    return target.host == flow.peer.host and target.address.port == flow.peer.port
