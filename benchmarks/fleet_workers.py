"""`--workers 2` against one process: how many calls are held within the promise, and what a call costs.

Callers and workers share the machine's cores; the callers' part is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from bargein.audio.pcm import Samples
from bargein_bench.callers.call_script import every
from bargein_bench.callers.caller_audio import Step
from bargein_bench.callers.crowd import CallPlan, CallRun, run
from benchmarks.process import pid_of, server
from benchmarks.table import Check, SpreadRow

LASTS_S = 25.0
STOP_MS, LATE_PERCENT = 120.0, 0.1  # the promise: p99 of onset to silence, and frames late
FIRST_MS, EVERY_MS = 3_000.0, 5_000.0


@dataclass(frozen=True, slots=True)
class WorkerRun:
    """Calls at one number of workers."""

    workers: int
    calls: int
    stop: SpreadRow
    late: float
    """Percent of all frames."""
    ms_a_call: float
    """Processor time of the server, its workers and their voice, in ms a second for each call."""
    callers: float
    """Cores that the callers took."""

    @property
    def held(self) -> bool:
        return self.stop.at(99) <= STOP_MS and self.late <= LATE_PERCENT

    def rows(self) -> list[SpreadRow | Check]:
        name = f"{self.workers} worker{'s' * (self.workers > 1)}, {self.calls} calls"
        return [
            SpreadRow(f"{name}: onset to silence at the ear", self.stop.values, f"p99 <= {STOP_MS:.0f}"),
            SpreadRow("  frames late, % of all", (self.late,), f"<= {LATE_PERCENT}"),
            SpreadRow("  processor for each call, ms/s", (self.ms_a_call,), "<= 4 at 100 in one process"),
            SpreadRow("  cores of the callers", (self.callers,)),
        ]


async def calls(sounds: Sequence[tuple[str, Samples]], workers: int, number: int) -> WorkerRun:
    """A run; each call is interrupted every five seconds."""

    def script(n: int) -> Sequence[Step]:
        return every(sounds, FIRST_MS + n * 137 % 1000, EVERY_MS, LASTS_S * 1000, n)

    most = {"BARGEIN_MAX_CALLS": str(number), "BARGEIN_MAX_CONNECTIONS_PER_ADDRESS": "100000"}
    async with server("--workers", str(workers), env=most) as address:
        done = await run(CallPlan(f"ws://{address}/twilio/media", number, LASTS_S * 1000, script), pid_of(address))
    return judged(done, workers, number)


def judged(done: CallRun, workers: int, number: int) -> WorkerRun:
    """What a run was worth. A call that was refused counts as late for good."""
    frames = sum(score.frames for score in done.scores)
    late = sum(score.late for score in done.scores)
    percent = 100.0 if done.failed or not frames else 100 * late / frames
    cost = float("nan") if done.usage is None else 1000 * done.usage.cores / number
    stop = SpreadRow("onset to silence", tuple(done.stops))
    return WorkerRun(workers, number, stop, percent, cost, done.own_cores)


def rows(sounds: Sequence[tuple[str, Samples]], numbers: Sequence[int]) -> list[SpreadRow | Check]:
    """Both, with more and more calls until the promise breaks."""
    found: list[SpreadRow | Check] = []
    held = {}
    for workers in (1, 2):
        held[workers] = 0
        for number in numbers:
            done = asyncio.run(calls(sounds, workers, number))
            found += done.rows()
            if not done.held:
                break
            held[workers] = number
    found.append(SpreadRow("calls held within the promise: 1 worker", (float(held[1]),)))
    ratio = f"ratio {held[2] / held[1]:.2f}" if held[1] else ""
    found.append(SpreadRow("calls held within the promise: 2 workers", (float(held[2]),), ratio))
    return found
