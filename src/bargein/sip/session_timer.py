"""Session timers (RFC 4028): a call whose far end is gone without a word ends, and ours is refreshed in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bargein.errors import ProtocolError
from bargein.sip.addresses import read_parameters
from bargein.sip.messages import Headers, content_length
from bargein.sip.timers import SipTimer, TimerQueue

LEAST_S = 90
"""Our Min-SE, the least that RFC 4028 allows."""


@dataclass(frozen=True, slots=True)
class SessionInterval:
    seconds: int
    refresher: Literal["uac", "uas", ""]


def read_interval(headers: Headers) -> SessionInterval | None:
    """None: the message has no Session-Expires that can be read."""
    number, *parameters = headers.get("session-expires").split(";")
    try:
        seconds = content_length(number)
    except ProtocolError:
        return None
    said = dict(read_parameters(parameters)).get("refresher", "").lower()
    return SessionInterval(seconds, "uac" if said == "uac" else "uas" if said == "uas" else "")


def least_of(headers: Headers) -> int:
    """Min-SE of a message. LEAST_S: it has none."""
    try:
        return max(LEAST_S, content_length(headers.get("min-se").partition(";")[0]))
    except ProtocolError:
        return LEAST_S


class SessionTimer:
    """refresh: our turn, half the interval is over. expire: the far end, whose turn it was, is silent."""

    def __init__(self, timers: TimerQueue, refresh: Callable[[], None], expire: Callable[[], None]) -> None:
        self.seconds = 0
        self.ours = True
        self._timers = timers
        self._refresh = refresh
        self._expire = expire
        self._timer: SipTimer | None = None
        self._last: SipTimer | None = None

    def start(self, seconds: int, *, ours: bool) -> None:
        self.stop()
        self.seconds, self.ours = max(seconds, LEAST_S), ours
        wait_s = self.seconds / 2 if ours else self.seconds - min(32.0, self.seconds / 3)
        self._timer = self._timers.after(wait_s * 1000, self._refresh if ours else self._expire)
        if ours:  # refreshes that all fail end the session, too
            self._last = self._timers.after(self.seconds * 1000, self._expire)

    def again(self) -> None:
        """Restart after a refresh."""
        if self.seconds:
            self.start(self.seconds, ours=self.ours)

    def soon(self, wait_ms: float) -> None:
        """Try the refresh again, since the far end was busy with a request of its own."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._timers.after(wait_ms, self._refresh)

    def stop(self) -> None:
        for timer in (self._timer, self._last):
            if timer is not None:
                timer.cancel()
