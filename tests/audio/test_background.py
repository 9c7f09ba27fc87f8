"""The other speech on a line: how much, how loud, how long ago."""

from __future__ import annotations

import pytest

from bargein.audio.background import STRETCHES, Background
from tests.audio.voices import OTHER, say


def test_what_was_heard_before_is_counted() -> None:
    background = Background()
    assert background.before(1_000) is None
    for n, db in enumerate((-40, -36, -38)):
        background.add(n * 2_000, n * 2_000 + 1_000, say(OTHER, 1_000, db, n))
    before = background.before(6_000)
    assert before is not None
    assert before.talked_ms == 3_000
    assert before.share == pytest.approx(3 / 8)
    assert before.loud_db == pytest.approx(-35, abs=1.5)


def test_what_comes_later_and_what_is_long_ago_does_not_count() -> None:
    background = Background()
    background.add(0, 1_000, say(OTHER, 1_000, -38, 1))
    background.add(50_000, 51_000, say(OTHER, 1_000, -38, 2))
    before = background.before(50_500)
    assert before is not None
    assert (before.talked_ms, before.share) == (1_000, 0)
    assert background.before(112_000) is None


def test_only_the_newest_stretches_are_kept() -> None:
    background, pcm = Background(), say(OTHER, 200, -38, 1)
    for n in range(STRETCHES + 10):
        background.add(n * 300, n * 300 + 200, pcm)
    before = background.before(30_000)
    assert before is not None
    assert before.talked_ms == STRETCHES * 200
