"""The store of one process: dictionaries. Alone it serves one node; in a supervisor it serves all workers."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from bargein.clock import Clock, MonotonicClock
from bargein.fleet.listener import Listener
from bargein.fleet.store import (
    QUEUE_ITEMS,
    Delete,
    Lowest,
    Match,
    Now,
    Operation,
    Publish,
    Push,
    Put,
    QueueItem,
    QueueTail,
    Rank,
    Read,
    Touch,
    Unrank,
)

SWEEP_STEPS = 1024  # between two looks for what has expired


class _Key:
    __slots__ = ("fields", "until_ms")

    def __init__(self) -> None:
        self.fields: dict[str, bytes] = {}
        self.until_ms: float | None = None


class _Queue:
    def __init__(self) -> None:
        self.items: deque[QueueItem] = deque(maxlen=QUEUE_ITEMS)
        self.until_ms = 0.0
        self.readers = 0
        self.came = asyncio.Event()


class MemoryStore:
    """Of one process, and never away. shared: several nodes use it."""

    def __init__(
        self, clock: Clock | None = None, *, shared: bool = False, wall_s: Callable[[], float] = time.time
    ) -> None:
        self.shared = shared
        self._clock = clock or MonotonicClock()
        self._since_ms = wall_s() * 1000 - self._clock.now_ms()
        self._keys: dict[str, _Key] = {}
        self._indices: dict[str, dict[str, float]] = {}
        self._queues: dict[str, _Queue] = {}
        self._channels: dict[str, set[Listener]] = {}
        self._steps = 0
        self._pushed = 0  # over all queues: a position stays good when its queue expired and came again

    async def run(self, steps: Sequence[Operation[Any]]) -> list[Any]:
        return [self.step(each) for each in steps]

    def step(self, step: Operation[Any]) -> Any:
        """Do one step now."""
        self._steps += 1
        if self._steps % SWEEP_STEPS == 0:
            self._sweep()
        match step:
            case Put(key, fields, ttl_ms, only_if):
                return self._put(key, fields, ttl_ms, only_if)
            case Read(key, names):
                found = self._fields(key)
                return dict(found) if names is None else {name: found[name] for name in names if name in found}
            case Touch(key, ttl_ms):
                if there := self._key(key):
                    there.until_ms = self._now_ms() + ttl_ms
                return there is not None
            case Delete(key, only_if):
                if self._key(key) is None or (only_if is not None and not only_if.holds(self._fields(key))):
                    return False
                del self._keys[key]
                return True
            case Rank(index, name, score):
                self._indices.setdefault(index, {})[name] = score
            case Unrank(index, name):
                self._indices.get(index, {}).pop(name, None)
            case Lowest(index, most):
                ranked = self._indices.get(index, {})
                return sorted(ranked, key=lambda name: (ranked[name], name))[:most]
            case Push(queue, item, ttl_ms):
                self._push(queue, item, ttl_ms)
            case QueueTail(queue):
                return str(self._pushed)
            case Publish(channel, message):
                for listener in self._channels.get(channel, ()):
                    listener.give(message)
            case Now():
                return int(self._now_ms())
            case _:
                raise TypeError(type(step).__name__)
        return None

    async def pull(self, queue: str, after: str, wait_ms: int) -> list[QueueItem]:
        there = self._queue(queue)
        found = self._later(there, int(after))
        if not found:
            there.came.clear()
            there.readers += 1
            try:
                async with asyncio.timeout(wait_ms / 1000):
                    await there.came.wait()
            except TimeoutError:
                return []
            finally:
                there.readers -= 1
            found = self._later(there, int(after))
        return found

    @asynccontextmanager
    async def listen(self, channel: str) -> AsyncIterator[AsyncIterator[bytes]]:
        listener = Listener()
        listeners = self._channels.setdefault(channel, set())
        listeners.add(listener)
        try:
            yield listener.messages()
        finally:
            listeners.discard(listener)
            if not listeners:
                self._channels.pop(channel, None)

    async def aclose(self) -> None:
        """Nothing to close: other nodes may use it."""

    def _now_ms(self) -> float:
        return self._since_ms + self._clock.now_ms()

    def _key(self, key: str) -> _Key | None:
        there = self._keys.get(key)
        if there is not None and there.until_ms is not None and there.until_ms <= self._now_ms():
            del self._keys[key]
            return None
        return there

    def _fields(self, key: str) -> dict[str, bytes]:
        there = self._key(key)
        return {} if there is None else there.fields

    def _put(self, key: str, fields: dict[str, bytes | None], ttl_ms: int | None, only_if: Match | None) -> bool:
        if only_if is not None and not only_if.holds(self._fields(key)):
            return False
        there = self._key(key)
        if there is None:
            there = self._keys[key] = _Key()
        for name, value in fields.items():
            if value is None:
                there.fields.pop(name, None)
            else:
                there.fields[name] = value
        if ttl_ms is not None:
            there.until_ms = self._now_ms() + ttl_ms
        if not there.fields:
            del self._keys[key]
        return True

    def _queue(self, queue: str) -> _Queue:
        there = self._queues.get(queue)
        if there is None:
            there = self._queues[queue] = _Queue()
        return there

    def _push(self, queue: str, item: bytes, ttl_ms: int) -> None:
        there = self._queue(queue)
        self._pushed += 1
        now_ms = self._now_ms()
        there.until_ms = now_ms + ttl_ms
        there.items.append(QueueItem(str(self._pushed), int(now_ms), item))
        there.came.set()

    def _later(self, queue: _Queue, after: int) -> list[QueueItem]:
        if queue.until_ms <= self._now_ms():
            queue.items.clear()
        return list(queue.items)[bisect_right(queue.items, after, key=lambda item: int(item.position)) :]

    def _sweep(self) -> None:
        """Forget what has expired."""
        for key in list(self._keys):
            self._key(key)
        now_ms = self._now_ms()
        for name, queue in list(self._queues.items()):
            if queue.until_ms <= now_ms and not queue.readers:
                del self._queues[name]
