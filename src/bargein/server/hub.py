"""What every route stands on: the one clock, ticker and VAD of the process, its agents, its calls; made when the
server starts, and gone, awaited, when it stops."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from bargein import __version__
from bargein.audio.sound import SoundJudge
from bargein.audio.vad import SileroVAD
from bargein.audio.voice_encoder import load_encoder
from bargein.call.runtime import Runtime
from bargein.call.ticker import Ticker
from bargein.clock import Clock
from bargein.fleet.fleet import Fleet
from bargein.recorder.disk import DiskThread
from bargein.recorder.redaction import Redaction
from bargein.recorder.retention import prune
from bargein.recorder.story.summary import Summaries
from bargein.server.auth import Gate
from bargein.server.calls import Calls
from bargein.server.catalogue import Catalogue
from bargein.server.draining import DrainControl
from bargein.server.kept_calls import KeptCalls
from bargein.server.load import LoadMeter
from bargein.server.metrics import Metrics
from bargein.server.moving import FleetMover
from bargein.server.own_fleet import fleet_for
from bargein.server.readiness import Readiness, keep_ready
from bargein.server.records.audio_needs import demand_audio
from bargein.server.records.kept_records import KeptRecords
from bargein.server.settings import Settings, redaction_for
from bargein.server.sip.place import RingingCall, SipPlace
from bargein.server.start_steps import steps
from bargein.server.strangers import Strangers
from bargein.server.telephone.busy import BusyLine
from bargein.server.telephone.recent_calls import TAKEN_OVER, RecentCalls
from bargein.server.webhook.delivery import CallWebhook
from bargein.server.webhook.opening import webhook_for
from bargein.tracing.opening import Telemetry, open_tracing
from bargein.tracing.process import ThisProcess
from bargein.transports.browser.limits import BrowserLimits

log = logging.getLogger(__name__)

AUDIO_BYTES = 32 * 1024 * 1024  # that wait for the disk: three seconds of a hundred calls in which all speak
SWEEP_S = 600  # between two looks at old records, at most
OpenAgents = Callable[[Settings], AbstractAsyncContextManager[Catalogue]]


@dataclass(frozen=True, slots=True)
class Hub:
    settings: Settings
    gate: Gate
    host: Runtime
    catalogue: Catalogue
    calls: Calls
    fleet: Fleet  # the other nodes, and which calls they have
    phone_strangers: Strangers
    page_strangers: Strangers
    metrics: Metrics
    load: LoadMeter
    limits: BrowserLimits
    readiness: Readiness
    disk: DiskThread  # writes and sweeps the records
    audio_disk: DiskThread  # encodes and writes the records' audio: it may wait where lines may not
    redaction: Redaction  # of records, facts and the log
    swept: asyncio.Event  # set when a call ended, so that old records are looked through
    tasks: asyncio.TaskGroup  # what no request owns; all must end when the calls do
    drain: DrainControl
    records: KeptRecords | None  # None: no record is kept
    webhook: CallWebhook | None = None  # tells of calls that are over; None: it is not wanted
    telemetry: Telemetry | None = None  # makes calls' traces; None: they are not wanted
    kept: KeptCalls = field(default_factory=KeptCalls)
    recent_calls: RecentCalls = field(default_factory=RecentCalls)
    busy_line: BusyLine = field(default_factory=BusyLine)
    sip: SipPlace = field(default_factory=SipPlace)
    ringing: dict[str, RingingCall] = field(default_factory=dict)  # calls of ours by a telephone network, by their ids


@asynccontextmanager
async def open_hub(
    settings: Settings, gate: Gate, agents: OpenAgents, clock: Clock, limits: BrowserLimits
) -> AsyncIterator[Hub]:
    """All of it, running. Every task is awaited before this ends; calls that still run are hung up."""
    metrics, redaction = Metrics(), redaction_for(settings)
    async with AsyncExitStack() as stack:
        telemetry = await stack.enter_async_context(
            open_tracing(
                on=settings.otel,
                content=settings.otel_content,
                redaction=redaction,
                process=ThisProcess(settings.node, __version__),
                registry=metrics.registry,
            )
        )
        steps.info("voice activity detection")
        vad = await stack.enter_async_context(SileroVAD())
        sound = await stack.enter_async_context(SoundJudge())
        voices = load_encoder()
        if voices is not None:
            voices.start()
            stack.push_async_callback(voices.aclose)
        steps.info("the agents")
        catalogue = await stack.enter_async_context(agents(settings))
        disk = DiskThread()
        stack.push_async_callback(disk.aclose)
        audio_disk = DiskThread(AUDIO_BYTES, name="audio of calls")
        stack.push_async_callback(audio_disk.aclose)
        demand_audio(settings, catalogue)
        ticker = Ticker(clock)
        calls = Calls(settings.max_calls, settings.finished_kept, metrics, redaction)
        load = LoadMeter(ticker, vad, calls)
        fleet = fleet_for(settings, clock)
        group = asyncio.TaskGroup()
        records = None if settings.record is None else KeptRecords(Summaries(settings.record))
        webhook = webhook_for(settings, disk, records, metrics.webhook_ended)
        if webhook is not None:
            stack.push_async_callback(webhook.aclose)
        hub = Hub(
            settings=settings,
            gate=gate,
            host=Runtime(clock, ticker, vad, metrics, sound, voices, settings.lead_ms),
            catalogue=catalogue,
            calls=calls,
            fleet=fleet,
            phone_strangers=Strangers(metrics),
            page_strangers=Strangers(metrics),
            metrics=metrics,
            load=load,
            limits=limits,
            readiness=Readiness(),
            disk=disk,
            audio_disk=audio_disk,
            redaction=redaction,
            swept=asyncio.Event(),
            tasks=group,
            drain=DrainControl(calls, settings.drain_s, group),
            records=records,
            telemetry=telemetry,
            webhook=webhook,
        )
        metrics.gauge("calls_live", "calls that run now", lambda: float(len(calls.ids)))
        metrics.gauge("calls_away", "calls that wait for a client that was lost", lambda: float(hub.kept.away))
        metrics.gauge("capacity_used", "share of the capacity that is taken: 1 is full", lambda: load.read().used)
        metrics.gauge("late_ms", "how late the ticks and the VAD come: 99th percentile", lambda: load.late_ms)
        metrics.gauge("fleet_away", "1 while the fleet's store is away", lambda: float(fleet.away is not None))
        metrics.gauge("memory_dropped", "fields of calls' memories that were too large", lambda: float(fleet.dropped))
        metrics.gauge("agents_speaking", "calls in which the agent speaks now", lambda: float(calls.speaking))
        metrics.gauge("ticks_late", "ticks that came more than a period late, since the start", lambda: ticker.late)
        metrics.gauge("record_bytes_waiting", "bytes of records that wait for the disk", lambda: disk.waiting_bytes)
        metrics.gauge("audio_bytes_waiting", "bytes of audio that wait for the disk", lambda: audio_disk.waiting_bytes)
        metrics.gauge("vad_windows", "windows judged, since the start", lambda: vad.stats.windows)
        metrics.gauge("vad_busy_ms", "time spent judging them, since the start", lambda: vad.stats.busy_ms)
        metrics.gauge("sound_late", "looks at sounds that were not answered in time", lambda: sound.stats.late)
        metrics.gauge("sound_busy", "looks that found too many before them", lambda: sound.stats.busy)
        metrics.gauge(
            "webhooks_waiting", "webhooks not sent yet", lambda: 0.0 if webhook is None else float(webhook.count)
        )
        metrics.gauge("vad_dropped", "windows that came faster than they could be judged", lambda: vad.dropped)
        fleet.ready = lambda: hub.readiness.ready and not calls.closing
        fleet.load = load.read
        fleet.positions = calls.heard
        fleet.lost = lambda call_id: calls.lose(call_id, TAKEN_OVER)
        calls.mover = FleetMover(fleet)
        calls.is_late = lambda: not load.read().has_room
        await stack.enter_async_context(fleet)
        with _only_error():
            async with group:
                chores = [
                    group.create_task(ticker.run(), name="ticker"),
                    group.create_task(keep_ready(hub.readiness, hub.host, lambda: catalogue.default), name="readiness"),
                    group.create_task(_sweep(hub), name="old records"),
                    group.create_task(_tell_ready(hub), name="first readiness"),
                    group.create_task(hub.busy_line.make_once(hub.readiness.done, catalogue.default), name="busy line"),
                ]
                if webhook is not None:
                    chores.append(group.create_task(webhook.run(), name="webhook"))
                try:
                    yield hub
                finally:
                    await calls.hang_up_all("the server closes")
                    await hub.drain.stop()
                    for chore in chores:
                        chore.cancel()


@contextlib.contextmanager
def _only_error() -> Iterator[None]:
    """What fails while the server starts is raised as it is: a task group would wrap it, and a user's mistake would
    be shown as a traceback."""
    try:
        yield
    except BaseExceptionGroup as group:
        if len(group.exceptions) == 1:
            raise group.exceptions[0] from None
        raise


async def _tell_ready(hub: Hub) -> None:
    """The other nodes may place calls here as soon as it can take them."""
    await hub.readiness.done.wait()
    hub.fleet.tell()


async def _sweep(hub: Hub) -> None:
    """Keep so many records, for so long, and no more."""
    root, days = hub.settings.record, hub.settings.keep_days
    if root is None:
        return
    max_age_s = None if days is None else days * 86_400
    max_bytes = None if hub.settings.keep_gb is None else hub.settings.keep_gb * 1e9
    while True:
        living, keep = hub.calls.ids, hub.settings.record_keep
        await hub.disk.run(partial(prune, root, keep, living, max_age_s=max_age_s, max_bytes=max_bytes))
        if hub.records is not None:
            await hub.records.read_all()
        with contextlib.suppress(TimeoutError):  # records grow old while no call ends, too
            async with asyncio.timeout(SWEEP_S):
                await hub.swept.wait()
        hub.swept.clear()
