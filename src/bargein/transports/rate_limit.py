"""A bound on what a client or a network may send: units a second, and a burst."""

from __future__ import annotations

from bargein.clock import Clock


class RateLimit:
    """A token bucket: `rate` units a second pass, and `burst` units at once."""

    def __init__(self, clock: Clock, rate: float, burst: float) -> None:
        self._clock = clock
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._at_ms = clock.now_ms()

    @property
    def left(self) -> float:
        """Units that may pass now."""
        now = self._clock.now_ms()
        self._left = min(self._burst, self._left + (now - self._at_ms) * self._rate / 1000)
        self._at_ms = now
        return self._left

    def take(self, units: float = 1) -> bool:
        """False: the units are more than the limit allows now, and none of them is counted."""
        if units > self.left:
            return False
        self._left -= units
        return True
