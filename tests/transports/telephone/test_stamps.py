"""A vendor's times of the frames: gaps where they make sense, and nothing where they do not."""

from __future__ import annotations

import pytest

from bargein.transports.telephone.stamps import MAX_DOUBTS, Stamps

FRAME = 160


def test_a_jump_in_the_times_is_a_gap_and_jitter_is_none() -> None:
    stamps = Stamps(8_000, FRAME)
    assert stamps.gap(5, 0) is None, "the first time is a beginning"
    assert stamps.gap(25, FRAME) == 0
    assert stamps.gap(52, 2 * FRAME) == 0, "7 ms late"
    assert stamps.gap(65, 3 * FRAME) == 0
    assert stamps.gap(1_385, 4 * FRAME) == 1_300 * 8


def test_lost_frames_add_up_to_no_drift() -> None:
    stamps, end = Stamps(8_000, FRAME), 0
    for k in range(1_000):
        if k % 5:
            end += (stamps.gap(20.0 * k, end) or 0) + FRAME
    assert end == 999 * FRAME


@pytest.mark.parametrize("bad", [None, -1, -1e30, 1e30, float("inf"), float("nan")])
def test_a_time_that_is_none_tells_nothing_and_changes_nothing(bad: float | None) -> None:
    stamps = Stamps(8_000, FRAME)
    stamps.gap(100, 0)
    assert stamps.gap(bad, FRAME) is None
    assert stamps.gap(140, 2 * FRAME) == 0
    assert stamps.gap(360, 3 * FRAME) == 200 * 8


def test_times_that_begin_anew_are_another_beginning() -> None:
    stamps = Stamps(8_000, FRAME)
    stamps.gap(60_000, 0)
    assert stamps.gap(0, FRAME) is None
    assert stamps.gap(120, 2 * FRAME) == 100 * 8


def test_gaps_that_are_doubted_in_a_row_end_the_reading_of_times() -> None:
    stamps = Stamps(8_000, FRAME)
    for k in range(MAX_DOUBTS + 1):
        assert stamps.useful
        if stamps.gap(160.0 * k, FRAME * k):
            stamps.doubt(160.0 * k, FRAME * k)
    assert not stamps.useful
    assert stamps.gap(10_000, FRAME * 9) is None


def test_a_doubt_now_and_then_ends_nothing() -> None:
    stamps, at_ms = Stamps(8_000, FRAME), 0.0
    for k in range(100):
        at_ms += 5_000 if k % 10 == 9 else 20
        if stamps.gap(at_ms, FRAME * k):
            stamps.doubt(at_ms, FRAME * k)
    assert stamps.useful
