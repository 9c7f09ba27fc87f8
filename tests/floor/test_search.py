"""The proof: every state the floor can reach, every event in each, every promise on every edge."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from bargein.floor import Floor, lexicon
from tests.floor.search import SEARCHES, begin, search
from tests.floor.small_policies import POLICIES
from tests.floor.transitions import told_of

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def texts_are_folded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search has a few texts, and a hundred thousand readings of each."""
    monkeypatch.setattr(lexicon, "fold", cache(lexicon.fold))


@pytest.mark.parametrize(("policy", "groups", "levels", "stt"), SEARCHES, ids=str)
def test_every_reachable_state_keeps_every_promise(
    policy: str, groups: str, levels: tuple[float, ...], stt: bool, record_property: Callable[[str, object], None]
) -> None:
    floor = begin(Floor(POLICIES[policy]), set(groups.split()), stt=stt)
    found = search(floor, set(groups.split()), levels=levels)
    seen = f"{policy:9} {groups or 'speech and replies':20} {found.states:7,} states {found.edges:9,} edges"
    record_property("search", f"floor: {seen}")
    assert found.states > 1_000, "a search that sees so little proves nothing"
    assert found.transitions <= told_of(), "docs/floor.md lacks a transition: see WALK in transitions.py"
