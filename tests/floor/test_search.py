"""The proof: every state the floor can reach, every event in each, every promise on every edge."""

from __future__ import annotations

import pytest

from bargein.floor import Floor, STTChanged
from tests.floor.search import LEVELS, POLICIES, search

pytestmark = pytest.mark.slow

QUIET_OR_SURE = (0.0, 0.95)
FINE = (0.0, 0.35, 0.6, 0.95)

SEARCHES = [
    ("balanced", "", FINE, False),
    ("balanced", "hard", LEVELS, False),
    ("balanced", "page judge", QUIET_OR_SURE, False),
    ("short", "protect hard page", QUIET_OR_SURE, False),
    ("balanced", "late fail", LEVELS, False),
    ("balanced", "stt", QUIET_OR_SURE, True),
    ("balanced", "turns", QUIET_OR_SURE, False),
    ("short", "guesses hard", QUIET_OR_SURE, False),
    ("instant", "page", LEVELS, False),
    ("patient", "hard page", QUIET_OR_SURE, False),
    ("asking", "fail", LEVELS, False),
    ("leaving", "", LEVELS, False),
    ("echoing", "echo", QUIET_OR_SURE, False),
    ("alone", "", FINE, False),
    ("far", "far", (0.0,), False),
    ("instant", "echo protect", QUIET_OR_SURE, False),
]


@pytest.mark.parametrize(("policy", "groups", "levels", "stt"), SEARCHES, ids=str)
def test_every_reachable_state_keeps_every_promise(
    policy: str, groups: str, levels: tuple[float, ...], stt: bool, record_search: list[str]
) -> None:
    floor = Floor(POLICIES[policy])
    if stt:
        floor.handle(STTChanged(0, words=True, turns=False))
    found = search(floor, set(groups.split()), levels=levels)
    record_search.append(
        f"floor: {policy:9} {groups or 'speech and replies':20} {found.states:7,} states {found.edges:9,} edges"
    )
    assert found.states > 1_000, "a search that sees so little proves nothing"
