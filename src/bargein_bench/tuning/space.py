"""Which policies are tried: steps of the numbers that decide about interruptions, at random, and a step beside a good
one. Every candidate is a change to the policy that a call was recorded under, so that its own phrases stay."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bargein.floor import Policy
from bargein.floor.numbers import parse_numbers
from bargein.floor.policy import PRESETS
from bargein.floor.policy_groups import NUMBERS

Changes = Mapping[str, object]

# As the policy declares them. None is below what begins an episode (apart.LEAST_*), or waits longer than one lasts.
# The numbers of the ends of turns are tuned by themselves: ending_score.py.
STEPS: Mapping[str, tuple[float | int, ...]] = {
    n.name: n.steps for n in NUMBERS.values() if n.steps and n.group != "endpointing"
}
# Besides these, what a preset decides differently about: not the language's phrases, nor where a turn ends.
DECIDING = tuple(
    n.name for n in NUMBERS.values() if n.group in ("hold", "verdict", "echo") and not isinstance(n.default, tuple)
)


@dataclass(frozen=True)
class Candidate:
    """label: how it is called in tables; changes: to the recorded policy."""

    label: str
    changes: Changes

    @property
    def key(self) -> tuple[tuple[str, object], ...]:
        return tuple(sorted(self.changes.items()))


def policy_of(base: Policy, changes: Changes) -> Policy:
    """The recorded policy, changed. A hold_threshold above decide_threshold lifts that."""
    if not changes:
        return base
    hold = changes.get("hold_threshold", base.hold.hold_threshold)
    decide = changes.get("decide_threshold", base.hold.decide_threshold)
    if isinstance(hold, float) and isinstance(decide, float) and decide < hold:
        changes = {**changes, "decide_threshold": hold}
    return base.with_(changes)


def parse_fixed(words: Sequence[str]) -> dict[str, object]:
    """`--set name=value`. Raises UsageError for a word that is none, or a number that no policy has."""
    fixed = parse_numbers(words)
    Policy().with_(fixed)
    return fixed


def references() -> list[Candidate]:
    """The recorded policy as it is, and the presets' numbers in its place."""
    found = [Candidate("recorded", {})]
    for name in PRESETS:
        numbers = Policy.named(name).numbers()
        found.append(Candidate(name, {n: numbers[n] for n in DECIDING}))
    return found


class Space:
    """Draws candidates. fixed: numbers that stay; base: the policy most calls were recorded under; one seed, one
    sequence."""

    def __init__(self, base: Policy, fixed: Changes, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311  # drawn again by anybody, on purpose
        self._fixed = dict(fixed)
        self._base = base.numbers()
        self._free = [name for name in STEPS if name not in fixed]
        self._drawn = 0

    def starts(self) -> list[Candidate]:
        """Where the search begins: what is recorded and the presets, with the fixed numbers fixed."""
        suffix = ", --set" if self._fixed else ""
        return [Candidate(c.label + suffix, self._tidy(c.changes)) for c in references()]

    def draw(self, number: int) -> Iterator[Candidate]:
        """Half of them change a few numbers of a start, half change all."""
        starts = self.starts()
        for k in range(number):
            few = k % 2 == 0
            names = self._free
            if few and len(names) > 1:
                names = self._random.sample(names, self._random.randint(1, min(5, len(names))))
            begin = self._random.choice(starts).changes if few else {}
            drawn = {name: self._random.choice(STEPS[name]) for name in names}
            yield self._named({**begin, **drawn})

    def beside(self, candidate: Candidate) -> Iterator[Candidate]:
        """Every number one step up, and one down."""
        for name in self._free:
            value: Any = candidate.changes.get(name, self._base[name])
            below = [s for s in STEPS[name] if s < value]
            above = [s for s in STEPS[name] if s > value]
            for step in (*below[-1:], *above[:1]):
                yield self._named({**candidate.changes, name: step})

    def plainer(self, candidate: Candidate) -> Iterator[Candidate]:
        """One change less each."""
        for name in candidate.changes:
            if name not in self._fixed:
                yield self._named({n: v for n, v in candidate.changes.items() if n != name})

    def _named(self, changes: Changes) -> Candidate:
        self._drawn += 1
        return Candidate(f"#{self._drawn}", self._tidy(changes))

    def _tidy(self, changes: Changes) -> Changes:
        """Fixed numbers fixed, and none named that is as recorded; in one order, so that equal ones are known."""
        merged = {**changes, **self._fixed}
        tidy = {n: v for n, v in merged.items() if n in self._fixed or v != self._base[n]}
        return dict(sorted(tidy.items()))
