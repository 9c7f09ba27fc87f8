"""A call's signalling once it is answered: the same for a call that came and for a call that we made."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from bargein.errors import ProtocolError
from bargein.sip.addresses import NameAddr, SipAddress, SipUri
from bargein.sip.dialog_requests import DialogRequests, refused
from bargein.sip.dialog_state import DialogHost, DialogState, in_order
from bargein.sip.errors import SipRefusal, SipTimeout, malformed_sdp
from bargein.sip.keys import KEY_TYPES, key_body, read_key
from bargein.sip.messages import SipRequest, SipResponse, read_cseq, sdp_of
from bargein.sip.renegotiation import Renegotiation
from bargein.sip.server_transactions import ServerTransaction
from bargein.sip.session_description import AudioDescription, read_audio
from bargein.sip.settings import SipCredentials
from bargein.sip.transactions import METHODS, answer_to
from bargein.sip.transfer import ReferTransfer

log = logging.getLogger(__name__)


def _refuse_offer(description: AudioDescription | None, sdp: bytes) -> bytes:
    raise SipRefusal(488, "Not Acceptable Here")


def _refuse_transfer(uri: SipUri) -> None:
    raise SipRefusal(603, "Decline")


class SipDialog:
    """Callbacks are called on the event loop and must not wait."""

    def __init__(
        self,
        host: DialogHost,
        state: DialogState,
        *,
        incoming: bool,
        headers: Mapping[str, str],
        offer: AudioDescription | None,
        sdp: bytes,
        credentials: SipCredentials | None = None,
    ) -> None:
        self.id = state.call_id
        """Call-ID."""
        self.incoming = incoming
        self.headers = headers
        """Of the INVITE (incoming) or of its 2xx (outbound), names in small letters."""
        self.offer = offer
        """What the far end described last. None: its answer to our delayed offer has not come."""
        self.state = state
        self.over: str | None = None
        """Why the dialog is over: bye, closed (by us), timeout, session_expired, transport_lost, refused."""
        self.on_answer: Callable[[AudioDescription], None] = _ignore
        """The far end answered an offer of ours: in the ACK of an INVITE without SDP, or at a refresh."""
        self.on_reinvite: Callable[[AudioDescription | None, bytes], bytes] = _refuse_offer
        """(description, SDP as it came) -> SDP of our answer. (None, b""): an offer is asked for. Raises SipRefusal."""
        self.on_key: Callable[[str, int], None] = _ignore
        """(key, duration_ms): a key by SIP INFO."""
        self.on_refer: Callable[[SipUri], None] = _refuse_transfer
        """The far end asks us to call another address. Raises SipRefusal; if it returns, `refer_done` must follow."""
        self.on_refer_progress: Callable[[int, str], None] = _ignore
        """(status, reason): how far the far end came with our `refer`."""
        self.on_over: Callable[[str], None] = _ignore
        """Exactly once, on every path, with `over`."""
        self._host = host
        self._requests = DialogRequests(host, state, credentials, self.lost)
        self._offers = Renegotiation(
            self._requests,
            caller=not incoming,
            sdp=sdp,
            describe=self._describe,
            described=self._described,
            ended=self._end,
        )
        self._transfer = ReferTransfer(self._requests, self._refer_progress)
        self._bye_headers: list[tuple[str, str]] = []
        self._bye_waits = False
        """A BYE waits for the ACK of our 2xx."""
        self._gone = asyncio.Event()

    @property
    def local(self) -> NameAddr:
        return self.state.local

    @property
    def remote(self) -> NameAddr:
        """URI, display name and tag of the far end."""
        return self.state.remote

    @property
    def peer(self) -> SipAddress:
        return self.state.flow.peer

    @property
    def local_host(self) -> str:
        """Address of ours that the far end reaches: for the SDP."""
        return self._host.media_host(self.state.flow)

    async def refer(self, uri: SipUri, *, within_s: float) -> None:
        """Ask the far end to call `uri` in our place. Returns once it did; then the call is still up: `bye`.

        Raises SipRefused, SipTimeout."""
        self._must_live()
        await self._transfer.refer(uri, within_s=within_s)

    def refer_done(self, status: int, reason: str) -> None:
        """Tell the far end how the transfer that `on_refer` took ended."""
        self._notify_refer(status, reason)

    async def bye(self, reason: str = "") -> None:
        """End the call. Returns when the far end answered or did not in time; raises nothing. May come twice."""
        self.hang_up(reason)
        await self._gone.wait()

    async def info(self, content_type: str, body: bytes, *, within_s: float = 8.0) -> None:
        """Raises SipRefused, SipTimeout."""
        self._must_live()
        await self._requests.answer("INFO", headers=[("content-type", content_type)], body=body, within_s=within_s)

    async def send_key(self, key: str, duration_ms: int = 160) -> None:
        """One key (0-9, *, #, A-D) by INFO. Raises SipRefused, SipTimeout."""
        await self.info("application/dtmf-relay", key_body(key, duration_ms))

    async def reinvite(self, offer: bytes, *, within_s: float = 32.0) -> AudioDescription:
        """Offer something else. Returns the far end's answer. Raises SipRefused, SipTimeout, ProtocolError."""
        self._must_live()
        future: asyncio.Future[SipResponse | None] = asyncio.get_running_loop().create_future()

        def answered(response: SipResponse | None) -> None:
            if not future.done():
                future.set_result(response)

        late = self._host.timers.after(within_s * 1000, lambda: answered(None))
        self._offers.offer(offer, answered)
        try:
            response = await future
        finally:
            late.cancel()
        if response is None:
            raise SipTimeout("The SIP peer did not answer a re-INVITE", advice="Hang up if its audio stopped, too")
        if response.status >= 300:
            raise refused(response)
        if not (sdp := sdp_of(response)):
            raise malformed_sdp("the answer to a re-INVITE has none")
        self.offer = read_audio(sdp)
        return self.offer

    def hang_up(self, reason: str = "") -> None:
        """Begin to end the call, without waiting."""
        if reason and not self._bye_headers:
            self._bye_headers = [("reason", f'SIP;cause=200;text="{reason[:100].replace(chr(34), "")}"')]
        self._end("closed")

    # For the user agent.

    def start(self, seconds: int, *, ours: bool) -> None:
        """The INVITE's 2xx is sent or came: the session timer begins."""
        if self.over is None:
            self._offers.timer.start(seconds, ours=ours)

    def accepted(self, transaction: ServerTransaction, *, delayed: bool) -> None:
        """We sent the 2xx to the INVITE."""
        self._offers.accepted(transaction, delayed=delayed)

    def accepted_by_peer(self, cseq: int) -> None:
        """The 2xx to our INVITE came."""
        self._requests.acknowledge(cseq, self.state.flow)

    def accepted_again(self, response: SipResponse) -> None:
        self._requests.accepted_again(response)

    def acknowledged(self, request: SipRequest) -> None:
        cseq, _ = read_cseq(request.headers.get("cseq"))
        self._offers.acknowledged(cseq, sdp_of(request))
        if self._bye_waits and self._offers.settled:
            self._send_bye()

    def lost(self, reason: str) -> None:
        """The far end cannot be asked any more: no BYE is sent."""
        self._finish(reason)
        self._forget()

    def handle(self, transaction: ServerTransaction) -> None:
        """A request of the far end inside the dialog."""
        request = transaction.request
        if not in_order(self.state, request) and request.method != "BYE":  # a late BYE is better than a call for ever
            self._respond(transaction, 500, "Server Internal Error")
        elif request.method == "BYE":
            self._respond(transaction, 200, "OK")
            if self.over is None:
                self.lost("bye")
        elif self.over is not None:
            self._respond(transaction, 481, "Call/Transaction Does Not Exist")
        else:
            self._handle(transaction, request)

    def _handle(self, transaction: ServerTransaction, request: SipRequest) -> None:
        match request.method:
            case "INVITE":
                self._offers.invited(transaction, self._respond)
            case "UPDATE":
                self._offers.updated(transaction, self._respond)
            case "INFO":
                self._informed(transaction, request)
            case "REFER":
                self._referred(transaction, request)
            case "NOTIFY":
                known = self._transfer.notified(request)
                self._respond(transaction, *((200, "OK") if known else (481, "Subscription Does Not Exist")))
            case "OPTIONS":
                self._respond(transaction, 200, "OK")
            case "PRACK":
                self._respond(transaction, 481, "Call/Transaction Does Not Exist")
            case _:
                self._respond(transaction, 405, "Method Not Allowed")

    def _informed(self, transaction: ServerTransaction, request: SipRequest) -> None:
        kind = request.headers.get("content-type").partition(";")[0].strip().lower()
        if not request.body.strip():
            self._respond(transaction, 200, "OK")
        elif kind not in KEY_TYPES:
            self._respond(transaction, 415, "Unsupported Media Type", [("accept", ", ".join(KEY_TYPES))])
        elif (key := read_key(kind, request.body)) is None:
            self._respond(transaction, 400, "Bad Request")
        else:
            self._respond(transaction, 200, "OK")
            self.on_key(*key)

    def _referred(self, transaction: ServerTransaction, request: SipRequest) -> None:
        try:
            uri = NameAddr.read(request.headers.get("refer-to")).uri
            self.on_refer(uri)
        except ProtocolError:
            self._respond(transaction, 400, "Bad Request")
        except SipRefusal as refusal:
            self._respond(transaction, refusal.status, refusal.reason)
        else:
            self._respond(transaction, 202, "Accepted")
            self._notify_refer(100, "Trying")

    def _notify_refer(self, status: int, reason: str) -> None:
        if self.over is not None:
            return
        state = "active;expires=60" if status < 200 else "terminated;reason=noresource"
        headers = [("event", "refer"), ("subscription-state", state), ("content-type", "message/sipfrag;version=2.0")]
        self._requests.ask(
            "NOTIFY", lambda response: None, headers=headers, body=f"SIP/2.0 {status} {reason}\r\n".encode()
        )

    def _describe(self, description: AudioDescription | None, sdp: bytes) -> bytes:
        answer = self.on_reinvite(description, sdp)
        if description is not None:
            self.offer = description
        return answer

    def _described(self, description: AudioDescription) -> None:
        if description != self.offer:
            self.offer = description
            self.on_answer(description)

    def _respond(
        self,
        transaction: ServerTransaction,
        status: int,
        reason: str,
        headers: list[tuple[str, str]] | None = None,
        body: bytes = b"",
    ) -> None:
        response = answer_to(transaction.request, status, reason, self.state.local.tag)
        if status in (200, 405):
            response.headers.add("allow", ", ".join(METHODS))
        if status == 200 and transaction.request.method in ("INVITE", "UPDATE"):
            response.headers.add("contact", self._host.contact(transaction.flow))
            response.headers.add("supported", "timer")
        for name, value in headers or ():
            response.headers.add(name, value)
        response.body = body
        transaction.respond(response)

    def _refer_progress(self, status: int, reason: str) -> None:
        self.on_refer_progress(status, reason)

    def _must_live(self) -> None:
        if self.over is not None:
            raise SipTimeout(f"The SIP call is over ({self.over})", advice="Make a new call")

    def _end(self, reason: str) -> None:
        """The dialog ends by our will: with a BYE."""
        if self.over is None:
            # A BYE before the ACK of our 2xx would end a call that the far end may not know yet (15).
            self._bye_waits = not self._offers.settled
            self._finish(reason)
            if not self._bye_waits:
                self._send_bye()
        elif self._bye_waits and self._offers.settled:  # no ACK came in all the time
            self._send_bye()

    def _send_bye(self) -> None:
        self._bye_waits = False
        self._offers.stop()
        self._requests.ask("BYE", lambda _: self._forget(), headers=self._bye_headers)

    def _finish(self, reason: str) -> None:
        if self.over is not None:
            return
        self.over = reason
        self._offers.finish()
        self._transfer.dialog_over(reason)
        try:
            self.on_over(reason)
        except Exception:  # the BYE goes out, and the dialog is forgotten, all the same
            log.exception("The handler of a SIP call's end failed")

    def _forget(self) -> None:
        self._offers.stop()
        if not self._gone.is_set():
            self._gone.set()
            self._host.forget(self)


def _ignore(*_: object) -> None:
    pass
