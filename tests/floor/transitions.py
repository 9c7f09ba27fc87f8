"""Which states follow which, on which event, and what is ordered then: found by letting the machine run."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Set
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bargein.floor import Floor, Policy, STTChanged
from bargein.floor import events as ev
from tests.floor.search import FINE, GROUPS, SEARCHES, alphabet, begin, cause_of, key
from tests.floor.small_policies import POLICIES
from tests.floor.twins import twin

PAGE = Path(__file__).parents[2] / "docs" / "floor.md"
FIRST = 700  # states of each search: every transition but a few shows itself there
DEEP = {"alone": 6_000, "looking": 6_000}  # a hold that lasts too long, and a second look, lie deeper
WALK, WALK_STEPS = 70_000, 16  # events of all random walks, and of one
# What the searches do not combine.
BESIDES: list[tuple[str, str, tuple[float, ...], bool]] = [
    ("patient", "turns stt", (0.0, 0.95), True),
    ("balanced", "policy stt", (0.0, 0.95), True),
]


@dataclass(frozen=True, slots=True, order=True)
class Transition:
    """One step of a floor."""

    before: str
    cause: str
    """The event's class, or the timer's name."""
    orders: tuple[str, ...]
    """The actions' classes, in their order."""
    after: str


def found() -> set[Transition]:
    """Every transition in the first states of every search, breadth first, and on walks through everything at once."""
    seen = wander(WALK)
    for policy, groups, levels, stt in [*SEARCHES, *BESIDES]:
        floor = begin(Floor(POLICIES[policy]), set(groups.split()), stt=stt)
        seen |= explore(floor, set(groups.split()), levels, DEEP.get(policy, FIRST))
    return seen


def events_in(floor: Floor, groups: Set[str], levels: tuple[float, ...]) -> Iterator[ev.Event]:
    """What may happen next; in the group "policy", other numbers too."""
    yield from alphabet(floor, groups, levels)
    if "policy" in groups:
        for policy in POLICIES.values():
            yield ev.PolicyChanged(floor.now_ms, policy)


def explore(floor: Floor, groups: Set[str], levels: tuple[float, ...], most: int) -> set[Transition]:
    """The transitions in the first states that are reachable from this floor."""
    seen: set[Transition] = set()
    known, line = {key(floor)}, deque([floor])
    while line:
        here = line.popleft()
        for event in events_in(here, groups, levels):
            there = twin(here)
            seen.add(_step(there, event))
            if len(known) < most and (mark := key(there)) not in known:
                known.add(mark)
                line.append(there)
    return seen


def wander(steps: int) -> set[Transition]:
    """Transitions on random walks, always the same ones: all groups of events, policies that change on the way. A walk
    begins where something new was seen, and takes each kind of event as often as any other."""
    chance = random.Random(1)
    policies = list(POLICIES.values())
    seen: set[Transition] = set()
    news = [floor for policy in policies for floor in _beginnings(policy)]
    floor = twin(news[0])
    for n in range(steps):
        if floor.over or n % WALK_STEPS == 0:
            floor = twin(chance.choice(news))
        kinds: dict[type[ev.Event], list[ev.Event]] = {}
        now = floor.now_ms
        stt = ev.STTChanged(
            now, words=chance.random() < 0.7, turns=chance.random() < 0.5, reads_turns=chance.random() < 0.5
        )
        for event in (*events_in(floor, {*GROUPS, "policy"}, FINE), stt):
            kinds.setdefault(type(event), []).append(event)
        step = _step(floor, chance.choice(chance.choice(list(kinds.values()))))
        if step not in seen:
            seen.add(step)
            news.append(twin(floor))
    return seen


def _beginnings(policy: Policy) -> list[Floor]:
    """A fresh floor; one whose STT reads; and one where a short word over a protected answer waits in a turn."""
    fresh, reading, waiting = Floor(policy), Floor(policy), Floor(policy)
    reading.handle(STTChanged(0, words=True, turns=False, reads_turns=True))
    for event in (ev.UserTyped(0), ev.ReplyProtected(0, 1, protected=True), ev.TurnStarted(0, "tell me")):
        waiting.handle(event)
    waiting.handle(ev.ReplyProtected(0, 1, protected=False))
    return [fresh, reading, waiting]


def _step(floor: Floor, event: ev.Event) -> Transition:
    """Hand the floor an event, and tell what it did."""
    before, cause = floor.state.value, cause_of(floor, event)
    orders = tuple(type(action).__name__ for action in floor.handle(event))
    return Transition(before, cause, orders, floor.state.value)


@cache
def told_of() -> frozenset[tuple[str, str, str]]:
    """The changes of the state that docs/floor.md tells of: from, by which event or timer, to."""
    told: set[tuple[str, str, str]] = set()
    for line in PAGE.read_text("utf-8").partition("## Every transition")[2].splitlines():
        cells = [cell.strip(" `") for cell in line.split("|")[1:-1]]
        if len(cells) == 4:
            before, after, _, causes = cells
            told |= {(before, cause.strip("` "), after) for cause in causes.split(",")}
    return frozenset(told)
