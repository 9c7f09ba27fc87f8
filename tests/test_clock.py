from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bargein.clock import ManualClock, MonotonicClock


def test_a_manual_clock_stands_still_until_it_is_moved() -> None:
    clock = ManualClock(5_000)
    assert [clock.now_ms(), clock.now_ms()] == [5_000, 5_000]
    clock.advance(20)
    clock.advance(ms=0.5)
    clock.advance(0)
    assert clock.now_ms() == 5_020.5
    assert ManualClock().now_ms() == 0


@given(st.lists(st.floats(0, 1e6), max_size=20))
def test_a_manual_clock_never_goes_back(steps: list[float]) -> None:
    clock = ManualClock()
    times = [clock.now_ms()]
    for ms in steps:
        clock.advance(ms)
        times.append(clock.now_ms())
    assert times == sorted(times)


def test_a_step_back_is_refused_and_moves_nothing() -> None:
    clock = ManualClock(100)
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1)
    assert clock.now_ms() == 100


def test_the_clock_of_the_process_counts_milliseconds_and_never_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = MonotonicClock()
    times = [clock.now_ms() for _ in range(1_000)]
    assert times == sorted(times)
    monkeypatch.setattr(time, "monotonic_ns", lambda: 1_234_567_890)
    assert clock.now_ms() == 1_234.56789
