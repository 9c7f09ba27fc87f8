"""Server transactions (RFC 3261, 17.2, with RFC 6026's Accepted): a request that came, and the answers it got."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from bargein.sip.flows import Flow
from bargein.sip.messages import SipRequest, SipResponse
from bargein.sip.timers import RetryTimes, SipTimer, TimerQueue


class ServerState(Enum):
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    """A 2xx to an INVITE was sent: it is sent again until its ACK comes."""
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    """The ACK of an INVITE came: repeats of either are read over."""
    ENDED = "ended"


class ServerTransaction:
    """Repeats of the request get the last answer again; the user sees the request once."""

    def __init__(
        self,
        request: SipRequest,
        flow: Flow,
        timers: TimerQueue,
        times: RetryTimes,
        on_end: Callable[[ServerTransaction], None],
    ) -> None:
        self.request = request
        self.flow = flow
        self.state = ServerState.PROCEEDING
        self.last: SipResponse | None = None
        self.once = False
        """True: the sender has proven nothing. A refusal goes out once, since it may go to a forged address (8.2.7)."""
        self.on_cancel: Callable[[], None] = _ignore
        """A CANCEL came before the final answer. The user answers 487."""
        self.on_unacknowledged: Callable[[], None] = _ignore
        """The final answer to an INVITE was sent until the time was over, and no ACK came."""
        self._timers = timers
        self._times = times
        self._on_end = on_end
        self._invite = request.method == "INVITE"
        self._wait_ms = times.t1_ms
        self._repeat: SipTimer | None = None
        self._life: SipTimer | None = None
        self._bytes = b""

    @property
    def answered(self) -> bool:
        """True: the final answer is sent."""
        return self.state is not ServerState.PROCEEDING

    def respond(self, response: SipResponse) -> None:
        """After the final answer a further one changes nothing."""
        if self.answered:
            return
        self.last = response
        self._bytes = response.render()
        self.flow.send(self._bytes)
        if response.status < 200:
            return
        if self._invite and self.once and response.status >= 300:
            self.end()
        elif self._invite:
            self.state = ServerState.ACCEPTED if response.status < 300 else ServerState.COMPLETED
            # A 2xx is sent again over a connection, too: a proxy behind it may lose it (13.3.1.4).
            if self.state is ServerState.ACCEPTED or not self.flow.reliable:
                self._repeat = self._timers.after(self._wait_ms, self._again)
            self._life = self._timers.after(self._times.give_up_ms, self._given_up)
        else:
            self.state = ServerState.COMPLETED
            self._life = self._timers.after(0 if self.flow.reliable else self._times.give_up_ms, self.end)

    def repeated(self, flow: Flow) -> None:
        """The request came again."""
        if self.last is not None and self.state in (
            ServerState.PROCEEDING,
            ServerState.COMPLETED,
            ServerState.ACCEPTED,
        ):
            flow.send(self._bytes)

    def acknowledged(self) -> None:
        """The ACK of the final answer came."""
        if self.state not in (ServerState.COMPLETED, ServerState.ACCEPTED) or not self._invite:
            return
        accepted = self.state is ServerState.ACCEPTED
        self.state = ServerState.CONFIRMED
        self._stop()
        # Repeats of an accepted INVITE are absorbed for as long as they may come (timer L of RFC 6026).
        wait = self._times.give_up_ms if accepted else 0 if self.flow.reliable else self._times.t4_ms
        self._life = self._timers.after(wait, self.end)

    def cancelled(self) -> None:
        if not self.answered:
            self.on_cancel()

    def end(self) -> None:
        if self.state is not ServerState.ENDED:
            self.state = ServerState.ENDED
            self._stop()
            self.on_cancel = self.on_unacknowledged = _ignore
            self._on_end(self)

    def _again(self) -> None:
        self.flow.send(self._bytes)
        self._wait_ms = min(2 * self._wait_ms, self._times.t2_ms)
        self._repeat = self._timers.after(self._wait_ms, self._again)

    def _given_up(self) -> None:
        tell = self.on_unacknowledged
        self.end()
        tell()

    def _stop(self) -> None:
        for timer in (self._repeat, self._life):
            if timer is not None:
                timer.cancel()


def _ignore() -> None:
    pass
