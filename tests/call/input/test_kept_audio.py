"""The newest part of a stream, in one array: what is read is what was kept, however the array was moved."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bargein.call.input.kept_audio import LEAST, KeptAudio

Step = tuple[str, int]
steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 3000)),
        st.tuples(st.just("keep"), st.integers(0, 20_000)),
        st.tuples(st.just("restart"), st.integers(0, 5000)),
    ),
    max_size=40,
)


def numbers(first: int, count: int) -> np.ndarray:
    """Each sample tells its position."""
    return (np.arange(first, first + count) % 30_011).astype(np.int16)


@given(steps, st.integers(-100, 40_000), st.integers(-100, 40_000))
def test_every_part_reads_as_the_stream_was(steps: list[Step], begin: int, end: int) -> None:
    kept = KeptAudio()
    first = at = 0
    for what, count in steps:
        if what == "append":
            kept.append(numbers(at, count))
            at += count
        elif what == "keep":
            kept.discard_before(at - count)
            first = max(first, at - count)
        else:
            first = at = at + count
            kept.restart(at)
    assert (kept.first, kept.end) == (first, at)
    low = min(max(begin, first), at)
    high = min(max(end, low), at)
    assert kept.view(begin, end).tolist() == numbers(low, high - low).tolist()
    assert kept.copy(first, at).tolist() == numbers(first, at - first).tolist()


def test_what_was_copied_stays_when_the_array_is_moved() -> None:
    kept = KeptAudio()
    kept.append(numbers(0, LEAST))
    part = kept.copy(10, 20)
    for n in range(1, 20):
        kept.discard_before(kept.end - 100)
        kept.append(numbers(n * LEAST, LEAST))
    assert part.tolist() == list(range(10, 20))


def test_what_was_given_may_be_overwritten_by_its_owner() -> None:
    kept, given_ = KeptAudio(), numbers(0, 10)
    kept.append(given_)
    given_[:] = 0
    assert kept.copy(0, 10).tolist() == list(range(10))


@pytest.mark.parametrize("keep", [1_000, 40_000])
def test_the_array_is_at_most_twice_as_long_as_what_is_kept(keep: int) -> None:
    kept = KeptAudio()
    for n in range(2_000):  # 40 s at 8000 Hz: a long turn, and after it what is always kept
        kept.append(numbers(n * 160, 160))
        kept.discard_before(kept.end - (200_000 if n < 1_500 else keep))
    assert len(kept._array) <= max(2 * LEAST, 2.6 * keep)
