"""Client transactions (RFC 3261, 17.1, with RFC 6026's Accepted): a request of ours, sent until it is answered."""

from __future__ import annotations

from collections.abc import Callable

from bargein.sip.flows import Flow
from bargein.sip.messages import Headers, SipRequest, SipResponse
from bargein.sip.timers import RetryTimes, SipTimer, TimerQueue


class ClientTransaction:
    """on_response: each answer once; of an INVITE each 2xx again and again, since each wants an ACK.

    on_timeout: no final answer came in time. It is called at most once, and never after a final answer."""

    def __init__(
        self,
        request: SipRequest,
        flow: Flow,
        timers: TimerQueue,
        times: RetryTimes,
        *,
        on_response: Callable[[SipResponse], None],
        on_timeout: Callable[[], None],
        on_end: Callable[[ClientTransaction], None],
    ) -> None:
        self.request = request
        self.flow = flow
        self.final: SipResponse | None = None
        self.proceeding = False
        """True: a provisional answer came. Only then a CANCEL may be sent."""
        self._timers = timers
        self._times = times
        self._on_response = on_response
        self._on_timeout = on_timeout
        self._on_end = on_end
        self._invite = request.method == "INVITE"
        self._bytes = request.render()
        self._wait_ms = times.t1_ms
        self._repeat: SipTimer | None = None
        self._life: SipTimer | None = timers.after(times.give_up_ms, self._timeout)
        self._ack = b""
        self.ended = False

    def start(self) -> None:
        self.flow.send(self._bytes)
        if not self.flow.reliable:
            self._repeat = self._timers.after(self._wait_ms, self._again)

    def handle(self, response: SipResponse) -> None:
        if self.ended:
            return
        if response.status < 200:
            self._provisional(response)
        elif self._invite:
            self._answer_to_invite(response)
        elif self.final is None:
            self.final = response
            self._keep(0 if self.flow.reliable else self._times.t4_ms)
            self._on_response(response)

    def end(self) -> None:
        if not self.ended:
            self.ended = True
            self._stop()
            self._on_end(self)

    def wait_at_most(self, ms: float) -> None:
        """From now on the final answer must come within this time: after a CANCEL (9.1)."""
        if self.final is None and not self.ended:
            if self._life is not None:
                self._life.cancel()
            self._life = self._timers.after(ms, self._timeout)

    def _provisional(self, response: SipResponse) -> None:
        if self.final is not None:
            return
        self.proceeding = True
        if self._invite:
            self._stop()  # it may ring for as long as the user waits
        else:
            self._wait_ms = self._times.t2_ms
        self._on_response(response)

    def _answer_to_invite(self, response: SipResponse) -> None:
        if response.status < 300:
            if self.final is None or self.final.status < 300:
                if self.final is None:
                    self.final = response
                    self._keep(self._times.give_up_ms)
                self._on_response(response)
        elif self.final is None:
            self.final = response
            self._ack = ack_of_refusal(self.request, response).render()
            self.flow.send(self._ack)
            self._keep(0 if self.flow.reliable else self._times.give_up_ms)
            self._on_response(response)
        elif self.final.status >= 300:
            self.flow.send(self._ack)

    def _keep(self, ms: float) -> None:
        self._stop()
        self._life = self._timers.after(ms, self.end)

    def _again(self) -> None:
        self.flow.send(self._bytes)
        self._wait_ms = 2 * self._wait_ms if self._invite else min(2 * self._wait_ms, self._times.t2_ms)
        self._repeat = self._timers.after(self._wait_ms, self._again)

    def _timeout(self) -> None:
        self.end()
        self._on_timeout()

    def _stop(self) -> None:
        for timer in (self._repeat, self._life):
            if timer is not None:
                timer.cancel()


def ack_of_refusal(invite: SipRequest, response: SipResponse) -> SipRequest:
    """The ACK of a final answer that is no 2xx: a part of the INVITE's transaction (17.1.1.3)."""
    return SipRequest("ACK", invite.uri, _like(invite, "ACK", response.headers.get("to")))


def cancel_of(invite: SipRequest) -> SipRequest:
    return SipRequest("CANCEL", invite.uri, _like(invite, "CANCEL", invite.headers.get("to")))


def _like(invite: SipRequest, method: str, to: str) -> Headers:
    headers = Headers()
    for name, value in invite.headers:
        if name == "cseq":
            headers.add("cseq", f"{value.split()[0]} {method}")
        elif name == "to":
            headers.add("to", to)
        elif name in ("via", "from", "call-id", "route", "max-forwards"):
            headers.add(name, value)
    return headers
