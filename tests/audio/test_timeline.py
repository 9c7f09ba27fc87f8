"""The clock of a stream: right within a stated bound, whatever the network does to single frames."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bargein.audio.timeline import BUCKET_MS, MAX_DRIFT_PPM, WINDOW_MS, StreamClock

FRAME_MS = 20
ROUNDING_MS = 1e-6
jitters = st.lists(st.floats(0, 200), min_size=1, max_size=40)
drifts = st.floats(-MAX_DRIFT_PPM, MAX_DRIFT_PPM)
rates = st.sampled_from((8000, 16000, 24000, 48000))


def frames(rate: int, jitter: list[float], drift_ppm: float, count: int) -> Iterator[tuple[int, float, float]]:
    """Frames of a stream on their way, in order: (last sample, when it was spoken, when it arrived)."""
    before = 0.0
    for i, late in enumerate(islice(cycle(jitter), count), start=1):
        spoken = 5000 + i * FRAME_MS * (1 + drift_ppm / 1e6)
        before = max(before, spoken + late)  # no frame overtakes another
        yield i * FRAME_MS * rate // 1000, spoken, before


def test_without_jitter_a_sample_has_the_time_at_which_it_came() -> None:
    clock = StreamClock(16000)
    for sample, spoken, arrived in frames(16000, [0], 0, 10):
        clock.arrived(sample, arrived)
        assert clock.at(sample) == spoken
    assert clock.at(0) == 5000


def test_a_frame_that_was_held_up_was_not_spoken_later() -> None:
    clock = StreamClock(8000)
    clock.arrived(160, 1020)
    clock.arrived(320, 1190)  # 150 ms late
    assert clock.at(320) == 1040


def test_a_late_first_frame_is_corrected_by_the_next_quick_one() -> None:
    clock = StreamClock(8000)
    clock.arrived(160, 1220)
    assert clock.at(160) == 1220, "nothing better is known"
    clock.arrived(320, 1225)
    assert (clock.at(160), clock.at(320)) == (1205, 1225)


def test_a_way_that_grew_longer_is_noticed_after_some_seconds() -> None:
    clock = StreamClock(8000)
    clock.arrived(160, 1020)
    for i in range(2, 300):
        clock.arrived(160 * i, 1020 + 20 * i + 70)
    assert clock.at(160 * 299) == 1020 + 20 * 299 + 70


@given(rate=rates, jitter=jitters, drift=drifts)
def test_the_error_is_bounded_by_the_least_jitter_and_the_drift(rate: int, jitter: list[float], drift: float) -> None:
    clock = StreamClock(rate)
    past: list[tuple[float, float]] = []
    for sample, spoken, arrived in frames(rate, jitter, drift, 450):
        clock.arrived(sample, arrived)
        past.append((arrived, arrived - spoken))
        least = min(late for when, late in past[-400:] if when > arrived - (WINDOW_MS - BUCKET_MS))
        error = clock.at(sample) - spoken
        assert -StreamClock.ERROR_MS - ROUNDING_MS <= error <= least + StreamClock.ERROR_MS + ROUNDING_MS
        assert clock.at(sample) <= arrived + ROUNDING_MS


@given(rate=rates, jitter=jitters, drift=drifts)
def test_a_later_sample_has_a_later_time(rate: int, jitter: list[float], drift: float) -> None:
    clock = StreamClock(rate)
    for sample, _, arrived in frames(rate, jitter, drift, 60):
        clock.arrived(sample, arrived)
        assert clock.at(sample - 1) < clock.at(sample) < clock.at(sample + 1)


@pytest.mark.parametrize("drift", [-MAX_DRIFT_PPM, MAX_DRIFT_PPM])
def test_ten_minutes_of_drift_do_not_add_up(drift: float) -> None:
    clock = StreamClock(16000)
    for sample, spoken, arrived in frames(16000, [0, 19, 10], drift, 30_000):
        clock.arrived(sample, arrived)
        assert abs(clock.at(sample) - spoken) <= StreamClock.ERROR_MS + ROUNDING_MS


def test_a_stretch_with_another_delay_leaves_the_times_before_it_alone() -> None:
    clock = StreamClock(8000)
    clock.arrived(8000, 1000)
    clock.split(8000)
    clock.arrived(16000, 1200)  # a second of audio that came 800 ms too soon
    assert [clock.at(sample) for sample in (0, 4000, 7999, 8000, 16000)] == [0, 500, 999.875, 200, 1200]
    assert clock.at(-8) == -1
    assert [clock.position(at_ms) for at_ms in (-10, 100, 199, 200, 500, 1200)] == [0, 800, 1592, 8000, 10400, 16000]


def test_the_position_of_a_time_is_the_inverse_within_a_stretch() -> None:
    clock = StreamClock(16000)
    for k in range(1, 100):
        clock.arrived(320 * k, 5000 + 20 * k)
    assert [clock.position(clock.at(sample)) for sample in (0, 1, 999, 31_680)] == [0, 1, 999, 31_680]


def test_a_time_that_was_told_leads_to_its_sample_though_the_estimate_has_moved() -> None:
    """A backlog of 3 s comes at once: each second seems to be of this moment, until the next is there."""
    clock = StreamClock(8000)
    told = []
    for second in range(1, 4):
        clock.arrived(8000 * second, 50 + second)
        told.append(clock.tell(8000 * (second - 1)))
    assert told == [-949, -948, -947]
    assert clock.at(0) == -2947
    assert clock.position(-949) == 0, "the oldest sample of that time"
    assert clock.position(-1_200) == 0
    assert clock.position(53) == 24_000
