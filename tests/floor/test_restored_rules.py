"""A floor that goes on with a call of another server: once, at its beginning, and then as every other."""

from __future__ import annotations

import random
from copy import copy

import pytest

from bargein import floor as f
from tests.floor.monitor import Monitor
from tests.floor.search import LEVELS, alphabet, search
from tests.floor.small_policies import POLICIES


def restored(policy: str = "instant", cause: str = "restored") -> tuple[f.Floor, list[f.Action]]:
    floor = f.Floor(POLICIES[policy])
    return floor, floor.handle(f.CallRestored(0, reply=3, turn=2, cause=cause))


def test_the_agent_says_that_it_was_away_and_the_ids_go_on() -> None:
    floor, actions = restored()
    (said,) = actions
    assert isinstance(said, f.Reprompt)
    assert (said.reply, said.cause) == (4, "restored")
    assert (floor.state.value, floor.turn.id) == ("thinking", 2)


def test_of_a_move_nothing_is_said() -> None:
    floor, actions = restored(cause="moved")
    assert actions == []
    assert (floor.state.value, floor.reply.id, floor.turn.id) == ("idle", 3, 2)
    floor.handle(f.SayRequested(1))
    assert floor.reply.id == 4


@pytest.mark.parametrize("cause", ["restored", "moved"])
def test_in_the_middle_of_a_call_it_changes_nothing(cause: str) -> None:
    chance = random.Random(7)
    for _ in range(60):
        floor = f.Floor(POLICIES["balanced"])
        for _ in range(chance.randrange(1, 40)):
            floor.handle(chance.choice(list(alphabet(floor, {"hard", "page", "fail", "away"}, LEVELS))))
        if not (floor.reply.id or floor.turn.id):
            continue
        before = copy(floor)
        assert floor.handle(f.CallRestored(floor.now_ms, 99, 99, cause)) == []
        assert floor == before


def test_a_user_who_speaks_already_is_heard_after_it() -> None:
    floor = f.Floor(POLICIES["balanced"])
    floor.handle(f.SpeechWindow(0, 1, 0.95))
    if not floor.turn.id:
        (said,) = floor.handle(f.CallRestored(1, 3, 2))
        assert isinstance(said, f.Reprompt)


@pytest.mark.slow
def test_from_there_every_promise_is_kept() -> None:
    floor, _ = restored()
    found = search(floor, {"fail"}, levels=(0.0, 0.95), monitor=Monitor(live=True, asking=True))
    assert found.states > 1_000
