"""What a policy comes to at the ends of turns, and which numbers cost least there.

An answer in a pause is a cut-in. After the end of a turn, all quiet before the answer is lateness. A cut-in costs as
much as `CUT_IN_MS` of lateness.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bargein.floor import Policy
from bargein.floor.policy_groups import NUMBERS
from bargein_bench.measures import Measure, share
from bargein_bench.tuning.endings import Ending
from bargein_bench.tuning.score import percentile

CUT_IN_MS = 1_500.0
ENDING_STEPS = {n.name: n.steps for n in NUMBERS.values() if n.group == "endpointing" and n.steps}


@dataclass(frozen=True, slots=True)
class EndingTally:
    """What a policy comes to."""

    pauses: int
    cut_ins: int
    waits_ms: tuple[float, ...]
    """Of the turns that were over."""

    @property
    def cut_in_share(self) -> Measure:
        return share("cut-ins", self.cut_ins, self.pauses, "answered in a pause, of the pauses", good=False)

    @property
    def cost_ms(self) -> float:
        """For each pause and each end, the mean."""
        number = self.pauses + len(self.waits_ms)
        return (sum(self.waits_ms) + CUT_IN_MS * self.cut_ins) / number if number else 0.0

    def facts(self) -> dict[str, object]:
        waits = {f"p{p}": percentile(self.waits_ms, p) for p in (50, 95)}
        return {"cut_ins": self.cut_in_share.facts(), "wait_ms": waits, "cost_ms": self.cost_ms}


@dataclass(frozen=True, slots=True)
class EndingProposal:
    """Numbers for the ends of turns, and what they come to."""

    changes: dict[str, float]
    """To the recorded policy."""
    recorded: EndingTally
    proposed: EndingTally


def tally(endings: Sequence[Ending], policy: Policy | None) -> EndingTally:
    """policy: None: the one that each call was recorded under."""
    cut_ins = pauses = 0
    waits: list[float] = []
    for ending in endings:
        wait = ending.wait_ms(policy or ending.floor.policy)
        if ending.pause_ms is None:
            waits.append(wait)
        else:
            pauses += 1
            cut_ins += wait < ending.pause_ms
    return EndingTally(pauses, cut_ins, tuple(waits))


def propose(endings: Sequence[Ending], base: Policy, fixed: Sequence[str] = ()) -> EndingProposal | None:
    """The numbers that cost least, with no more cut-ins than were recorded: step by step, one number at a time. fixed:
    numbers that stay. None: no pause was read."""
    if not endings:
        return None
    recorded = best = tally(endings, None)
    now, changes, better = base, dict[str, float](), True
    while better:
        better = False
        for name, steps in ENDING_STEPS.items():
            for step in steps if name not in fixed else ():
                policy = now.with_({name: step})
                found = tally(endings, policy)
                if found.cut_ins <= recorded.cut_ins and found.cost_ms < best.cost_ms - 1e-9:
                    now, best, better = policy, found, True
                    changes[name] = step
    kept = {name: value for name, value in changes.items() if value != base.numbers()[name]}
    return EndingProposal(kept, recorded, best)
