"""A telephone network in simulated time: it plays audio in order, returns marks, obeys a clear, and is far away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

RATE = 8000


@dataclass
class Network:
    """there, back: ms on the way, called for every message; order is kept. Times are given in with each message."""

    there: Callable[[], float]
    back: Callable[[], float]
    returned: list[tuple[float, str]] = field(default_factory=list)  # (when it is back at our end, mark)
    played: list[tuple[float, float, int]] = field(default_factory=list)  # (from, until, first sample)
    _free_ms: float = 0.0  # when all that came has been played
    _pending: list[tuple[float, str]] = field(default_factory=list)
    _arrived_ms: float = 0.0
    _back_ms: float = 0.0
    cleared_ms: float = -1.0

    def _arrive(self, now_ms: float) -> float:
        self._arrived_ms = max(self._arrived_ms, now_ms + self.there())
        self._due(self._arrived_ms)
        return self._arrived_ms

    def audio(self, now_ms: float, first: int, samples: int) -> None:
        begins = max(self._arrive(now_ms), self._free_ms)
        self._free_ms = begins + samples * 1000 / RATE
        self.played.append((begins, self._free_ms, first))

    def mark(self, now_ms: float, name: str) -> None:
        at = self._arrive(now_ms)
        self._pending.append((max(at, self._free_ms), name))
        self._due(at)

    def clear(self, now_ms: float) -> None:
        at = self._arrive(now_ms)
        self.played = [(a, min(b, at), first) for a, b, first in self.played if a < at]
        self._free_ms = at
        self.cleared_ms = at
        for _, name in self._pending:
            self._return(at, name)
        self._pending.clear()

    def settle(self) -> None:
        """Time passes until all has been played."""
        self._due(float("inf"))

    def _due(self, now_ms: float) -> None:
        while self._pending and self._pending[0][0] <= now_ms:
            self._return(*self._pending.pop(0))

    def _return(self, at_ms: float, name: str) -> None:
        self._back_ms = max(self._back_ms, at_ms + self.back())
        self.returned.append((self._back_ms, name))

    def position(self) -> int:
        """So much of it sounded."""
        begins, until, first = self.played[-1]
        return first + int((until - begins) * RATE / 1000)
