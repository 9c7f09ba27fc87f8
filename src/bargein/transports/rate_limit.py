"""How much may come from a far end: so many units a second, and so many at once."""

from __future__ import annotations

from bargein.clock import Clock


class RateLimit:
    """Lets `rate` units a second pass, and `burst` at once."""

    def __init__(self, clock: Clock, rate: float, burst: float) -> None:
        self._clock = clock
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._at_ms = clock.now_ms()

    def take(self, units: float = 1) -> bool:
        """False: too many. They are then not counted."""
        now = self._clock.now_ms()
        self._left = min(self._burst, self._left + (now - self._at_ms) * self._rate / 1000)
        self._at_ms = now
        if units > self._left:
            return False
        self._left -= units
        return True
