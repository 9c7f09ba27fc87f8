"""What every route stands on: the one clock, ticker and VAD of the process, its agents, its calls; made when the
server starts, and gone, awaited, when it stops."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from bargein.agent import Agent
from bargein.audio.vad import WINDOW, SileroVAD
from bargein.call.output.speaker import demand_chunk
from bargein.call.runtime import Runtime
from bargein.call.ticker import Ticker
from bargein.clock import Clock
from bargein.errors import BargeinError
from bargein.recorder.disk import DiskThread
from bargein.recorder.journal import prune
from bargein.recorder.redaction import Redaction
from bargein.server.auth import Gate
from bargein.server.calls import Calls
from bargein.server.catalogue import Catalogue
from bargein.server.metrics import Metrics
from bargein.server.settings import Settings, redaction_for
from bargein.server.strangers import Strangers
from bargein.transports.browser.transport import BrowserLimits

log = logging.getLogger(__name__)

SWEEP_S = 600  # between two looks at old records, at most
WARM_S = 30  # a TTS that says nothing for so long is not ready
OpenAgents = Callable[[Settings], AbstractAsyncContextManager[Catalogue]]


@dataclass(slots=True)
class Readiness:
    """done: the first try is over; waits: what is not ready, by part, and why."""

    done: asyncio.Event = field(default_factory=asyncio.Event)
    waits: dict[str, str] = field(default_factory=lambda: {"vad": "starting", "tts": "starting"})

    @property
    def ready(self) -> bool:
        return not self.waits


@dataclass(frozen=True, slots=True)
class Hub:
    settings: Settings
    gate: Gate
    host: Runtime
    catalogue: Catalogue
    calls: Calls
    phone_strangers: Strangers
    page_strangers: Strangers
    metrics: Metrics
    limits: BrowserLimits
    readiness: Readiness
    disk: DiskThread  # writes and sweeps the records
    redaction: Redaction  # of records, facts and the log
    swept: asyncio.Event  # set when a call ended, so that old records are looked through
    tasks: asyncio.TaskGroup  # what no request owns; all must end when the calls do


@asynccontextmanager
async def open_hub(
    settings: Settings, gate: Gate, agents: OpenAgents, clock: Clock, limits: BrowserLimits
) -> AsyncIterator[Hub]:
    """All of it, running. Every task is awaited before this ends; calls that still run are hung up."""
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        vad = await stack.enter_async_context(SileroVAD())
        catalogue = await stack.enter_async_context(agents(settings))
        disk = DiskThread()
        stack.push_async_callback(disk.aclose)
        ticker = Ticker(clock)
        calls = Calls(settings.max_calls, settings.finished_kept, metrics)
        group = asyncio.TaskGroup()
        hub = Hub(
            settings,
            gate,
            Runtime(clock, ticker, vad, metrics, settings.lead_ms),
            catalogue,
            calls,
            Strangers(metrics),
            Strangers(metrics),
            metrics,
            limits,
            Readiness(),
            disk,
            redaction_for(settings),
            asyncio.Event(),
            group,
        )
        metrics.gauge("calls_live", "calls that run now", lambda: float(len(calls.ids)))
        metrics.gauge("agents_speaking", "calls in which the agent speaks now", lambda: float(calls.speaking))
        metrics.gauge("ticks_late", "ticks that came more than a period late, since the start", lambda: ticker.late)
        metrics.gauge("record_bytes_waiting", "bytes of records that wait for the disk", lambda: disk.waiting_bytes)
        metrics.gauge("vad_windows", "windows judged, since the start", lambda: vad.stats.windows)
        metrics.gauge("vad_busy_ms", "time spent judging them, since the start", lambda: vad.stats.busy_ms)
        metrics.gauge("vad_dropped", "windows that came faster than they could be judged", lambda: vad.dropped)
        async with group:
            chores = [
                group.create_task(ticker.run(), name="ticker"),
                group.create_task(_warm(hub), name="warm up"),
                group.create_task(_sweep(hub), name="old records"),
            ]
            try:
                yield hub
            finally:
                await calls.hang_up_all("the server closes")
                for chore in chores:
                    chore.cancel()


async def _warm(hub: Hub) -> None:
    """Show the VAD a window and have the TTS say a word: after that the first call waits for nothing."""
    waits = hub.readiness.waits
    try:
        async with asyncio.timeout(WARM_S):
            judged = asyncio.Event()
            stream = hub.host.vad.open(16_000, lambda _: judged.set())
            stream.push_audio(np.zeros(WINDOW[16_000], np.int16))
            await judged.wait()
            stream.close()
            del waits["vad"]
            await _say_a_word(hub.catalogue.default)
            del waits["tts"]
    except (BargeinError, TimeoutError) as error:
        part = next(iter(waits))
        waits[part] = str(error) or f"no answer within {WARM_S} s"
        log.warning("Not ready: %s: %s", part, waits[part])
    except Exception as error:
        log.exception("The TTS of %s failed", hub.catalogue.default.name)
        waits[next(iter(waits))] = f"{type(error).__name__}; see the server's log"
    finally:
        hub.readiness.done.set()


async def _say_a_word(agent: Agent) -> None:
    async def word() -> AsyncIterator[str]:
        yield "Ready."

    tts = agent.tts or agent.fallback_tts
    if tts is None:
        return  # a realtime model speaks by itself, and is asked only in a call
    spoken = tts.speak(word())
    async with contextlib.AsyncExitStack() as stack:
        if (close := getattr(spoken, "aclose", None)) is not None:
            stack.push_async_callback(close)
        async for piece in spoken:
            demand_chunk(piece)
            if len(piece.pcm.samples):
                return


async def _sweep(hub: Hub) -> None:
    """Keep so many records, for so long, and no more."""
    root, days = hub.settings.record, hub.settings.keep_days
    if root is None:
        return
    max_age_s = None if days is None else days * 86_400
    while True:
        living = hub.calls.ids
        await hub.disk.run(partial(prune, root, hub.settings.record_keep, living, max_age_s=max_age_s))
        with contextlib.suppress(TimeoutError):  # records grow old while no call ends, too
            async with asyncio.timeout(SWEEP_S):
                await hub.swept.wait()
        hub.swept.clear()
