"""A rolling restart of three nodes with calls on all of them, and Redis killed for ten seconds under calls."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bargein.clock import MonotonicClock
from bargein_bench.callers.caller_audio import Step
from benchmarks.fleet_agent import REPLY_WORDS, WORD_COUNT
from benchmarks.fleet_crowd import APART_S, FleetCrowd, chains, crowd, keyed
from benchmarks.fleet_nodes import eventually, node_fleet
from benchmarks.table import Check, SpreadRow

GREETING = 16  # words
TURN_S = 7.0  # between two turns of a caller: a reply, and some seconds of silence, in which the call may move
TURNS = 25  # of the longest run
AWAY_S = 10.0  # Redis


@dataclass(frozen=True, slots=True)
class Restart:
    """What one rolling restart gave."""

    calls: int
    went_on: int
    moves: int
    lost: int
    """Words of replies that were begun and not heard to their end."""
    told: int
    """Words that were heard."""
    took_s: float
    gap_ms: tuple[float, ...]
    """Of each move: from the end of a stream to the next one's begin. The agent is silent then."""

    def rows(self) -> list[SpreadRow | Check]:
        return [
            Check("rolling restart of three: calls that went on", self.went_on, self.calls),
            SpreadRow(f"  words lost, of {self.told}", (float(self.lost),), "0"),
            SpreadRow(f"  a move ({self.moves}): from stream to stream", self.gap_ms),
            SpreadRow("  all of it, s", (self.took_s,)),
        ]


async def restart(number: int) -> Restart:
    """Callers who take turns; each node moves its calls, ends, and starts again."""

    def script(n: int, digits: str) -> Sequence[Step]:
        return [step for turn in range(TURNS) for step in keyed(digits[-1], 1000 * (5 + n % 7 + turn * TURN_S))]

    environment = {WORD_COUNT: str(GREETING), "BARGEIN_MAX_CALLS": str(number)}
    clock = MonotonicClock()
    with TemporaryDirectory(prefix="bargein-fleet-") as folder:
        async with (
            node_fleet(Path(folder), env=environment) as fleet,
            crowd(fleet, number, TURNS * TURN_S, script) as callers,
        ):
            began_ms = clock.now_ms()
            for name in fleet.nodes:
                await fleet.move_away(name)
                await fleet.stop(name)
                await fleet.start(name)
            took_s = (clock.now_ms() - began_ms) / 1000
            await asyncio.sleep(TURN_S)
            legs = [caller.result.legs for caller in callers.callers]
            pairs = [pair for each in legs for pair in itertools.pairwise(each)]
            gaps = tuple(after.began_ms - before.ended_ms for before, after in pairs if before.ended_ms is not None)
            told = [chains(caller.heard()) for caller in callers.callers]
            return Restart(
                number,
                callers.live,
                len(pairs),
                sum(_lost(each) for each in told),
                sum(len(chain) for each in told for chain in each),
                took_s,
                gaps,
            )


def _lost(told: Sequence[Sequence[int]]) -> int:
    """Words that lack at the ends of replies. The last one may still be sounding."""
    whole = [GREETING, *[REPLY_WORDS] * (len(told) - 1)]
    return sum(max(0, words - len(chain)) for words, chain in zip(whole[:-1], told[:-1], strict=True))


@dataclass(frozen=True, slots=True)
class Outage:
    """What the death of Redis gave."""

    calls: int
    went_on: int
    late: int
    frames: int
    again_ms: float
    """From Redis' return until each node lists all calls."""

    def rows(self) -> list[SpreadRow | Check]:
        return [
            Check(f"Redis killed for {AWAY_S:.0f} s: calls that went on", self.went_on, self.calls),
            SpreadRow(f"  breaks in the agents' audio (of {self.frames} frames)", (float(self.late),), "0"),
            SpreadRow("  from its return until each node knows all calls", (self.again_ms,), "<= 2000"),
        ]


async def outage(number: int) -> Outage:
    """Redis dies under calls whose agents talk all the time, and comes back empty."""
    environment = {WORD_COUNT: "400", "BARGEIN_MAX_CALLS": str(number)}
    clock = MonotonicClock()
    with TemporaryDirectory(prefix="bargein-fleet-") as folder:
        async with (
            node_fleet(Path(folder), env=environment) as fleet,
            crowd(fleet, number, number * APART_S + 60, lambda _n, _d: ()) as callers,
        ):
            await asyncio.sleep(3)
            begins = [caller.place_ms(clock.now_ms()) for caller in callers.callers]
            await fleet.kill_redis()
            await asyncio.sleep(AWAY_S)
            await fleet.start_redis()
            back_ms = clock.now_ms()

            async def all_known() -> bool:
                return all([len(await fleet.calls(node=name)) == number for name in fleet.nodes])

            await eventually(all_known)
            again_ms = clock.now_ms() - back_ms
            live = callers.live
            late = sum(caller.late_after(begin) for caller, begin in zip(callers.callers, begins, strict=True))
            return Outage(number, live, late, _frames(callers), again_ms)


def _frames(callers: FleetCrowd) -> int:
    return sum(caller.result.telephone.frames for caller in callers.callers)
