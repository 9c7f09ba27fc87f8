"""A bound on what a client or a network may send: units a second, and a burst."""

from __future__ import annotations

from bargein.clock import Clock


class RateLimit:
    """A token bucket: `rate` units a second pass, and `burst` units at once."""

    def __init__(self, clock: Clock, rate: float, burst: float) -> None:
        self._now_ms = clock.now_ms
        self._rate = rate / 1000
        self._burst = burst
        self._left = burst
        self._at_ms = clock.now_ms()

    @property
    def left(self) -> float:
        """Units that may pass now."""
        self.take(0.0)
        return self._left

    def take(self, units: float = 1) -> bool:
        """False: the units are more than the limit allows now, and none of them is counted."""
        now = self._now_ms()
        left = self._left + (now - self._at_ms) * self._rate
        self._at_ms = now
        if left > self._burst:
            left = self._burst
        if units > left:
            self._left = left
            return False
        self._left = left - units
        return True
