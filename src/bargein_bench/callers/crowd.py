"""Many callers at once, and their results: `bargein simulate twilio URL`."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from bargein.clock import Clock, MonotonicClock
from bargein.errors import BargeinError, UsageError
from bargein_bench.callers.caller import Caller
from bargein_bench.callers.caller_audio import Echo, Step
from bargein_bench.callers.result import Result
from bargein_bench.callers.twilio_call import NetworkManners
from bargein_bench.callers.twilio_network import TwilioNetwork
from bargein_bench.callers.yielding import Score, score

TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


@dataclass(frozen=True, slots=True)
class Usage:
    """What a server used during a run."""

    cores: float
    """Processor time by time, with the server's threads and children."""
    rss_mb: float
    """Memory at the end."""
    grown_mb: float
    """Memory at the end, less that at the begin."""


class CrowdCaller(Protocol):
    """One caller of a crowd."""

    async def run(self) -> Result:
        """Make the call, to its end. Raises BargeinError."""
        ...


@dataclass(frozen=True, slots=True)
class CallPlan:
    """What all callers do."""

    url: str
    """ws(s)://: a media stream. http(s)://: the voice webhook of a number, called through a network."""
    calls: int
    lasts_ms: float
    script: Callable[[int], Sequence[Step]]
    """Makes the steps of a caller, by the caller's number."""
    apart_ms: float = 37.0
    """Between the begins of two calls. No divisor of a frame: callers must not be in step with one another."""
    echo: Callable[[int], Echo | None] = lambda _: None
    way_ms: float = 0.0
    """Delay of the network, one way."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Of a stream."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of a stream."""
    caller: Callable[..., CrowdCaller] = Caller
    """Makes the caller of a stream, or of another wire."""
    manners: NetworkManners | None = None
    """Of the network, for a webhook."""


@dataclass(frozen=True, slots=True)
class CallRun:
    """The result of a run."""

    scores: list[Score]
    """Of the calls that were made."""
    results: list[Result]
    """Of the calls that were made."""
    failed: Counter[str]
    """Why the other calls failed."""
    usage: Usage | None
    """Of the server. None: its pid is unknown."""
    own_cores: float
    """Processor time of the callers by time."""

    @property
    def stops(self) -> list[float]:
        return [y.stop_ms for s in self.scores for y in s.yields if y.stop_ms is not None]

    @property
    def misses(self) -> int:
        return sum(y.stop_ms is None for s in self.scores for y in s.yields)

    @property
    def answers(self) -> list[float]:
        return [y.answer_ms for s in self.scores for y in s.yields if y.answer_ms is not None]

    def summary(self) -> dict[str, object]:
        """For JSON. Times in ms."""
        frames = sum(s.frames for s in self.scores)
        late = sum(s.late for s in self.scores)
        usage = self.usage
        return {
            "calls": len(self.scores),
            "failed": dict(self.failed),
            "onset_to_silence_ms": percentiles(self.stops),
            "misses": self.misses,
            "answer_ms": percentiles(self.answers),
            "first_audio_ms": percentiles([s.first_audio_ms for s in self.scores if s.first_audio_ms is not None]),
            "stale_ms": sum(s.stale_ms for s in self.scores),
            "frames": frames,
            "frames_late": late,
            "frames_late_share": late / frames if frames else 0.0,
            "gap_ms": sum(s.gap_ms for s in self.scores),
            "most_queued_ms": max((s.most_queued_ms for s in self.scores), default=0.0),
            "clears": sum(s.clears for s in self.scores),
            "faults": dict(sum((Counter(s.faults) for s in self.scores), Counter())),
            "streams": sum(len(r.legs) for r in self.results),
            "heard_again_ms": percentiles([waited for r in self.results for _, waited in r.silences()]),
            "errors": dict(Counter(e.code for r in self.results for e in r.errors)),
            "closed_by": dict(Counter(s.closed_by for s in self.scores)),
            "server_cores": None if usage is None else usage.cores,
            "server_cores_per_call": None if usage is None or not self.scores else usage.cores / len(self.scores),
            "server_rss_mb": None if usage is None else usage.rss_mb,
            "server_grown_mb": None if usage is None else usage.grown_mb,
            "our_cores": self.own_cores,
        }


def percentiles(values: Sequence[float]) -> dict[str, float | int]:
    if not values:
        return {"n": 0}
    p50, p95, p99 = (float(x) for x in np.percentile(values, [50, 95, 99]))
    return {"n": len(values), "p50": p50, "p95": p95, "p99": p99, "max": float(max(values))}


async def run(
    plan: CallPlan, pid: int | None = None, clock: Clock | None = None, network: TwilioNetwork | None = None
) -> CallRun:
    """Make all calls, to their ends. A call that fails is counted, and the others go on.

    pid: of the server, on this machine. Its use is measured from the begin of the last call to the end of the first.
    clock: of the callers; they wait by the event loop's time. network: the one that makes the calls to a webhook; None:
    one of their own, without a REST API.
    """
    if network is None and plan.url.startswith("http") and plan.caller is Caller:
        async with TwilioNetwork(plan.manners, serves=False) as made:
            return await run(plan, pid, clock, made)
    clock = clock or MonotonicClock()
    results: list[Result] = []
    failed: Counter[str] = Counter()
    last_begins_s = (plan.calls - 1) * plan.apart_ms / 1000
    meter = None if pid is None else asyncio.create_task(measure(pid, last_begins_s, plan.lasts_ms / 1000))
    own_cpu_s = sum(os.times()[:2])
    began = clock.now_ms()

    async def one(number: int) -> None:
        await asyncio.sleep(number * plan.apart_ms / 1000)
        line: dict[str, Any] = {
            "echo": plan.echo(number),
            "way_ms": plan.way_ms,
            "seed": number + 1,
            "clock": clock,
        }
        steps = plan.script(number)
        try:
            if network is not None:
                results.append(await network.call(plan.url, steps, plan.lasts_ms, **line))
                return
            more: dict[str, Any] = {"parameters": plan.parameters, "headers": plan.headers}
            results.append(await plan.caller(plan.url, steps, plan.lasts_ms, **line, **more).run())
        except BargeinError as error:
            failed[str(error)] += 1

    async with asyncio.TaskGroup() as group:
        for number in range(plan.calls):
            group.create_task(one(number), name=f"caller {number}")
    seconds = (clock.now_ms() - began) / 1000
    used = (sum(os.times()[:2]) - own_cpu_s) / seconds
    usage = await meter if meter is not None else None
    return CallRun([score(result) for result in results], results, failed, usage, used)


async def measure(pid: int, begins_s: float, lasts_s: float) -> Usage:
    """A process's use of this machine while calls, which begin within begins_s, all last. Raises UsageError."""
    idle_mb = _rss_mb(pid)
    await asyncio.sleep(begins_s + 1.0)
    seconds = max(1.0, lasts_s - begins_s - 2.0)
    before = _cpu_s(pid)
    clock = MonotonicClock()
    began = clock.now_ms()
    await asyncio.sleep(seconds)
    cores = (_cpu_s(pid) - before) / ((clock.now_ms() - began) / 1000)
    rss_mb = _rss_mb(pid)
    return Usage(cores, rss_mb, rss_mb - idle_mb)


def _family(pid: int) -> list[int]:
    found = [pid]
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in path.read_text().split():
            found += _family(int(child))
    return found


def _cpu_s(pid: int) -> float:
    """Processor time of a process and its children. Raises UsageError where there is no such process."""
    total = 0.0
    try:
        for each in _family(pid):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / TICKS
    except OSError as error:
        raise UsageError(f"There is no process {pid} to measure", advice="Give the server's --pid") from error
    return total


def _rss_mb(pid: int) -> float:
    """Memory of the process alone: that of its worker processes does not grow with calls."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError as error:
        raise UsageError(f"There is no process {pid} to measure", advice="Give the server's --pid") from error
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
