"""Positions of incoming audio: a stated gap is believed as far as time allows, and a burst is no fault for ever."""

from __future__ import annotations

from bargein.clock import ManualClock
from bargein.transports.positions import IncomingPositions

FRAME = 160  # samples at 8000 Hz: 20 ms


def stream() -> tuple[ManualClock, IncomingPositions]:
    clock = ManualClock(5_000)
    return clock, IncomingPositions(clock, 8_000, ahead_ms=1_000)


def steady(clock: ManualClock, positions: IncomingPositions, frames: int) -> None:
    for _ in range(frames):
        clock.advance(20)
        first = positions.end
        assert positions.place(FRAME) == (first, True)


def test_a_gap_for_which_time_has_passed_is_silence() -> None:
    clock, positions = stream()
    steady(clock, positions, 10)
    clock.advance(1_320)
    assert positions.place(FRAME, gap=1_300 * 8) == (1_600 + 10_400, True)


def test_a_gap_for_which_no_time_has_passed_is_not_believed() -> None:
    clock, positions = stream()
    steady(clock, positions, 10)
    clock.advance(20)
    assert positions.place(FRAME, gap=90_000 * 8) == (1_600, False)
    steady(clock, positions, 10)


def test_a_gap_backward_is_none() -> None:
    clock, positions = stream()
    steady(clock, positions, 10)
    assert positions.place(FRAME, gap=-500) == (1_600, True)


def test_a_burst_moves_the_beginning_so_that_a_later_gap_is_measured_from_it() -> None:
    clock, positions = stream()
    for _ in range(250):  # five seconds at once
        positions.place(FRAME)
    steady(clock, positions, 50)
    clock.advance(520)
    assert positions.place(FRAME, gap=2_000 * 8) == (300 * FRAME, False), "only half a second has passed"
    clock.advance(520)
    assert positions.place(FRAME, gap=500 * 8) == (301 * FRAME + 4_000, True)


def test_after_a_burst_the_stream_comes_back_into_its_pace() -> None:
    clock, positions = stream()
    assert [positions.in_pace(FRAME) for _ in range(250)].count(False) == 200
    late = []
    for _ in range(500):
        clock.advance(20)
        late.append(positions.in_pace(FRAME))
    assert all(late)
