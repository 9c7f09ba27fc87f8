"""The one ticker of the process: every 20 ms it calls every call. No call has a timer of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from bargein.audio.pcm import FRAME_MS
from bargein.clock import Clock

log = logging.getLogger(__name__)

Tick = Callable[[float], None]

EARLY_MS = 5  # before its time, a driven tick may come
DRIVEN_MS = 60  # after a driven tick, until the ticker wakes by itself: frames come every 20 ms
MAX_BEHIND_MS = 200  # past this, missed ticks are skipped: running them all at once would only make us later


def _unmeasured(_: float) -> None:
    """No part measures how late the rounds come."""


class Ticker:
    """Calls every registered function with the time, in ms of the process's clock.

    A function that raises is removed, and its `on_crash` gets the error: one broken call does not stop the others.
    """

    def __init__(self, clock: Clock, period_ms: float = FRAME_MS) -> None:
        self.clock = clock
        self.period_ms = period_ms
        self.late = 0
        """Ticks that came more than one period after their time."""
        self.on_round: Callable[[float], None] = _unmeasured
        """Gets how late each round came, in ms."""
        self._ticks: dict[Tick, Callable[[BaseException], None]] = {}
        self._due: float | None = None  # of the next tick, while `run` runs
        self._driven = False

    def add(self, tick: Tick, on_crash: Callable[[BaseException], None]) -> None:
        """Call `tick` from the next round on."""
        self._ticks[tick] = on_crash

    def remove(self, tick: Tick) -> None:
        """Call it no more."""
        self._ticks.pop(tick, None)

    def tick(self, now_ms: float) -> None:
        """One round. Public so that a test moves time itself."""
        for tick, on_crash in list(self._ticks.items()):
            try:
                tick(now_ms)
            except Exception as error:
                log.exception("A call's tick failed")
                self.remove(tick)
                on_crash(error)

    def drive(self) -> None:
        """The event loop is awake: a tick that is due, or nearly, comes now. Where frames drive the ticker, it needs no
        wake of its own, which costs more than the tick."""
        if self._due is not None and (now := self.clock.now_ms()) >= self._due - EARLY_MS:
            self._driven = True
            self.on_round(now - self._due)
            self._due = now + self.period_ms
            self.tick(now)

    async def run(self) -> None:
        """Until cancelled. Ticks keep to a grid, so they do not drift."""
        self._due = self.clock.now_ms() + self.period_ms
        try:
            while True:
                was_driven, self._driven = self._driven, False
                wake = self._due + (DRIVEN_MS if was_driven else 0.0)
                await asyncio.sleep(max(0.0, wake - self.clock.now_ms()) / 1000)
                now = self.clock.now_ms()
                if self._driven:
                    continue
                if now - wake > self.period_ms:
                    self.late += 1
                self.on_round(now - wake)
                self.tick(now)
                self._due += self.period_ms
                if was_driven or now - self._due > MAX_BEHIND_MS:
                    self._due = now + self.period_ms
        finally:
            self._due = None
