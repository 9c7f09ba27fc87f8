"""Which policies are tried: steps of the numbers that decide about interruptions, at random, and a step beside a good
one. Every candidate is a change to the policy that a call was recorded under, so that its language and its own
phrases stay."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from bargein.errors import UsageError
from bargein.floor import Policy
from bargein.floor.policy import PRESETS

Changes = Mapping[str, object]

# As Policy has them. None is below what begins an episode (apart.LEAST_*), or waits longer than one lasts.
STEPS: Mapping[str, tuple[float | int, ...]] = {
    "hold_threshold": (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6),
    "loud_threshold": (0.04, 0.06, 0.08, 0.12, 0.2),
    "loud_rise_db": (9, 12, 15, 18, 22, 100),
    "hold_windows": (1, 2, 3, 4),
    "decide_threshold": (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    "confirm_ms": (0, 60, 100, 150, 200, 250, 300, 350, 400, 500, 600, 800),
    # 0: confirm_ms decides there, too
    "alone_ms": (0, 200, 250, 300, 350, 400, 500, 600, 680, 740, 800, 900, 1100, 1300),
    "join_ms": (0, 150, 300, 400, 500, 600),
    "go_on_share": (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    "far_db": (4, 6, 8, 10, 12, 15, 20, 100),
    "far_ms": (100, 200, 300, 400, 500, 700),
    "sure_threshold": (0.5, 0.7, 0.8, 0.85, 0.9, 0.94, 0.97, 0.99),
    "doubt_ms": (300, 450, 600, 750, 900, 1100, 1300, 1500),
    "look_ms": (150, 200, 250, 300, 400, 500),
    "words_wait_ms": (0, 100, 200, 300, 350, 500, 700),
    "min_words": (1, 2, 3),
    "wary_after": (0, 1, 2, 3, 5),
    "echo_guard_ms": (0, 100, 200, 350, 500, 800),
    "speech_gap_ms": (64, 96, 128, 160, 200, 250, 320),
}
# Besides these, what a preset decides differently about.
DECIDING = (*STEPS, "trust_transcriber_turns", "verdict_timeout_ms", "hold_max_ms", "level_hold_ms", "echo_threshold")


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
    hold = changes.get("hold_threshold", base.hold_threshold)
    decide = changes.get("decide_threshold", base.decide_threshold)
    if isinstance(hold, float) and isinstance(decide, float) and decide < hold:
        changes = {**changes, "decide_threshold": hold}
    return base.with_(changes)


def parse_fixed(words: Sequence[str]) -> dict[str, object]:
    """`--set name=value`. Raises UsageError for a word that is none, or a number that no policy has."""
    fixed: dict[str, object] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"--set {word} changes nothing", advice="Write it as name=value, such as confirm_ms=500")
        try:
            fixed[name.strip()] = msgspec.json.decode(value)
        except msgspec.DecodeError:
            fixed[name.strip()] = value
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
        self._base = base
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
            value: Any = candidate.changes.get(name, getattr(self._base, name))
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
        tidy = {n: v for n, v in merged.items() if n in self._fixed or v != getattr(self._base, n)}
        return dict(sorted(tidy.items()))
