"""An INVITE that was let in and waits for the answer of the handler."""

from __future__ import annotations

import logging
from collections.abc import Callable

from bargein.errors import UsageError
from bargein.sip.addresses import NameAddr, SipAddress, SipUri
from bargein.sip.dialog import SipDialog
from bargein.sip.dialog_state import DialogHost, DialogState
from bargein.sip.messages import SipResponse
from bargein.sip.renegotiation import agree_interval, interval_headers
from bargein.sip.server_transactions import ServerTransaction
from bargein.sip.session_description import AudioDescription
from bargein.sip.timers import SipTimer
from bargein.sip.transactions import METHODS, answer_to

log = logging.getLogger(__name__)

REASONS = {
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    408: "Request Timeout",
    480: "Temporarily Unavailable",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    500: "Server Internal Error",
    503: "Service Unavailable",
    600: "Busy Everywhere",
    603: "Decline",
}
ANSWER_S = 180.0
"""An INVITE that the handler leaves without an answer so long gets 480."""
RING_AGAIN_S = 60.0
"""A provisional answer is sent again this often, so that no proxy gives up (13.3.1.1)."""


class IncomingCall:
    """The handler answers, rejects or redirects it, now or later."""

    def __init__(
        self,
        host: DialogHost,
        transaction: ServerTransaction,
        state: DialogState,
        *,
        offer: AudioDescription | None,
        sdp: bytes,
        user: str,
        on_settled: Callable[[IncomingCall], None],
    ) -> None:
        request = transaction.request
        self.id = state.call_id
        self.caller = state.remote
        self.callee = NameAddr.read(request.headers.get("to"))
        self.request_uri = SipUri.read(request.uri)
        self.headers = request.headers.first_of_each()
        self.offer = offer
        """None: the caller wants our offer in the answer."""
        self.sdp = sdp
        """The offer as it came, for `write_answer`. b"": as above."""
        self.user = user
        """The digest user that calls. "": the address alone was let in."""
        self.on_cancel: Callable[[str], None] = _ignore
        """Once, if the call ends before its answer: cancelled, timeout (the handler's), failed (the handler
        raised), closed (our close)."""
        self._host = host
        self._state = state
        self._transaction = transaction
        self._on_settled = on_settled
        self._again: SipTimer | None = None
        self._late = host.timers.after(ANSWER_S * 1000, lambda: self.end(480, "timeout"))
        transaction.on_cancel = lambda: self.end(487, "cancelled")
        transaction.respond(answer_to(request, 100, "Trying"))

    @property
    def peer(self) -> SipAddress:
        return self._state.flow.peer

    @property
    def local_host(self) -> str:
        """Address of ours that the caller reaches: for the SDP."""
        return self._host.media_host(self._state.flow)

    @property
    def settled(self) -> bool:
        """True: answered, rejected, redirected or cancelled."""
        return self._transaction.answered

    def ring(self, status: int = 180) -> None:
        """Tell the caller that the call is on its way (180-183). After the answer it does nothing."""
        if self.settled:
            return
        self._transaction.respond(self._response(status, "Ringing" if status == 180 else "Session Progress"))
        if self._again is not None:
            self._again.cancel()
        self._again = self._host.timers.after(RING_AGAIN_S * 1000, lambda: self.ring(status))

    def answer(self, sdp: bytes) -> SipDialog:
        """Take the call. sdp: our answer, or our offer where the caller made none. UsageError: it is settled."""
        if self.settled:
            raise UsageError("The SIP call is answered or ended already", advice="Look at `settled` before the answer")
        request = self._transaction.request
        interval = agree_interval(request.headers, self._host.session_expires_s)
        response = self._response(200, "OK")
        for name, value in interval_headers(interval, "timer" in request.headers.tokens("supported")):
            response.headers.add(name, value)
        response.headers.add("content-type", "application/sdp")
        response.body = sdp
        dialog = SipDialog(
            self._host, self._state, incoming=True, headers=self.headers, offer=self.offer, sdp=sdp
        )  # fmt: skip
        self._host.confirmed(dialog)
        dialog.accepted(self._transaction, delayed=not self.sdp)
        dialog.start(interval.seconds, ours=interval.refresher == "uas")
        self._settle()
        self._transaction.respond(response)
        return dialog

    def reject(self, status: int, reason: str = "", *, retry_after_s: int | None = None) -> None:
        """status: 400-699. retry_after_s: when another try may be taken. After the answer it does nothing."""
        if not self.settled:
            self._settle()
            response = self._response(status, reason or REASONS.get(status, "Rejected"))
            if retry_after_s is not None:
                response.headers.add("retry-after", str(retry_after_s))
            self._transaction.respond(response)

    def redirect(self, uri: SipUri) -> None:
        """Send the caller to another address (302)."""
        if not self.settled:
            self._settle()
            response = answer_to(self._transaction.request, 302, "Moved Temporarily", self._state.local.tag)
            response.headers.add("contact", f"<{uri}>")
            self._transaction.respond(response)

    def end(self, status: int, reason: str) -> None:
        """End the call before its answer, and tell the handler."""
        if not self.settled:
            self.reject(status)
            try:
                self.on_cancel(reason)
            except Exception:
                log.exception("The handler of a SIP call that was cancelled failed")

    def _response(self, status: int, reason: str) -> SipResponse:
        response = answer_to(self._transaction.request, status, reason, self._state.local.tag)
        if status < 300:
            response.headers.add("contact", self._host.contact(self._state.flow))
            response.headers.add("allow", ", ".join(METHODS))
            response.headers.add("supported", "timer")
        return response

    def _settle(self) -> None:
        self._late.cancel()
        if self._again is not None:
            self._again.cancel()
        self._on_settled(self)


def _ignore(_: str) -> None:
    pass
