"""The telephone: callers of ours against a server of ours, at the caller's ear, over loopback.

The callers' speech is recorded from people. Latencies count from its first sample leaving the telephone to the agent's
last audible sample. Server and callers are pinned to a core each where that is possible, so "one core" means one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from bargein.audio.pcm import Pcm, Samples
from bargein.audio.resample import resample
from bargein_bench.callers.call_script import every
from bargein_bench.callers.crowd import CallPlan, CallRun, run
from bargein_bench.callers.telephone import RATE
from benchmarks import echo_trials
from benchmarks.plot import svg
from benchmarks.process import pid_of, server
from benchmarks.sounds import RATE as CLIP_RATE
from benchmarks.sounds import VoiceClip
from benchmarks.table import Check, SpreadRow

FIRST_MS, EVERY_MS, MOST = 3_000.0, 5_000.0, 1.6  # ms, ms, s of a clip
# As at our start: later we are pinned, and would find one core only.
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
GOALS = {1: "p50 <= 80, p99 <= 130", 100: "p99 <= 160"}


def at_eight(sounds: Sequence[VoiceClip]) -> list[tuple[str, Samples]]:
    """The clips as a telephone carries them."""
    return [(c.name, resample(Pcm(c.samples, CLIP_RATE), RATE).samples[: int(MOST * RATE)]) for c in sounds]


async def calls(
    sounds: list[tuple[str, Samples]], number: int, seconds: float, env: Mapping[str, str] | None = None
) -> CallRun:
    """A run of `number` calls at once, each interrupted every five seconds; the server has one core. env: settings."""
    async with server(env={"BARGEIN_MAX_CALLS": str(number + 2), **(env or {})}) as address:
        pid = pid_of(address)
        pin(pid)
        lasts = seconds * 1000

        def script(n: int) -> list:  # type: ignore[type-arg]
            return list(every(sounds, FIRST_MS + n * 137 % 1000, EVERY_MS, lasts, n))

        return await run(CallPlan(f"ws://{address}/twilio/media", number, lasts, script), pid)


def measure(sounds: list[VoiceClip], *, quick: bool = False, picture: Path | None = None) -> list[SpreadRow | Check]:
    """All rows of the telephone. quick: fewer calls and trials. picture: SVG of the cost by the number of calls."""
    spoken = at_eight(sounds)
    rows: list[SpreadRow | Check] = []
    grown: dict[int, float] = {}
    costs: list[tuple[float, float]] = []
    for number in (1, 20) if quick else (1, 20, 50, 100, 150, 200):
        done = asyncio.run(calls(spoken, number, 30 if number > 1 else 60))
        rows += rows_of(done, number)
        if done.usage is not None:
            grown[number] = done.usage.grown_mb
            costs.append((number, 1000 * done.usage.cores / number))
    if 20 in grown and 100 in grown:
        rows.append(SpreadRow("memory of each further call, MB", ((grown[100] - grown[20]) / 80,), "<= 1"))
    if picture is not None:
        title = "One process on one core: processor for each call"
        picture.write_text(svg(title, "calls at once", "ms a second", {"with its voice": costs}))
    rows += echo_trials.run(40 if quick else 300, seed=1)
    return rows


def rows_of(done: CallRun, number: int) -> list[SpreadRow | Check]:
    """The rows of a run of `number` calls."""
    frames = sum(s.frames for s in done.scores)
    late = sum(s.late for s in done.scores)
    usage = done.usage
    rows: list[SpreadRow | Check] = [
        SpreadRow(f"telephone, {number} calls: onset to silence at the ear", tuple(done.stops), GOALS.get(number, "")),
        Check(f"telephone, {number} calls: interruptions yielded to", len(done.stops), len(done.stops) + done.misses),
        SpreadRow("  stale audio after a clear", (sum(s.stale_ms for s in done.scores),), "0"),
        SpreadRow("  frames late, % of all", (100 * late / frames if frames else 0.0,), "< 0.1"),
    ]
    if usage is not None:
        rows.append(SpreadRow("  processor for each call, ms/s", (1000 * usage.cores / number,), "<= 6"))
        rows.append(SpreadRow("  memory grown, MB", (usage.grown_mb,), ""))
    return rows


def pin(pid: int) -> None:
    """Give the server one core, and this process the others."""
    if len(CORES) < 2:
        return
    for each in (pid, *_threads(pid)):
        os.sched_setaffinity(each, {CORES[0]})
    os.sched_setaffinity(0, set(CORES[1:]))


def _threads(pid: int) -> list[int]:
    found = [int(path.name) for path in Path(f"/proc/{pid}/task").glob("*")]
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in path.read_text().split():
            found += _threads(int(child))
    return found
