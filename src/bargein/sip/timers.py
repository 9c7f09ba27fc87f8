"""Timers by the injected clock, one queue for all transactions and dialogs. A test moves the clock, then runs them."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass

from bargein.clock import Clock


@dataclass(frozen=True, slots=True)
class RetryTimes:
    """T1, T2 and T4 of RFC 3261, 17."""

    t1_ms: float = 500
    """Round trip that is assumed: the first wait before a message is sent again."""
    t2_ms: float = 4000
    """Longest wait before a message is sent again."""
    t4_ms: float = 5000
    """How long a message may wander in the network."""

    @property
    def give_up_ms(self) -> float:
        return 64 * self.t1_ms


class SipTimer:
    """What `TimerQueue.after` returned. cancel: may come twice, and after the timer ran."""

    __slots__ = ("run",)

    def __init__(self, run: Callable[[], None]) -> None:
        self.run: Callable[[], None] | None = run

    def cancel(self) -> None:
        self.run = None


class TimerQueue:
    """on_sooner: called when the next due time moved forward, so that the owner of the loop sets its own timer."""

    def __init__(self, clock: Clock, on_sooner: Callable[[], None] = lambda: None) -> None:
        self.clock = clock
        self.on_sooner = on_sooner
        self._heap: list[tuple[float, int, SipTimer]] = []
        self._count = itertools.count()
        self._sweep_at = 256  # cancelled timers stay in the heap until then

    def __len__(self) -> int:
        return sum(timer.run is not None for _, _, timer in self._heap)

    def after(self, ms: float, run: Callable[[], None]) -> SipTimer:
        timer = SipTimer(run)
        due = self.clock.now_ms() + max(0.0, ms)
        sooner = not self._heap or due < self._heap[0][0]
        heapq.heappush(self._heap, (due, next(self._count), timer))
        if len(self._heap) > self._sweep_at:
            self._heap = [each for each in self._heap if each[2].run is not None]
            heapq.heapify(self._heap)
            self._sweep_at = max(256, 2 * len(self._heap))
        if sooner:
            self.on_sooner()
        return timer

    @property
    def next_due_ms(self) -> float | None:
        while self._heap and self._heap[0][2].run is None:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def run_due(self) -> None:
        """Run each timer whose time has come, those that they start included if they are due too."""
        while (due := self.next_due_ms) is not None and due <= self.clock.now_ms():
            _, _, timer = heapq.heappop(self._heap)
            run = timer.run
            timer.run = None
            if run is not None:
                run()

    def clear(self) -> None:
        self._heap.clear()
