"""Pipecat and LiveKit Agents by telephone, alone and with our floor, and our own server: called by `bargein bench`.

Every bot has the same vendors, and gets the same scenes, sounds and moments. What a caller hears is measured; and what
a call costs the bot's process.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console

from bargein_bench.callers.caller_audio import Echo, Step
from bargein_bench.callers.fleet import CallPlan
from bargein_bench.callers.fleet import run as call_all
from bargein_bench.record import Record
from bargein_bench.results import CallResult
from bargein_bench.run import BenchPlan, Progress, listen, run
from bargein_bench.scenarios import people, synthetic
from bargein_bench.scenarios.clips import Clip, Library
from bargein_bench.scenarios.scenes import Scene, chosen
from bargein_bench.targets.twilio import TwilioTarget
from benchmarks.frameworks_bots import BOTS, FrameworkBot, RunningBot, running, tail, vendors
from benchmarks.frameworks_table import BotFigures, CallCost, figures, show_bots
from benchmarks.process import cpu_s, rss_mb

QUICK = "interruption,echo and speech,backchannel,cough,keyboard,television"
LEFT_OUT = ("greeting", "early", "thinking", "last word")  # they need a short greeting, and each bot would get others
MOST_CLIPS = 24  # of a kind: the STT has to know them all
SOLO_S = 8.0  # of the call whose memory is that of one call
APART_MS = 700.0  # between the begins of two calls whose cost is measured: a framework loads its models at each
STEADY_S = 20.0  # for which they all last


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
class BotRun:
    """A run of the bench against one bot."""

    bot: FrameworkBot
    calls: int
    """At once."""
    results: tuple[CallResult, ...]
    cpu_ms: float
    """Processor time for each second of the bench's calls, their begin included, ms."""
    cost: CallCost
    log: str = field(default="", repr=False)
    """The last lines that the bot wrote, where a call failed."""


async def sounds() -> list[Clip]:
    """The bench's own library, at most MOST_CLIPS of each kind."""
    clips = people.at_hand() + synthetic.throats() + synthetic.noises() + await synthetic.spoken()
    kinds: dict[str, list[Clip]] = {}
    for clip in clips:
        kinds.setdefault(clip.kind, []).append(clip)
    rng = np.random.default_rng(1)
    return [of[i] for of in kinds.values() for i in sorted(rng.permutation(len(of))[:MOST_CLIPS])]


async def _called(
    bot: FrameworkBot, clips: Sequence[Clip], plans: Sequence[BenchPlan], on_progress: Callable[[str], None]
) -> list[BotRun]:
    """The runs of one bot, all in one process of it."""
    library, most, done = Library(clips), max(plan.at_once for plan in plans), []
    async with vendors(clips) as url, running(bot, url, most) as process:
        target = MeasuredTarget(TwilioTarget(process.url))
        opening, heard = await listen(target, library, plans[0].seed)
        one_mb = await _one_mb(process)
        for plan in plans:
            cost = await _cost(process, plan.at_once, one_mb)
            target.lasted_s, cpu = 0.0, cpu_s(process.pid)

            def told(progress: Progress, at_once: int = plan.at_once) -> None:
                on_progress(f"{bot.name}, {at_once} at once: {progress.done} of {progress.of}")

            results, _ = await run(target, library, plan, opening, heard, told)
            cpu_ms = 1000 * (cpu_s(process.pid) - cpu) / target.lasted_s
            log = tail(process.log) if any(result.failed for result in results) else ""
            done.append(BotRun(bot, plan.at_once, results, cpu_ms, cost, log))
    return done


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


async def _cost(process: RunningBot, calls: int, one_mb: float) -> CallCost:
    """What a call costs while the agent tells its story and no sound comes from the caller."""
    begin_s = (calls - 1) * APART_MS / 1000
    plan = CallPlan(process.url, calls, (begin_s + STEADY_S) * 1000, _silent, apart_ms=APART_MS)
    calling = asyncio.create_task(call_all(plan, process.pid))
    await asyncio.sleep(begin_s + STEADY_S - 2)
    all_mb = rss_mb(process.pid)
    done = await calling
    assert done.usage is not None
    return CallCost(1000 * done.usage.cores / calls, one_mb, (all_mb - one_mb) / (calls - 1))


def scenes(*, quick: bool) -> tuple[Scene, ...]:
    return chosen(QUICK.split(",")) if quick else tuple(s for s in chosen(()) if s.name not in LEFT_OUT)


def measure(
    console: Console,
    *,
    quick: bool = False,
    only: str = "",
    lines: Path | None = None,
    seed: int = 1,
) -> list[BotFigures]:
    """Call every bot, and show the tables. only: part of the names of the bots. lines: gets a JSON line of each run."""
    played = scenes(quick=quick)
    # The larger run first: later calls would find memory that earlier ones have left.
    plans = (
        [BenchPlan(played, 2, 5, seed)] if quick else [BenchPlan(played, 6, 20, seed), BenchPlan(played, 3, 5, seed)]
    )
    clips = asyncio.run(sounds())
    found: list[BotFigures] = []
    for bot in BOTS:
        if only.casefold() not in bot.name.casefold():
            continue
        with console.status(bot.name) as status:
            runs = asyncio.run(_called(bot, clips, plans, status.update))
        for done in runs:
            found.append(figures(bot.name, done.calls, done.results, done.cpu_ms, done.cost))
            if done.log:
                console.print(f"{bot.name} wrote:\n{done.log}", markup=False, highlight=False)
    if lines is not None:
        lines.write_text("".join(json.dumps(each.facts()) + "\n" for each in found))
    show_bots(console, found)
    return found
