"""What comes live of a call, on any node: a watcher leases a topic from the call's node, which then publishes it.

The topics of a call are its events, and its audio for those who listen (`audio_of`)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from bargein.errors import BargeinError, CommandRefused, FleetAway
from bargein.fleet.keys import audio_of, call_of, events_channel
from bargein.fleet.reach import Reach
from bargein.fleet.records import CallRecord
from bargein.fleet.store import Publish, StoreAway

log = logging.getLogger(__name__)

WAITING_EVENTS = 2048  # of all calls that are watched, on their way to the store; then the oldest is dropped
EVENTS_A_WRITE = 64
LEASE_MS = 15_000.0
RENEW_S = 5.0
AGAIN_S = 0.25
WATCH = "fleet.watch"  # the command
TEXT, OVER, MOVED = b"t", b"o", b"m"  # first byte of a message

Find = Callable[[str], Awaitable[CallRecord | None]]
AskNode = Callable[[str, str, dict[str, Any]], Awaitable[dict[str, Any]]]


class LiveEvents:
    """Without a watcher an event costs nothing; with watchers, one command of the store."""

    def __init__(self, reach: Reach, find: Find, ask: AskNode) -> None:
        self._reach, self._find, self._ask = reach, find, ask
        self._leases: dict[str, float] = {}  # until when a topic is published, by our clock
        self._waiting: deque[tuple[str, bytes]] = deque(maxlen=WAITING_EVENTS)
        self._wake = asyncio.Event()

    def lease(self, topic: str) -> None:
        """A node watches a call of this one."""
        self._leases[topic] = self._reach.clock.now_ms() + LEASE_MS

    def watched(self, topic: str) -> bool:
        """Another node watches this topic of a call."""
        until_ms = self._leases.get(topic)
        return until_ms is not None and until_ms > self._reach.clock.now_ms()

    def publish(self, topic: str, text: str) -> None:
        """An event for those that watch. Never waits."""
        if self.watched(topic):
            self._give(topic, TEXT + text.encode())

    def end(self, call_id: str, *, moved: bool = False) -> None:
        """The call is over, or goes on at another node."""
        for topic in (call_id, audio_of(call_id)):
            if self.watched(topic):
                self._give(topic, MOVED if moved else OVER)
            self._leases.pop(topic, None)

    async def run(self) -> None:
        """Publish what waits, until cancelled. What cannot be published now is dropped."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                many = [self._waiting.popleft() for _ in range(min(EVENTS_A_WRITE, len(self._waiting)))]
                with contextlib.suppress(FleetAway):
                    await self._reach.run([Publish(events_channel(topic), message) for topic, message in many])

    @asynccontextmanager
    async def watch(self, topic: str) -> AsyncIterator[AsyncIterator[str]]:
        """What comes of a topic of another node's call, until the call is over. Raises FleetAway, NodeSilent,
        CommandRefused."""
        try:
            async with self._reach.store.listen(events_channel(topic)) as messages:
                if not await self._renew(topic):
                    yield _none()
                    return
                again = asyncio.Event()
                renewing = asyncio.create_task(self._keep(topic, again), name=f"lease of {topic}")
                texts = _texts(messages, again, renewing)
                try:
                    yield texts
                finally:
                    renewing.cancel()
                    await asyncio.wait([renewing])
                    await texts.aclose()
        except StoreAway as error:
            self._reach.lose(error.why)
            raise self._reach.error() from None

    async def _renew(self, topic: str) -> bool:
        """Whether there is such a call. Raises CommandRefused for one that no node has now."""
        record = await self._find(call_of(topic))
        if record is None:
            return False
        if not record.node:
            raise CommandRefused(
                503, "call_moving", "The call is on its way to another server", advice="Ask again soon"
            )
        await self._ask(record.node, WATCH, {"call": call_of(topic), "topic": topic})
        return True

    async def _keep(self, topic: str, again: asyncio.Event) -> None:
        """Renew the lease until the call is gone, wherever it goes."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RENEW_S):
                    await again.wait()
            again.clear()
            try:
                if not await self._renew(topic):
                    return
            except CommandRefused:
                await asyncio.sleep(AGAIN_S)  # on its way to another node
                again.set()
            except BargeinError as error:
                log.info("Watching %s: something may be missed: %s", topic, error)

    def _give(self, topic: str, message: bytes) -> None:
        self._waiting.append((topic, message))
        self._wake.set()


async def _none() -> AsyncIterator[str]:
    none: tuple[str, ...] = ()
    for each in none:
        yield each


async def _texts(
    messages: AsyncIterator[bytes], again: asyncio.Event, renewing: asyncio.Task[None]
) -> AsyncGenerator[str, None]:
    """Until the call is over: it says so, or the lease finds it gone."""
    coming: asyncio.Task[bytes] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(messages))
            await asyncio.wait([coming, renewing], return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                return
            message, coming = coming.result(), None
            if message[:1] == TEXT:
                yield message[1:].decode()
            elif message[:1] == MOVED:
                again.set()
            else:
                return
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.wait([coming])
