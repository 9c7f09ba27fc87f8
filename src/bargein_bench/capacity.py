"""How many calls at once an agent carries: their number grows until a promise breaks, and is then narrowed down.

Recorded voices interrupt every call every few seconds, each call at moments of its own. The promise is kept when 99 of
100 interruptions were silent in time, none was missed, at most a thousandth of the agent's audio came late, and every
call was made.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from bargein.errors import BargeinError, UsageError
from bargein_bench.callers.caller_audio import SayLine, Step
from bargein_bench.callers.crowd import Usage, measure
from bargein_bench.judging.outcome import MISS_MS, Known, ListeningTimeline
from bargein_bench.record import RATE, Record, Target
from bargein_bench.scenarios.clips import Library
from bargein_bench.scenarios.scenes import MOST_SPEECH_MS, Opening

APART_MS = 37.0
EVERY_MS = 5_000.0
LASTS_MS = 30_000.0
SPEECH_DB = -24.0
OUR_MOST_CORES = 0.85  # beyond it the callers themselves are late


@dataclass(frozen=True, slots=True)
class Promise:
    """What every number of calls must keep."""

    stop_ms: float = 160.0
    """99 of 100 interruptions are silent by then."""
    late_share: float = 0.001
    """Of the agent's frames, 0..1, at most."""


@dataclass(frozen=True, slots=True)
class Level:
    """The result of one number of calls."""

    calls: int
    """Calls that were asked for."""
    stops: int
    """Interruptions that the agent yielded to."""
    misses: int
    p50_ms: float | None
    p99_ms: float | None
    late_share: float
    """Of the agent's frames, 0..1."""
    failed: int
    """Calls that were not taken."""
    server_cores: float | None
    """None: the server's pid is unknown."""
    memory_mb: float | None
    """Of the server. None: its pid is unknown."""
    our_cores: float
    """Of the callers."""
    broke: tuple[str, ...]
    """The promises that broke, in words."""

    def facts(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Capacity:
    """The result of a search."""

    levels: tuple[Level, ...]
    """In the order in which they were tried."""
    most: Level | None
    """The largest that kept the promise. None: not even the first did."""
    first_broke: tuple[str, ...]
    """What broke at the smallest number that failed."""
    ours: bool
    """Whether the callers' own processor was full there: the server may carry more."""

    @property
    def calls_per_core(self) -> float | None:
        """Calls that one core of the server carries, by the processor time it used."""
        if self.most is None or not self.most.server_cores:
            return None
        return self.most.calls / self.most.server_cores

    @property
    def memory_per_call_mb(self) -> float | None:
        """Memory of each further call: between the fewest and the most calls that were tried."""
        known = sorted((level for level in self.levels if level.memory_mb is not None), key=lambda level: level.calls)
        if len(known) < 2 or known[0].calls == known[-1].calls:
            return None
        return ((known[-1].memory_mb or 0) - (known[0].memory_mb or 0)) / (known[-1].calls - known[0].calls)


async def grow(
    target: Target,
    library: Library,
    opening: Opening,
    *,
    promise: Promise,
    first: int = 10,
    most: int = 1_000,
    pid: int | None = None,
    seed: int = 1,
    on_level: Callable[[Level], None] = lambda _: None,
) -> Capacity:
    """Double the number of calls until a promise breaks, then narrow it down to a twentieth.

    on_level: called with each result. Raises UsageError without a recorded interruption.
    """
    levels: list[Level] = []
    good, bad, number = 0, None, min(first, most)
    while True:
        level = await at(target, library, opening, number, promise, pid=pid, seed=seed)
        levels.append(level)
        on_level(level)
        if level.broke:
            bad = number
        else:
            good = number
        if bad is None and good < most:
            number = min(2 * good, most)
        elif bad is None or bad - good <= max(1, bad // 20):
            break
        else:
            number = (good + bad) // 2
    kept = [level for level in levels if not level.broke]
    broken = min((level for level in levels if level.broke), key=lambda level: level.calls, default=None)
    ours = broken is not None and broken.our_cores > OUR_MOST_CORES
    return Capacity(tuple(levels), max(kept, key=lambda k: k.calls, default=None), broken.broke if broken else (), ours)


async def at(
    target: Target,
    library: Library,
    opening: Opening,
    calls: int,
    promise: Promise,
    *,
    pid: int | None = None,
    seed: int = 1,
) -> Level:
    """The result of one number of calls at once."""
    script(library, target.rate, opening, LASTS_MS, 0, seed)  # a missing recording is found before any call is made
    records: list[Record] = []
    failed = 0
    loop = asyncio.get_running_loop()
    begins_s = calls * APART_MS / 1000
    lasts_ms = LASTS_MS + calls * APART_MS  # all calls are there together for LASTS_MS
    meter = None if pid is None else asyncio.create_task(measure(pid, begins_s, lasts_ms / 1000))
    cpu_s, began = sum(os.times()[:2]), loop.time()

    async def one(number: int) -> None:
        nonlocal failed
        await asyncio.sleep(number * APART_MS / 1000)
        try:
            steps = script(library, target.rate, opening, lasts_ms, number, seed)
            records.append(await target.call(steps, lasts_ms - number * APART_MS, seed=seed + number))
        except BargeinError:
            failed += 1

    async with asyncio.TaskGroup() as group:
        for number in range(calls):
            group.create_task(one(number), name=f"capacity call {number}")
    cores = (sum(os.times()[:2]) - cpu_s) / (loop.time() - began)
    usage = await meter if meter is not None else None
    return await asyncio.to_thread(judged, records, calls, failed, usage, cores, promise)


def script(library: Library, rate: int, opening: Opening, lasts_ms: float, number: int, seed: int) -> list[Step]:
    """The script of one call: the request, where the agent waits for one, and an interruption every EVERY_MS."""
    clips = library.of("interruption")
    if not clips:
        raise UsageError("There is no recorded interruption", advice="Give --sounds a folder that has some")
    rng = np.random.default_rng([seed, number])
    at_ms = 3_000.0 + float(rng.uniform(0, EVERY_MS))
    steps: list[Step] = []
    if opening.asks:
        asks = library.of("ask") or clips
        ask = asks[number % len(asks)].trimmed(MOST_SPEECH_MS).at_level(SPEECH_DB)
        steps.append(SayLine(opening.ask_at_ms(), ask.at_rate(rate), name="request"))
        at_ms += opening.ask_at_ms() + ask.active_ms
    while at_ms < lasts_ms - number * APART_MS - 2 * MISS_MS:
        clip = clips[int(rng.integers(len(clips)))].trimmed(MOST_SPEECH_MS).at_level(SPEECH_DB)
        steps.append(SayLine(at_ms, clip.at_rate(rate), name=clip.name))
        at_ms += EVERY_MS
    return steps


def judged(
    records: list[Record], calls: int, failed: int, usage: Usage | None, our_cores: float, promise: Promise
) -> Level:
    """The result of these calls, against the promise."""
    stops: list[float] = []
    misses = frames = late = 0
    for number, record in enumerate(records):
        timeline = ListeningTimeline(record, Known())
        frames, late = frames + record.frames, late + record.late
        interruptions = [s for s in record.spoken if s.step.name != "request"]
        for spoken, after in zip(interruptions, [*interruptions[1:], None], strict=True):
            until = after.onset if after is not None else len(record.agent)
            event = timeline.judge("capacity", spoken.step.name, "yield", number, spoken, until)
            if event.outcome == "stopped" and event.stop_ms is not None:
                stops.append(event.stop_ms)
            elif event.outcome == "through" and spoken.onset + MISS_MS * RATE // 1000 < len(record.agent):
                misses += 1
    p50, p99 = (float(x) for x in np.percentile(stops, [50, 99])) if stops else (None, None)
    share = late / frames if frames else 0.0
    broke = []
    if failed:
        broke.append(f"{failed} calls were not taken")
    if not stops:
        broke.append("no interruption was yielded to")
    elif p99 is not None and p99 > promise.stop_ms:
        broke.append(f"p99 onset to silence {p99:.0f} ms, promised {promise.stop_ms:.0f}")
    if misses:
        broke.append(f"{misses} interruptions missed")
    if share > promise.late_share:
        broke.append(f"{share:.2%} of frames late, promised {promise.late_share:.2%}")
    return Level(
        calls,
        len(stops),
        misses,
        p50,
        p99,
        share,
        failed,
        None if usage is None else usage.cores,
        None if usage is None else usage.rss_mb,
        our_cores,
        tuple(broke),
    )
