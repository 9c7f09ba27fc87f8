"""`kill -9` of one of three nodes with calls on all of them: what its callers hear, and what the others do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from bargein.clock import MonotonicClock
from bargein_bench.callers.caller_audio import Step
from benchmarks.fleet_agent import TONE_MS, TOOL_S, WORD_COUNT
from benchmarks.fleet_crowd import APART_S, FleetCaller, FleetCrowd, crowd, keyed, told_of
from benchmarks.fleet_ear import HeardWord, continuity
from benchmarks.fleet_nodes import node_fleet
from benchmarks.table import Check, SpreadRow

BEFORE_S, AFTER_S = 6.0, 13.0
IN_A_TOOL_S = 2.4  # before the death a third of the callers keys: then their tool has begun, and has no result
TOOL_TAKES_S = 3.0
KEYS_BEFORE_END_S = 6.0  # the others
SLACK = 1  # words by which what the model is told may differ from the ear, at a place where a reply broke off


@dataclass
class Death:
    """What one run gave."""

    back_ms: list[float] = field(default_factory=list)
    """From the death to the first word that a caller of the dead node hears again."""
    victims: int = 0
    others: int = 0
    ended: int = 0
    """Calls that ended with the node."""
    late: int = 0
    """Breaks in the audio of the others' agents after the death."""
    twice: int = 0
    missing: int = 0
    untold: int = 0
    """Words that were heard, and that the model was not told."""
    asked: int = 0
    """Calls whose model was asked after the death."""
    ordered: int = 0
    ordered_twice: int = 0

    def rows(self, name: str) -> list[SpreadRow | Check]:
        calls = self.victims + self.others
        within = sum(ms <= 1_500 for ms in self.back_ms)
        return [
            SpreadRow(f"{name}: from kill -9 to the agent's next word", tuple(self.back_ms), "99 % <= 1500"),
            Check("  victims that hear the agent within 1.5 s", within, self.victims),
            Check("  calls that went on", calls - self.ended, calls),
            SpreadRow("  breaks in the audio of the others", (float(self.late),), "0"),
            SpreadRow("  words that victims heard twice", (float(self.twice),), "0"),
            SpreadRow("  words that victims did not hear", (float(self.missing),), "0"),
            SpreadRow(f"  heard words that the model was not told ({self.asked} asked)", (float(self.untold),), "0"),
            SpreadRow(f"  commit tools that ran twice (of {self.ordered})", (float(self.ordered_twice),), "0"),
        ]


async def run(number: int, *, played_out: bool = False) -> Death:
    """Calls on three nodes; the node of the first call dies. A third of the callers is in a tool then, the others are
    in the greeting, and key their digits afterwards."""
    begins_s = number * APART_S
    dies_s = begins_s + BEFORE_S

    def script(n: int, digits: str) -> Sequence[Step]:
        own_s = dies_s - n * APART_S  # the death, on the caller's own clock
        return keyed(digits, 1000 * (own_s - IN_A_TOOL_S if n % 3 == 2 else own_s + AFTER_S - KEYS_BEFORE_END_S))

    environment = {WORD_COUNT: "400", TOOL_S: str(TOOL_TAKES_S), "BARGEIN_MAX_CALLS": str(number)}
    clock = MonotonicClock()
    with TemporaryDirectory(prefix="bargein-fleet-") as folder:
        async with (
            node_fleet(Path(folder), env=environment, played_out=played_out) as fleet,
            crowd(fleet, number, dies_s + AFTER_S, script) as callers,
        ):
            first = callers.callers[0]
            await callers.until(first.result.began_ms + dies_s * 1000)
            home = {caller.sid: caller.home for caller in callers.callers if caller.live}
            dead = home[first.sid]
            died_ms = clock.now_ms()
            await fleet.kill(dead)
            await callers.all_over()
            return _judged(callers, home, dead, died_ms)


def _judged(callers: FleetCrowd, home: dict[str, str], dead: str, died_ms: float) -> Death:
    found = Death()
    prompts = callers.prompts()
    for caller in callers.callers:
        found.ended += caller.result.closed_by != "us"
        place = caller.place_ms(died_ms)
        if home.get(caller.sid) != dead:
            found.others += 1
            found.late += caller.late_after(place)
            continue
        found.victims += 1
        heard = caller.heard()
        after = [each for each in heard if each.at_ms > place + 20 and each.of_bridge]
        if after:
            found.back_ms.append(after[0].at_ms - place)
        if not _keyed_before(caller):  # a key cuts the greeting, and the next chain begins elsewhere
            whole = continuity([each for each in heard if each.at_ms < place + 6_000])
            found.twice += whole.twice
            found.missing += whole.missing
        if (items := prompts.get(caller.digits)) is not None:
            found.asked += 1
            keyed_ms = place if _keyed_before(caller) else place + 1000 * (AFTER_S - KEYS_BEFORE_END_S)
            found.untold += _untold(heard, items, keyed_ms)
    orders = Counter(callers.orders())
    found.ordered, found.ordered_twice = len(orders), sum(times - 1 for times in orders.values())
    return found


def _keyed_before(caller: FleetCaller) -> bool:
    return (int(caller.digits) - 100) % 3 == 2


def _untold(heard: Sequence[HeardWord], items: list[list[str]], until_ms: float) -> int:
    """Words that were heard before a place and that a later prompt lacks, and words of the prompt never heard,
    beyond SLACK."""
    told = Counter(told_of(items))
    before = Counter(each.word for each in heard if each.understood and each.at_ms + TONE_MS < until_ms)
    ever = Counter(each.word for each in heard if each.understood)
    return max(0, (before - told).total() - SLACK) + max(0, (told - ever).total() - SLACK)
