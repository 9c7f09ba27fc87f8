"""re-INVITE and UPDATE in both directions, with glare (RFC 3261, 14), and the session's refreshes (RFC 4028)."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Literal

from bargein.errors import ProtocolError
from bargein.sip.dialog_requests import DialogRequests
from bargein.sip.dialog_state import OnAnswer
from bargein.sip.errors import SipRefusal
from bargein.sip.messages import Headers, SipResponse, read_cseq, sdp_of
from bargein.sip.server_transactions import ServerTransaction
from bargein.sip.session_description import AudioDescription, read_audio
from bargein.sip.session_timer import SessionInterval, SessionTimer, least_of, read_interval

Respond = Callable[[ServerTransaction, int, str, list[tuple[str, str]], bytes], None]


class Renegotiation:
    """describe: our answer to an offer of the far end (None: our offer is asked for). ended: the dialog must end.

    described: the far end answered an offer of ours."""

    def __init__(
        self,
        requests: DialogRequests,
        *,
        caller: bool,
        sdp: bytes,
        describe: Callable[[AudioDescription | None, bytes], bytes],
        described: Callable[[AudioDescription], None],
        ended: Callable[[str], None],
    ) -> None:
        self.sdp = sdp
        """Our description as it was sent last."""
        self.timer = SessionTimer(requests.host.timers, self._refresh, lambda: ended("session_expired"))
        self._requests = requests
        self._caller = caller
        self._describe = describe
        self._described = described
        self._ended = ended
        self._stopped = False
        self._asking = False
        """An INVITE or UPDATE of ours has no final answer yet."""
        self._unacknowledged: dict[int, tuple[ServerTransaction, bool]] = {}
        """INVITEs that we accepted, by CSeq; with True if the ACK brings the answer to our offer."""

    @property
    def settled(self) -> bool:
        """True: the far end acknowledged each INVITE that we accepted."""
        return not self._unacknowledged

    # The far end asks.

    def accepted(self, transaction: ServerTransaction, *, delayed: bool) -> None:
        """We sent a 2xx to an INVITE."""
        cseq, _ = read_cseq(transaction.request.headers.get("cseq"))
        self._unacknowledged[cseq] = (transaction, delayed)

        def unacknowledged() -> None:
            self._unacknowledged.pop(cseq, None)
            self._ended("timeout")

        transaction.on_unacknowledged = unacknowledged

    def acknowledged(self, cseq: int, body: bytes) -> None:
        found = self._unacknowledged.pop(cseq, None)
        if found is None:
            return
        transaction, delayed = found
        transaction.acknowledged()
        if not delayed:
            return
        try:
            answer = read_audio(body)
        except ProtocolError:
            self._ended("refused")
        else:
            self._described(answer)

    def invited(self, transaction: ServerTransaction, respond: Respond) -> None:
        if self._asking:
            respond(transaction, 491, "Request Pending", [], b"")
        elif not self.settled:
            respond(transaction, 500, "Server Internal Error", [("retry-after", str(random.randint(1, 10)))], b"")  # noqa: S311
        elif self._take(transaction, respond, sdp_of(transaction.request)):
            self.accepted(transaction, delayed=not sdp_of(transaction.request))

    def updated(self, transaction: ServerTransaction, respond: Respond) -> None:
        sdp = sdp_of(transaction.request)
        if sdp and self._asking:
            respond(transaction, 491, "Request Pending", [], b"")
        elif sdp:
            self._take(transaction, respond, sdp)
        elif (interval := self._interval(transaction, respond)) is not None:
            self._requests.state.refresh(transaction.request.headers)
            respond(transaction, 200, "OK", interval, b"")

    def _take(self, transaction: ServerTransaction, respond: Respond, sdp: bytes) -> bool:
        """True: answered with 200."""
        if (interval := self._interval(transaction, respond)) is None:
            return False
        try:
            answer = self._describe(read_audio(sdp) if sdp else None, sdp)
        except ProtocolError:
            respond(transaction, 488, "Not Acceptable Here", [], b"")
            return False
        except SipRefusal as refusal:
            respond(transaction, refusal.status, refusal.reason, [], b"")
            return False
        self._requests.state.refresh(transaction.request.headers)
        self.sdp = answer
        respond(transaction, 200, "OK", [*interval, ("content-type", "application/sdp")], answer)
        return True

    def _interval(self, transaction: ServerTransaction, respond: Respond) -> list[tuple[str, str]] | None:
        """Session headers of a 2xx, and the timer is started. None: refused with 422."""
        try:
            interval = agree_interval(transaction.request.headers, self._requests.host.session_expires_s)
        except SipRefusal as refusal:
            respond(transaction, refusal.status, refusal.reason, [("min-se", str(least_of(Headers())))], b"")
            return None
        self.timer.start(interval.seconds, ours=interval.refresher == "uas")
        return interval_headers(interval, "timer" in transaction.request.headers.tokens("supported"))

    # We ask.

    def offer(self, sdp: bytes, answered: OnAnswer, *, method: Literal["INVITE", "UPDATE"] = "INVITE") -> None:
        """Send an offer. answered: the final answer; a glare is tried again. None: no answer."""
        if self._stopped:
            answered(None)
            return
        if self._asking or not self.settled:
            self._later(lambda: self.offer(sdp, answered, method=method))
            return
        self._asking = True

        def handle(response: SipResponse | None) -> None:
            self._asking = False
            if response is not None and response.status == 491:
                self._later(lambda: self.offer(sdp, answered, method=method))
                return
            if response is not None and response.status < 300 and not self._stopped:
                self._refreshed(response)
                self.sdp = sdp or self.sdp
            answered(response)

        headers = [("supported", "timer")]
        if self.timer.seconds:
            headers.append(("session-expires", f"{self.timer.seconds};refresher={'uac' if self.timer.ours else 'uas'}"))
        if sdp:
            headers.append(("content-type", "application/sdp"))
        self._requests.ask(method, handle, headers=headers, body=sdp)

    def finish(self) -> None:
        """The dialog is over: no offer goes out any more. The ACK of an accepted INVITE may still come."""
        self._stopped = True
        self.timer.stop()

    def stop(self) -> None:
        self.finish()
        for transaction, _ in self._unacknowledged.values():
            transaction.acknowledged()
        self._unacknowledged.clear()

    def _later(self, again: Callable[[], None]) -> None:
        """After a glare the side that made the call waits longer (14.1)."""
        wait_s = random.uniform(2.1, 4.0) if self._caller else random.uniform(0.0, 2.0)  # noqa: S311
        self._requests.host.timers.after(wait_s * 1000, again)

    def _refresh(self) -> None:
        def answered(response: SipResponse | None) -> None:
            if response is None or self._stopped:
                return  # the dialog is over
            if response.status == 422:
                self.timer.start(max(least_of(response.headers), self.timer.seconds), ours=True)
            elif response.status >= 300:
                self.timer.soon(10_000)
            elif sdp and (body := sdp_of(response)):
                try:
                    self._described(read_audio(body))
                except ProtocolError:
                    self._ended("refused")

        update = "UPDATE" in self._requests.state.allowed
        sdp = b"" if update else self.sdp
        self.offer(sdp, answered, method="UPDATE" if update else "INVITE")

    def _refreshed(self, response: SipResponse) -> None:
        interval = read_interval(response.headers)
        if interval is None:
            self.timer.again()
        else:
            self.timer.start(interval.seconds, ours=interval.refresher != "uas")


def agree_interval(headers: Headers, wanted_s: int) -> SessionInterval:
    """Of the side that answers. SipRefusal 422: the interval is too short, and the far end can ask for a longer one."""
    asked = read_interval(headers)
    supports = "timer" in headers.tokens("supported")
    if asked is None:
        return SessionInterval(max(wanted_s, least_of(headers)), "uas")
    if asked.seconds < least_of(Headers()):
        if supports:
            raise SipRefusal(422, "Session Interval Too Small")
        return SessionInterval(least_of(Headers()), "uas")
    return SessionInterval(asked.seconds, "uac" if asked.refresher == "uac" and supports else "uas")


def interval_headers(interval: SessionInterval, supported: bool) -> list[tuple[str, str]]:
    headers = [("session-expires", f"{interval.seconds};refresher={interval.refresher}")] if supported else []
    return [*headers, ("require", "timer")] if interval.refresher == "uac" else headers
