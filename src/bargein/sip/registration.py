"""REGISTER at a trunk (RFC 3261, 10): kept alive, tried again with back-off, taken back at the end."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable

from bargein.errors import ProtocolError
from bargein.sip.addresses import NameAddr, SipUri
from bargein.sip.dialog_requests import refused
from bargein.sip.dialog_state import DialogHost, OnFlow
from bargein.sip.digest import DigestClient
from bargein.sip.errors import SipRefused
from bargein.sip.flows import Flow
from bargein.sip.messages import Headers, SipRequest, SipResponse, content_length
from bargein.sip.settings import SipTrunk
from bargein.sip.timers import SipTimer
from bargein.sip.transactions import new_tag

FIRST_WAIT_S = 2.0
KEEPALIVE_S = 25.0
LONGEST_WAIT_S = 300.0
SHORTEST_S = 30
"""A registrar that grants less is asked no more often than this."""

Open = Callable[[OnFlow], None]


class Registration:
    """state: "registering", "registered", "waiting: why", "refused: why" (another try follows), "ended"."""

    def __init__(self, host: DialogHost, trunk: SipTrunk, open_flow: Open) -> None:
        self.trunk = trunk
        self.state = "registering"
        self.peers: frozenset[str] = frozenset()
        """IP address of the registrar: its calls come without a password."""
        self._host = host
        self._open = open_flow
        self._digest = DigestClient(trunk.credentials) if trunk.credentials else None
        self._call_id = secrets.token_hex(12)
        self._from = NameAddr(SipUri.read(trunk.uri.bare()), "", (("tag", new_tag()),))
        self._expires_s = trunk.expires_s
        self._cseq = 0
        self._failures = 0
        self._tries = 0
        self._busy = False
        self._timer: SipTimer | None = None
        self._pulse: SipTimer | None = None
        self._flow: Flow | None = None
        self._ended: Callable[[], None] | None = None

    @property
    def flow(self) -> Flow | None:
        return self._flow

    def start(self) -> None:
        """Register now. A try that is on its way is left alone."""
        if self._busy or self._ended is not None:
            return
        self._stop()
        self._busy = True
        self._tries = 0
        if self.state != "registered" and not self._failures:
            self.state = "registering"
        self._open(self._reached)

    def flow_lost(self, flow: Flow) -> None:
        """The connection broke that the registrar reaches us by."""
        if flow is self._flow and not self._busy:
            self._wait("the connection was lost")

    def end(self, ended: Callable[[], None]) -> None:
        """Take the registration back. ended: it is done, or was not possible."""
        self._ended = ended
        self._stop()
        if self.state == "registered" and self._flow is not None and not self._flow.closed:
            self._tries = 0
            self._send(self._flow)
        else:
            self._done()

    def _reached(self, flow: Flow | None) -> None:
        if self._ended is not None:
            self._done()
        elif flow is None:
            self._wait("the registrar cannot be reached")
        else:
            self._flow = flow
            self.peers = frozenset({flow.peer.host})
            self._send(flow)

    def _send(self, flow: Flow) -> None:
        self._cseq += 1
        self._tries += 1
        self._busy = True
        uri = str(SipUri("", self.trunk.uri.host, self.trunk.uri.port, self.trunk.uri.secure))
        expires = 0 if self._ended is not None else self._expires_s
        headers = Headers(
            [
                ("from", str(self._from)),
                ("to", str(NameAddr(self._from.uri))),
                ("call-id", self._call_id),
                ("cseq", f"{self._cseq} REGISTER"),
                ("contact", f"{self._host.contact(flow)};expires={expires}"),
                ("expires", str(expires)),
            ]
        )
        for name, value in self._digest.lines("REGISTER", uri) if self._digest else ():
            headers.add(name, value)
        self._host.send(SipRequest("REGISTER", uri, headers), flow, lambda response: self._answered(flow, response))

    def _answered(self, flow: Flow, response: SipResponse | None) -> None:
        if response is not None and response.status < 200:
            return
        if self._ended is not None and (response is None or response.status not in (401, 407)):
            self._done()
        elif response is None:
            self._wait("the registrar did not answer")
        elif response.status < 300:
            self._registered(flow, response)
        elif response.status in (401, 407) and self._challenged(response):
            self._send(flow)
        elif response.status == 423 and self._tries < 4 and (least := _number(response.headers.get("min-expires"))):
            self._expires_s = max(self._expires_s, min(least, 86_400))
            self._send(flow)
        elif self._ended is not None:
            self._done()
        else:
            error = refused(response)
            after_s = _number(response.headers.get("retry-after"))
            self._wait(f"{error.status} {error.reason}", state="refused", after_s=after_s)

    def _challenged(self, response: SipResponse) -> bool:
        if self._digest is None or self._tries >= 4:
            return False
        name = "www-authenticate" if response.status == 401 else "proxy-authenticate"
        try:
            self._digest.challenged(response.status, response.headers.raw(name))
        except SipRefused:
            return False
        return True

    def _registered(self, flow: Flow, response: SipResponse) -> None:
        if self._digest is not None:
            self._digest.accepted()
        self._busy = False
        self._failures = 0
        self.state = "registered"
        granted = self._granted(flow, response)
        # A little before its end, so that two tries fit in (RFC 3261 leaves the moment open).
        wait_s = max(SHORTEST_S / 2, min(granted * 0.8, granted - 40 if granted > 200 else granted * 0.8))
        self._stop()
        self._timer = self._host.timers.after(wait_s * 1000, self.start)
        self._keep_alive(flow)

    def _keep_alive(self, flow: Flow) -> None:
        """Line ends keep the way through a NAT open (RFC 5626, 4.4.1)."""
        if self._pulse is not None:
            self._pulse.cancel()

        def beat() -> None:
            flow.send(b"\r\n\r\n")
            self._keep_alive(flow)

        if not flow.closed:
            self._pulse = self._host.timers.after(KEEPALIVE_S * 1000, beat)

    def _granted(self, flow: Flow, response: SipResponse) -> int:
        ours = NameAddr.read(self._host.contact(flow)).uri
        for text in response.headers.all("contact"):
            try:
                contact = NameAddr.read(text)
            except ProtocolError:
                continue
            if (contact.uri.user, contact.uri.host) == (ours.user, ours.host):
                return max(SHORTEST_S, _number(contact.parameter("expires") or "") or self._expires_s)
        return max(SHORTEST_S, _number(response.headers.get("expires")) or self._expires_s)

    def _wait(self, why: str, *, state: str = "waiting", after_s: int = 0) -> None:
        self._busy = False
        self._failures += 1
        self.state = f"{state}: {why}"
        wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(self._failures - 1, 10))
        wait_s = max(wait_s * random.uniform(0.5, 1.0), min(after_s, 3600))  # noqa: S311
        self._stop()
        self._timer = self._host.timers.after(wait_s * 1000, self.start)

    def _done(self) -> None:
        self._busy = False
        self.state = "ended"
        self._stop()
        if self._pulse is not None:
            self._pulse.cancel()
        ended, self._ended = self._ended, lambda: None
        if ended is not None:
            ended()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


def _number(text: str) -> int:
    """0: no number."""
    try:
        return content_length(text.split(";")[0].split("(")[0])
    except ProtocolError:
        return 0
