"""A telephone's frames in order again, and lost ones as silence."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bargein.transports.telephone.reorder import MAX_GAP, MAX_LATE, WAIT, MediaReorderer

FRAME = 160


def frame(k: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return np.full(FRAME, k, np.int16)


class Order(MediaReorderer):
    """Knows the position of the next frame, in frames."""

    at = 0


def feed(order: Order, numbers: list[int]) -> list[tuple[int, int]]:
    """(position in frames, which frame) of all that came out."""
    out: list[tuple[int, int]] = []
    for k in numbers:
        for samples, lost, at_ms in order.take(k, frame(k), k * 20.0):
            assert at_ms == int(samples[0]) * 20.0
            out.append((order.at + lost, int(samples[0])))
            order.at += lost + 1
    return out


def test_frames_in_order_pass_at_once() -> None:
    order = Order()
    for k in range(1, 5):
        assert feed(order, [k]) == [(k - 1, k)]
    assert (order.lost, order.late) == (0, 0)


@given(st.data())
def test_frames_out_of_order_by_a_little_come_out_in_order_and_none_is_lost(data: st.DataObject) -> None:
    numbers = list(range(1, 40))
    for i in range(0, 36, 4):
        numbers[i : i + 3] = data.draw(st.permutations(numbers[i : i + 3]))
    first = numbers.index(1)
    numbers[0], numbers[first] = numbers[first], numbers[0]  # whatever comes first is the beginning
    order = Order()
    assert feed(order, numbers) == [(k - 1, k) for k in range(1, 40)]
    assert order.lost == 0


def test_a_lost_frame_is_given_up_after_a_few_others_and_leaves_its_place_empty() -> None:
    order = Order()
    assert feed(order, [1, 3, 4]) == [(0, 1)]
    assert feed(order, [5, 6]) == [(2, 3), (3, 4), (4, 5), (5, 6)]
    assert order.lost == 1
    assert WAIT == 3


def test_a_frame_that_comes_after_it_was_given_up_is_dropped_and_counted() -> None:
    order = Order()
    feed(order, [1, 3, 4, 5, 6])
    assert feed(order, [2]) == []
    assert order.late == 1
    assert feed(order, [7]) == [(6, 7)]


def test_a_jump_in_the_numbers_is_no_gap_of_hours() -> None:
    order = Order()
    assert feed(order, [1, 2 + MAX_GAP + 1]) == [(0, 1), (1, 3 + MAX_GAP)]
    assert order.lost == 0


def test_frames_without_numbers_go_by_the_order_in_which_they_come() -> None:
    order = Order()
    assert [f.lost for _ in range(3) for f in order.take(None, frame(0))] == [0, 0, 0]


def test_one_who_counts_in_no_way_at_all_is_heard_all_the_same() -> None:
    order = Order()
    heard = feed(order, [1] * 20)
    assert len(heard) == 20 - MAX_LATE + 1
    assert not order.counted


@given(st.lists(st.integers(-3, 2000), max_size=200))
def test_whatever_the_numbers_positions_only_grow_and_most_frames_are_heard(numbers: list[int]) -> None:
    order = Order()
    heard = feed(order, numbers)
    assert all(a < b for (a, _), (b, _) in pairwise(heard))
    assert len(heard) + order.late >= len(numbers) - WAIT
