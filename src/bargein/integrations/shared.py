"""What all guest floors of a process share: the clock, the ticker, the VAD, and the thread that writes records. The
first floor starts it, the last one ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from bargein.audio.sound import SoundJudge
from bargein.audio.vad import SileroVAD
from bargein.call.runtime import Runtime
from bargein.call.ticker import Ticker
from bargein.clock import MonotonicClock
from bargein.recorder.disk import DiskThread
from bargein.standalone_call import NoMeter

INLINE_CALLS = 8  # with no more calls, the event loop runs the VAD's model itself: two wakes cost more


@dataclass(frozen=True, slots=True)
class Shared:
    """One for each event loop."""

    runtime: Runtime
    disk: DiskThread


class _Keeper:
    """Runs what is shared in a task of its own, as long as one floor wants it."""

    def __init__(self) -> None:
        self.users = 0
        self._ready: asyncio.Future[Shared] = asyncio.get_running_loop().create_future()
        self._unused = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name="the floors' ticker and VAD")

    async def wanted(self) -> Shared:
        return await asyncio.shield(self._ready)

    async def aclose(self) -> None:
        self._unused.set()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            clock = MonotonicClock()
            ticker, disk = Ticker(clock), DiskThread()
            vad = SileroVAD(inline_streams=INLINE_CALLS)
            async with vad, SoundJudge() as sound, asyncio.TaskGroup() as group:
                ticking = group.create_task(ticker.run(), name="ticker")
                self._ready.set_result(Shared(Runtime(clock, ticker, vad, NoMeter(), sound), disk))
                await self._unused.wait()
                ticking.cancel()
            await disk.aclose()
        except Exception as error:
            if not self._ready.done():
                self._ready.set_exception(error)
                return
            raise


_keepers: WeakKeyDictionary[asyncio.AbstractEventLoop, _Keeper] = WeakKeyDictionary()


@asynccontextmanager
async def shared(runtime: Runtime | None = None) -> AsyncIterator[Shared]:
    """What the floors of this event loop share, while the block lasts. Raises what the VAD raises at its start.

    runtime: another, which its owner runs."""
    if runtime is not None:
        disk = DiskThread()
        try:
            yield Shared(runtime, disk)
        finally:
            await disk.aclose()
        return
    loop = asyncio.get_running_loop()
    keeper = _keepers.get(loop)
    if keeper is None:
        keeper = _keepers[loop] = _Keeper()
    keeper.users += 1
    try:
        yield await keeper.wanted()
    finally:
        keeper.users -= 1
        if not keeper.users:
            if _keepers.get(loop) is keeper:
                del _keepers[loop]
            await keeper.aclose()
