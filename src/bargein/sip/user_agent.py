"""The user agent of a server: listens, answers, calls, keeps registrations; ends all of them at its close."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

from bargein.clock import Clock
from bargein.sip.addresses import NameAddr, SipAddress, SipUri
from bargein.sip.session_description import AudioDescription
from bargein.sip.settings import SipAdmission, SipCredentials, SipLimits, SipTrunk


class SipDialog:
    """A call's signalling, in both directions the same. All callbacks are called on the event loop and must not wait."""

    id: str
    """Call-ID."""
    incoming: bool
    local: NameAddr
    remote: NameAddr
    """URI, display name and tag of the far end."""
    headers: Mapping[str, str]
    """Of the INVITE (incoming) or of its 200 (outbound), names in small letters."""
    offer: AudioDescription | None
    """What the far end described last: offer of an incoming call, answer of an outbound one."""
    peer: SipAddress
    local_host: str
    """Address of ours that the far end reaches: for the SDP."""

    on_answer: Callable[[AudioDescription], None]
    """The answer to our delayed offer came, in the ACK of an INVITE without SDP."""
    on_reinvite: Callable[[AudioDescription | None, bytes], bytes]
    """(description, SDP as it came) -> the SDP of our answer; None, b"" asks for an offer. Raises SipRefusal."""
    on_key: Callable[[str, int], None]
    """(digit, duration_ms) by SIP INFO."""
    on_refer: Callable[[SipUri], None]
    """The far end wants a transfer. Raises SipRefusal (default: 603)."""
    on_refer_progress: Callable[[int, str], None]
    on_over: Callable[[str], None]
    """Exactly once, on every path. reason: bye, timeout, session_expired, transport_lost, closed, refused."""
    over: str | None
    """The reason, once the dialog is over."""

    async def refer(self, uri: SipUri, *, within_s: float) -> None: ...
    async def bye(self, reason: str = "") -> None: ...
    async def info(self, content_type: str, body: bytes, *, within_s: float = 8.0) -> None: ...
    async def send_key(self, digit: str, duration_ms: int = 160) -> None: ...
    async def reinvite(self, offer: bytes, *, within_s: float = 32.0) -> AudioDescription: ...


class IncomingCall:
    """An INVITE that the gate let in and that waits for an answer."""

    id: str
    caller: NameAddr
    callee: NameAddr
    request_uri: SipUri
    headers: Mapping[str, str]
    offer: AudioDescription | None
    """None: the caller wants our offer in the answer (delayed offer)."""
    sdp: bytes
    """The offer as it came, for write_answer."""
    peer: SipAddress
    user: str
    """Digest user that called. "": the address alone was let in."""
    local_host: str
    on_cancel: Callable[[str], None]
    """Called once if the call ends before its answer. reason: cancelled, timeout, closed."""

    def ring(self, status: int = 180) -> None: ...
    def answer(self, sdp: bytes) -> SipDialog: ...
    def reject(self, status: int, reason: str = "") -> None: ...
    def redirect(self, uri: SipUri) -> None: ...


class SipHandler(Protocol):
    def incoming(self, call: IncomingCall) -> None:
        """Never waits: answers or rejects now or later."""
        ...


class SipUserAgent:
    """async with SipUserAgent(...) as agent: the sockets are open in the block, and every task of it is owned."""

    addresses: tuple[SipAddress, ...]
    """Where the sockets listen, with the ports that the system gave."""

    def __init__(
        self,
        listen: Sequence[SipAddress],
        handler: SipHandler,
        clock: Clock,
        limits: SipLimits = SipLimits(),
        *,
        admission: SipAdmission,
        public: str | None = None,
        trunks: Sequence[SipTrunk] = (),
        server_tls: ssl.SSLContext | None = None,
        client_tls: ssl.SSLContext | None = None,
        session_expires_s: int = 1800,
        agent_name: str = "bargein",
    ) -> None: ...

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def invite(
        self,
        uri: SipUri,
        offer: bytes,
        *,
        from_: NameAddr | None = None,
        credentials: SipCredentials | None = None,
        headers: Mapping[str, str] | None = None,
        within_s: float = 60.0,
        trunk: SipTrunk | None = None,
        on_progress: Callable[[int, AudioDescription | None], None] | None = None,
    ) -> SipDialog:
        """Calls. Raises SipRefused, SipTimeout; cancelled: sends CANCEL. dialog.offer is the far end's answer."""
        ...

    async def local_host(self, uri: SipUri) -> str:
        """Address of ours on the way to a URI (`public` if set): for the offer's SDP."""
        ...

    def registrations(self) -> Mapping[str, str]:
        """State by trunk URI: "registered", "registering", "refused: 403 ...", "waiting: ..."."""
        ...
