"""Connecting again to a vendor whose stream broke: the back-off between attempts, and what the call is told.

A vendor gives one connection as an async generator (`connect`). The generator

- yields events as they come, or None when the vendor has accepted the session,
- returns when it closed the connection itself (nothing was to be sent): the next connection is made at once,
- raises VendorLost when the connection broke: the next one is made after a delay,
- raises any other error when another attempt would not help.

No task and no wait stands between that generator and the reader of `Reconnect.events`: a start of turn that passes here
is on its way to a cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

from bargein.clock import Clock, MonotonicClock
from bargein.errors import VendorLost
from bargein.protocols import STTEvent, STTLost, STTRestored

log = logging.getLogger(__name__)

Connect = Callable[[], AsyncGenerator[STTEvent | None, None]]


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays between attempts: doubled after each, up to a bound, each shortened by chance."""

    first_s: float = 0.2
    """Longest delay before the second attempt."""
    most_s: float = 5.0
    """Longest delay before any attempt."""
    jitter: float = 0.25
    """Share of a delay, 0..1, that chance may take away: calls that broke together do not connect together."""

    def delay_s(self, failures: int, chance: float) -> float:
        """failures: attempts that failed in a row, from 1. chance: 0..1; 0 gives the longest delay."""
        longest = min(self.first_s * 2.0 ** min(failures - 1, 32), self.most_s)
        return longest * (1 - self.jitter * chance)


BACKOFF = Backoff()


class Reconnect:
    """One call's connection to a vendor, over all its breaks."""

    def __init__(
        self,
        connect: Connect,
        *,
        vendor: str,
        advice: str,
        backoff: Backoff | None = None,
        on_break: Callable[[], object] = lambda: None,
        clock: Clock | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """connect: makes one connection. vendor, advice: for STTLost. on_break: called at each break, before the delay.
        clock, sleep, chance: for tests."""
        self._connect, self._vendor, self._advice = connect, vendor, advice
        self._backoff, self._on_break = backoff or BACKOFF, on_break
        self._clock, self._sleep, self._chance = clock or MonotonicClock(), sleep, chance
        self._failures = 0
        self._lost = False

    async def events(self) -> AsyncGenerator[STTEvent, None]:
        """The events of all connections, with STTLost once for each loss and STTRestored once it is over.

        The back-off begins anew when an event came, or when a session lasted longer than the longest delay.
        """
        while True:
            accepted_ms: float | None = None
            try:
                async with contextlib.aclosing(self._connect()) as connection:
                    async for event in connection:
                        if self._lost:
                            self._lost = False
                            yield STTRestored()
                        if event is None:
                            accepted_ms = self._clock.now_ms()
                        else:
                            self._failures = 0
                            yield event
                continue
            except VendorLost as error:
                why = error.message
            if accepted_ms is not None and self._clock.now_ms() - accepted_ms > self._backoff.most_s * 1000:
                self._failures = 0
            self._failures += 1
            self._on_break()
            if not self._lost:
                self._lost = True
                yield STTLost(f"{self._vendor} {why}", self._advice)
            delay_s = self._backoff.delay_s(self._failures, self._chance())
            log.info("%s %s; connecting again in %.2f s", self._vendor, why, delay_s)
            await self._sleep(delay_s)
