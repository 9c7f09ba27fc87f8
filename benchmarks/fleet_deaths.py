"""`kill -9` of one of three nodes with calls on all of them: what its callers hear, and what the others do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from bargein.clock import MonotonicClock
from bargein_bench.callers.caller_audio import Step
from benchmarks.fleet_agent import TOOL_S, WORD_COUNT
from benchmarks.fleet_crowd import APART_S, FleetCaller, FleetCrowd, crowd, keyed, told_of
from benchmarks.fleet_ear import continuity
from benchmarks.fleet_nodes import node_fleet
from benchmarks.table import Check, SpreadRow

BEFORE_S, AFTER_S = 6.0, 13.0
IN_A_TOOL_S = 3.4  # before the death a third of the callers keys: then their tool has begun, and has no result
TOOL_TAKES_S = 2.0
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
        return keyed(digits, 1000 * (own_s - IN_A_TOOL_S if n % 3 == 2 else own_s + AFTER_S - 6))

    environment = {WORD_COUNT: "400", TOOL_S: str(TOOL_TAKES_S), "BARGEIN_MAX_CALLS": str(number)}
    clock = MonotonicClock()
    with TemporaryDirectory(prefix="bargein-fleet-") as folder:
        async with (
            node_fleet(Path(folder), env=environment, played_out=played_out) as fleet,
            crowd(fleet, number, dies_s + AFTER_S, script) as callers,
        ):
            first = callers.callers[0]
            await callers.until(clock, first.result.began_ms + dies_s * 1000)
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
        whole = continuity([each for each in heard if each.at_ms < place + 6_000])
        found.twice += whole.twice
        found.missing += 0 if _in_a_tool(caller, heard[0].at_ms if heard else 0) else whole.missing
        if (items := prompts.get(caller.digits)) is not None:
            found.asked += 1
            found.untold += _untold(heard, items)
    orders = Counter(callers.orders())
    found.ordered, found.ordered_twice = len(orders), sum(times - 1 for times in orders.values())
    return found


def _in_a_tool(caller: FleetCaller, _: float) -> bool:
    """The caller cut the greeting before the death: its chain is over, and the next one begins elsewhere."""
    return (int(caller.digits) - 100) % 3 == 2


def _untold(heard: Sequence[object], items: list[list[str]]) -> int:
    """Words that were heard before the prompt, less those that the prompt has, beyond SLACK."""
    told = Counter(told_of(items))
    ear = Counter(each.word for each in heard if each.understood)  # type: ignore[attr-defined]
    lacking = sum(told.values()) - sum((told & ear).values())
    return max(0, lacking - SLACK)
