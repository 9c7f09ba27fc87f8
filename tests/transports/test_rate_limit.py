"""A rate limit, in time that is moved by hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bargein.clock import ManualClock
from bargein.transports.rate_limit import RateLimit


def test_a_burst_passes_and_then_the_rate() -> None:
    clock = ManualClock()
    limit = RateLimit(clock, rate=10, burst=3)
    assert [limit.take() for _ in range(4)] == [True, True, True, False]
    clock.advance(100)
    assert [limit.take(), limit.take()] == [True, False]


def test_a_long_pause_saves_up_no_more_than_a_burst() -> None:
    clock = ManualClock()
    limit = RateLimit(clock, rate=10, burst=3)
    clock.advance(1_000_000)
    assert [limit.take() for _ in range(4)] == [True, True, True, False]


def test_refused_units_are_not_counted() -> None:
    limit = RateLimit(ManualClock(), rate=10, burst=3)
    assert [limit.take(4), limit.take(3), limit.take(0.5)] == [False, True, False]


def test_no_units_always_pass() -> None:
    limit = RateLimit(ManualClock(), rate=10, burst=1)
    assert [limit.take(), limit.take(0), limit.take()] == [True, True, False]


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 5)), max_size=60))
def test_no_more_than_burst_and_rate_ever_pass(steps: list[tuple[int, int]]) -> None:
    clock = ManualClock()
    limit = RateLimit(clock, rate=10, burst=5)
    passed = 0
    for ms, units in steps:
        clock.advance(ms)
        passed += units if limit.take(units) else 0
        assert passed <= 5 + clock.now_ms() * 10 / 1000 + 1e-6
