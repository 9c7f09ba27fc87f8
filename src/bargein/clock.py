"""One monotonic clock per process, injected into all code that reads time, so that a test moves time by hand."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """A monotonic clock."""

    def now_ms(self) -> float:
        """Milliseconds since an arbitrary moment. Never goes back."""
        ...


class MonotonicClock:
    """The process's clock: `time.monotonic_ns` in milliseconds."""

    __slots__ = ()

    def now_ms(self) -> float:
        return time.monotonic_ns() / 1e6


class ManualClock:
    """A clock that stands still until `advance` moves it. For tests and replays."""

    __slots__ = ("_now_ms",)

    def __init__(self, now_ms: float = 0.0) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> float:
        return self._now_ms

    def advance(self, ms: float) -> None:
        """Move time on. ms: >= 0."""
        if ms < 0:
            raise ValueError("time does not go back")
        self._now_ms += ms
