"""The searches tell states apart by `search.key`. A key that left something out would let them pass over states."""

from __future__ import annotations

import dataclasses
import random
from collections import deque
from collections.abc import Callable, Iterator
from copy import copy
from functools import cache

import pytest

from bargein.floor import Floor, STTChanged
from bargein.floor.pause import PauseState
from bargein.floor.speech import UserSpeech
from bargein.floor.state import FloorState, OnsetState, ReplyState, SoundState, TurnState
from tests.floor.search import alphabet, key
from tests.floor.small_policies import POLICIES
from tests.floor.twins import twin, values

pytestmark = pytest.mark.slow

RECORDS = {
    "reply": ReplyState,
    "onset": OnsetState,
    "sound": SoundState,
    "turn": TurnState,
    "pause": PauseState,
    "speech": UserSpeech,
}
# Times and ids count only relative to the newest. The policy and the language of a search stay.
RELATIVE = {"now_ms", "reply.id", "turn.id", "onset.reading", "sound.look", "pause.reading", "policy", "language"}
NONE_AT_0 = {"reply.tools_until_ms", "sound.asked_until_ms"}  # no tool runs, no look was asked for
EXPLORED = [
    ("balanced", "stt protect page", (0.0, 0.35, 0.95)),
    ("short", "guesses hard fail", (0.0, 0.95)),
    ("patient", "turns judge", (0.0, 0.95)),
    ("echoing", "echo late", (0.0, 0.95)),
    ("alone", "far", (0.0, 0.95)),
    ("leaving", "fail", (0.0, 0.95)),
    ("short", "away ending", (0.0, 0.95)),
    ("waiting", "tools fail", (0.0, 0.95)),
    ("short", "unplayed hard", (0.0, 0.95)),
    ("short", "stall", (0.0, 0.95)),
    ("pausing", "pauses", (0.0, 0.95)),
    ("looking", "looks sound reads", (0.0, 0.95)),
]
STEPS = 12
MOST = 6_000  # states of each; the searches see them all, these tests a sample from the beginning


def attributes() -> list[str]:
    plain = [f.name for f in dataclasses.fields(Floor) if f.name not in RECORDS]
    return plain + [f"{name}.{f.name}" for name, kind in RECORDS.items() for f in dataclasses.fields(kind)]


def owner(floor: FloorState, path: str) -> tuple[object, str]:
    """The record that holds an attribute, and its name there."""
    record, _, name = path.rpartition(".")
    return (getattr(floor, record) if record else floor), name


def others(value: object) -> list[object]:
    """Values that an attribute may have instead."""
    match value:
        case bool():
            return [not value]
        case str() if type(value) is not str:  # an enum
            return [each for each in type(value) if each is not value]  # type: ignore[attr-defined]
        case int() if type(value) is not int:
            return [each for each in type(value) if each is not value]  # type: ignore[attr-defined]
        case str():
            return [f"{value}?"]
        case None:
            return [-20.0]
        case int() | float():
            return [value + 1, value - 1]
        case _:
            raise AssertionError(f"what else could {value!r} be?")


def explore(policy: str, names: str, levels: tuple[float, ...]) -> Iterator[tuple[Floor, Floor]]:
    """Floors as a search meets them, breadth first, each with the first one of its key."""
    floor, groups = Floor(POLICIES[policy]), set(names.split())
    words = "stt" in groups or "reads" in groups
    floor.handle(STTChanged(0, words=words, turns="turns" in groups, reads_turns="pauses" in groups))
    first = {key(floor): floor}
    line = deque([floor])
    while line:
        here = line.popleft()
        for event in alphabet(here, groups, levels):
            there = twin(here)
            there.handle(event)
            known = first.setdefault(key(there), there)
            yield there, known
            if known is there and len(first) < MOST:
                line.append(there)


@cache
def explored(case: tuple[str, str, tuple[float, ...]]) -> tuple[list[Floor], list[tuple[Floor, Floor]]]:
    """A floor of each key; and of the others some, each with the first one of its key."""
    chance = random.Random(1)
    firsts: list[Floor] = []
    pairs: list[tuple[Floor, Floor]] = []
    for there, known in explore(*case):
        if there is known:
            firsts.append(there)
        elif chance.random() <= 0.15:
            pairs.append((there, known))
    return firsts, pairs


@cache
def sample() -> list[Floor]:
    """A floor of each key."""
    return [floor for case in EXPLORED for floor in explored(case)[0]]


@cache
def keys() -> list[tuple[object, ...]]:
    return [key(floor) for floor in sample()]


@pytest.mark.parametrize("path", [path for path in attributes() if path not in RELATIVE])
def test_every_attribute_is_in_the_key(path: str) -> None:
    for floor, mark in zip(sample(), keys(), strict=True):
        record, name = owner(floor, path)
        value = getattr(record, name)
        for other in others(value):
            setattr(record, name, other)
            told = key(floor) != mark
            setattr(record, name, value)
            if told:
                return
    pytest.fail(f"no state's key tells {path} apart")


def test_what_is_left_out_is_relative() -> None:
    assert set(attributes()) >= RELATIVE
    times = {path for path in attributes() if path.endswith("_ms")} - {
        "turn.spoken_ms",
        "onset.carried_ms",
        "pause.own_ms",
        "reply.behind_ms",
    }
    for floor in sample()[::50]:
        other = twin(floor)
        for path in times:
            record, name = owner(other, path)
            if path not in NONE_AT_0 or getattr(record, name):
                setattr(record, name, getattr(record, name) + 1000)
        other.onset.reading += 7
        other.pause.reading += 7
        other.sound.look += 7 if other.sound.look else 0  # 0: nothing was looked at
        other.turn.id += 7
        other.reply.id += 7
        other.reply.turn += 7 if other.reply.turn else 0
        assert key(other) == key(floor)


@pytest.mark.parametrize("case", EXPLORED, ids=str)
def test_floors_of_one_key_behave_alike(case: tuple[str, str, tuple[float, ...]]) -> None:
    """Of two floors with one key, each is led the same random way on: they do the same, at the same distances."""
    groups, levels = set(case[1].split()), case[2]
    chance = random.Random(1)
    pairs = explored(case)[1]
    assert len(pairs) > 1_000, "too few pairs to prove anything"
    for there, known in pairs:
        one, other = twin(there), twin(known)
        for _ in range(STEPS):
            both = list(zip(alphabet(one, groups, levels), alphabet(other, groups, levels), strict=True))
            mine, theirs = chance.choice(both)
            did, was = one.handle(mine), other.handle(theirs)
            assert [type(a) for a in did] == [type(a) for a in was], (there, known, mine)
            assert shown(one) == shown(other), (there, known, mine)


def shown(floor: Floor) -> tuple[object, ...]:
    """What a floor shows to one who only watches, with times from its present. Overdue is overdue."""
    due = floor.deadline
    return floor.state, floor.over, floor.reply.sounding, None if due is None else max(0.0, due - floor.now_ms)


@pytest.mark.parametrize("copied", [copy, twin], ids=["a copy", "a twin"])
def test_a_copy_goes_its_own_way(copied: Callable[[Floor], Floor]) -> None:
    for floor in sample()[::97]:
        other = copied(floor)
        assert other == floor
        assert type(other) is type(floor)
        for path in attributes():
            (mine, name), (theirs, _) = owner(floor, path), owner(other, path)
            assert theirs is not mine, f"a copy shares the record of {path}"
            assert getattr(theirs, name) == getattr(mine, name)


def test_every_attribute_is_among_the_values() -> None:
    """Of all but the policy: a search compares floors by them."""
    floor = Floor()
    for path in attributes():
        record, name = owner(floor, path)
        was = values(floor)
        if path != "policy":
            setattr(record, name, others(getattr(record, name))[0])
            assert values(floor) != was, path
