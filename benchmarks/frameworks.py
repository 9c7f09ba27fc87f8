"""Pipecat and LiveKit Agents by telephone, alone and with our floor, and our own server: called by `bargein bench`.

Every bot has the same vendors, and gets the same scenes, sounds and moments. What a caller hears is measured; and what
a call costs the bot's process.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from bargein_bench.callers.caller_audio import Echo, SayLine, Step
from bargein_bench.callers.crowd import CallPlan
from bargein_bench.callers.crowd import run as call_all
from bargein_bench.callers.telephone import RATE
from bargein_bench.record import Record
from bargein_bench.run import BenchPlan, listen, run
from bargein_bench.scenarios import people, synthetic
from bargein_bench.scenarios.clips import Clip, Library, read_folder
from bargein_bench.scenarios.scenes import Scene, chosen
from bargein_bench.targets.twilio import TwilioTarget
from benchmarks.frameworks_bots import BOTS, FrameworkBot, RunningBot, running, tail, vendors
from benchmarks.frameworks_table import BotFigures, CallCost, LongCalls, ShareOf, figures, show_bots, spread
from benchmarks.process import cpu_s, rss_mb

QUICK = "interruption,echo and speech,backchannel,cough,keyboard,television"
LEFT_OUT = (
    *("greeting", "early", "thinking", "last word"),  # they need a short greeting, and each bot would get others
    # The published table has none of these.
    *("wait", "over television", "muted speech", "laugh", "line noise", "noise", "television before", "muted"),
    *("pause", "whole"),
)
MOST_CLIPS = 24  # of a kind: the STT has to know them all
SOLO_S = 8.0  # of the call whose memory is that of one call
APART_MS = 700.0  # between the begins of two calls whose cost is measured: a framework loads its models at each
STEADY_S = 20.0  # for which they all last
TALK_S = 45.0  # the same, of callers who interrupt
INTERRUPTIONS = 20  # at most in a call
INTO_MS = (1_500.0, 3_500.0)  # a reply
MOST_MS, LEVEL_DB = 1_600.0, -24.0  # of an interruption
BENCH_CALLS, MOST_CALLS = 5, 20  # at once


@dataclass
class MeasuredTarget:
    """A target that adds up how long its calls have lasted."""

    target: TwilioTarget
    protocol: str = "twilio"
    rate: int = TwilioTarget.rate
    lasted_s: float = 0.0

    async def call(self, steps: Sequence[Step], lasts_ms: float, *, echo: Echo | None = None, seed: int = 1) -> Record:
        record = await self.target.call(steps, lasts_ms, echo=echo, seed=seed)
        self.lasted_s += record.lasted_ms / 1000
        return record


@dataclass(frozen=True, slots=True)
class BotRuns:
    """What one bot's process has shown."""

    figures: BotFigures
    long: tuple[LongCalls, ...]
    log: str
    """The last lines that the bot wrote, where a call failed."""


async def sounds(folder: Path | None = None) -> list[Clip]:
    """The bench's own library and a folder of recordings, at most MOST_CLIPS of each kind. Raises UsageError."""
    clips = [] if folder is None else read_folder(folder)
    clips += people.at_hand() + synthetic.throats() + synthetic.noises() + await synthetic.spoken()
    kinds: dict[str, list[Clip]] = {}
    for clip in clips:
        kinds.setdefault(clip.kind, []).append(clip)
    rng = np.random.default_rng(1)
    return [of[i] for of in kinds.values() for i in sorted(rng.permutation(len(of))[:MOST_CLIPS])]


async def called(bot: FrameworkBot, clips: Sequence[Clip], plan: BenchPlan, at_once: Sequence[int]) -> BotRuns:
    """The runs of one bot, all in one process of it. at_once: numbers of long calls."""
    library, long = Library(clips), []
    async with vendors(clips) as url, running(bot, url, max(at_once)) as process:
        one_mb = await _one_mb(process)
        target = MeasuredTarget(TwilioTarget(process.url))
        opening, heard = await listen(target, library, plan.seed)
        for calls in at_once:
            long.append(await _long_calls(bot, process, calls, one_mb, library))
        target.lasted_s, cpu = 0.0, cpu_s(process.pid)
        results, _ = await run(target, library, plan, opening, heard)
        cpu_ms = 1000 * (cpu_s(process.pid) - cpu) / target.lasted_s
        failed = any(result.failed for result in results) or any(each.failed for each in long)
        log = tail(process.log) if failed else ""
    return BotRuns(figures(bot.name, plan.at_once, results, cpu_ms), tuple(long), log)


def _silent(_: int) -> list[Step]:
    return []


async def _one_mb(process: RunningBot) -> float:
    """Memory of the bot with one call."""
    plan = CallPlan(process.url, 1, SOLO_S * 1000, _silent)
    calling = asyncio.create_task(call_all(plan))
    await asyncio.sleep(SOLO_S - 1)
    found = rss_mb(process.pid)
    await calling
    return found


async def _long_calls(bot: FrameworkBot, process: RunningBot, calls: int, one_mb: float, library: Library) -> LongCalls:
    """Calls that all last: first silent callers, for the cost; then callers who interrupt each reply."""
    begin_s = (calls - 1) * APART_MS / 1000
    plan = CallPlan(process.url, calls, (begin_s + STEADY_S) * 1000, _silent, apart_ms=APART_MS)
    calling = asyncio.create_task(call_all(plan, process.pid))
    await asyncio.sleep(begin_s + STEADY_S - 2)
    all_mb = rss_mb(process.pid)
    silent = await calling
    assert silent.usage is not None
    cost = CallCost(1000 * silent.usage.cores / calls, one_mb, (all_mb - one_mb) / (calls - 1))
    clips = [c.trimmed(MOST_MS).at_level(LEVEL_DB) for c in library.of("interruption")]

    def script(number: int) -> list[Step]:
        rng = np.random.default_rng([1, number])
        chosen = (clips[(number * 7 + n) % len(clips)] for n in range(INTERRUPTIONS))
        return [
            SayLine(float(rng.uniform(*INTO_MS)), c.at_rate(RATE), 0, after_agent=True, name=c.name) for c in chosen
        ]

    done = await call_all(CallPlan(process.url, calls, (begin_s + TALK_S) * 1000, script, apart_ms=APART_MS))
    return LongCalls(
        bot.name,
        calls,
        silent.failed.total() + done.failed.total(),
        spread(done.stops),
        ShareOf(len(done.stops), len(done.stops) + done.misses),
        ShareOf(sum(s.late for s in done.scores), sum(s.frames for s in done.scores)),
        sum(s.stale_ms for s in done.scores),
        cost,
    )


def scenes(*, quick: bool) -> tuple[Scene, ...]:
    return chosen(QUICK.split(",")) if quick else tuple(s for s in chosen(()) if s.name not in LEFT_OUT)


def measure(
    console: Console,
    *,
    quick: bool = False,
    only: str = "",
    folder: Path | None = None,
    lines: Path | None = None,
    seed: int = 1,
) -> None:
    """Call every bot, and show the tables. only: part of the names of the bots. folder: of more
    recordings. lines: gets a JSON line of each run."""
    plan = BenchPlan(scenes(quick=quick), 2 if quick else 5, BENCH_CALLS, seed)
    clips = asyncio.run(sounds(folder))
    found: list[BotFigures] = []
    long: list[LongCalls] = []
    for bot in BOTS:
        if only.casefold() not in bot.name.casefold():
            continue
        with console.status(f"{bot.name} is being called"):
            # The most calls first: later ones would find memory that earlier ones have left.
            runs = asyncio.run(called(bot, clips, plan, (BENCH_CALLS,) if quick else (MOST_CALLS, BENCH_CALLS)))
        found.append(runs.figures)
        long += runs.long
        if runs.log:
            console.print(f"{bot.name} wrote:\n{runs.log}", markup=False, highlight=False)
    if lines is not None:
        facts = [each.facts() for each in found] + [each.facts() for each in long]
        lines.write_text("".join(json.dumps(each) + "\n" for each in facts))
    show_bots(console, found, long)
