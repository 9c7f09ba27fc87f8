"""Whether the store can be reached, and its time: one view for all that a node does with it."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from typing import Any

from bargein.clock import Clock
from bargein.errors import FleetAway
from bargein.fleet.store import Now, Operation, Store, StoreAway

log = logging.getLogger(__name__)

LATE_MS = 1_000.0  # without an answer for so long, the store counts as away
SETTLE_MS = 2_000  # after its return, until every node is in the store again
FIRST_PAUSE_S, MOST_PAUSE_S = 0.1, 0.8  # between two attempts; the state is true within 2 s of the store's return
ADVICE = "This node's own calls go on. Look at the store (BARGEIN_REDIS_URL), and ask again when it is back"


class Reach:
    """A node's way to the store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.away: str | None = None
        """Why the store cannot be reached now."""
        self.returns = 0
        """How often the store came back."""
        self._back = asyncio.Event()
        self._back.set()
        self._returned = asyncio.Event()
        self._settled_ms = 0.0
        self._offset_ms: float | None = None  # of the store's time from our clock's

    @property
    def now_ms(self) -> int:
        """The store's time, as it was measured last and counted on by our own clock. 0: not measured yet."""
        return 0 if self._offset_ms is None else int(self.clock.now_ms() + self._offset_ms)

    @property
    def settled(self) -> bool:
        """A node that is not in the store is gone. False: it may not have come back yet, as the store has just now."""
        return self.away is None and self.clock.now_ms() >= self._settled_ms

    async def run(self, steps: Sequence[Operation[Any]], *, within_ms: float = LATE_MS) -> list[Any]:
        """The answers of the store. Raises FleetAway."""
        try:
            async with asyncio.timeout(within_ms / 1000):
                answers = await self.store.run(steps)
        except StoreAway as error:
            self.lose(error.why)
        except TimeoutError:
            self.lose(f"no answer within {within_ms:g} ms")
        else:
            return answers
        raise self.error()

    async def one(self, step: Operation[Any], *, within_ms: float = LATE_MS) -> Any:
        """The answer of one step. Raises FleetAway."""
        return (await self.run([step], within_ms=within_ms))[0]

    async def measure(self, steps: Sequence[Operation[Any]]) -> list[Any]:
        """As `run`; measures the store's time with it, and alone tells that the store is back: the steps write, and a
        store that can only be read (full, a replica) is away all the same."""
        sent_ms = self.clock.now_ms()
        *answers, now_ms = await self.run([*steps, Now()])
        self.found()
        self._offset_ms = now_ms - (sent_ms + self.clock.now_ms()) / 2
        return answers

    def error(self) -> FleetAway:
        """That the store is away."""
        return FleetAway(f"The fleet's store is away: {self.away}", advice=ADVICE)

    def lose(self, why: str) -> None:
        """An attempt failed."""
        if self.away is None:
            log.warning("The fleet's store is away: %s. Calls of this node go on", why)
        self.away = why
        self._back.clear()

    def found(self) -> None:
        """An attempt succeeded."""
        if self.away is not None:
            log.warning("The fleet's store is back")
            self.away = None
            self.returns += 1
            self._returned.set()
            self._settled_ms = self.clock.now_ms() + SETTLE_MS
        self._back.set()

    async def back(self) -> None:
        """Until the store can be reached."""
        await self._back.wait()

    async def returned(self) -> None:
        """Until the store comes back the next time. For one task."""
        await self._returned.wait()
        self._returned.clear()


def pause_s(failures: int) -> float:
    """Before the next attempt. failures: in a row, from 1. By chance, so that nodes do not return all at once."""
    return min(FIRST_PAUSE_S * 2.0 ** min(failures - 1, 8), MOST_PAUSE_S) * random.uniform(0.5, 1.0)  # noqa: S311
