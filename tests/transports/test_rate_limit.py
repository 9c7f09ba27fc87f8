from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bargein.clock import ManualClock
from bargein.transports.rate_limit import RateLimit


def test_a_burst_passes_and_then_the_rate() -> None:
    clock = ManualClock(7_000)
    limit = RateLimit(clock, rate=10, burst=3)
    assert [limit.take() for _ in range(4)] == [True, True, True, False]
    clock.advance(99)
    assert not limit.take()
    clock.advance(1)
    assert [limit.take(), limit.take()] == [True, False]


def test_a_long_silence_earns_one_burst_and_no_more() -> None:
    clock = ManualClock()
    limit = RateLimit(clock, rate=10, burst=3)
    assert limit.take(3)
    clock.advance(1_000_000)
    assert [limit.take() for _ in range(4)] == [True, True, True, False]


def test_units_that_are_refused_cost_nothing() -> None:
    limit = RateLimit(ManualClock(), rate=1, burst=10)
    assert not limit.take(11)
    assert limit.take(10)
    assert not limit.take(1)
    assert limit.take(0)


@given(
    st.floats(1, 1_000),
    st.floats(1, 1_000),
    st.lists(st.tuples(st.floats(0, 1_000), st.floats(0, 100)), max_size=60),
)
def test_no_more_passes_than_the_burst_and_the_rate_allow(
    rate: float, burst: float, asked: list[tuple[float, float]]
) -> None:
    clock = ManualClock()
    limit = RateLimit(clock, rate, burst)
    passed = 0.0
    for ms, units in asked:
        clock.advance(ms)
        if limit.take(units):
            passed += units
        assert passed <= (burst + clock.now_ms() * rate / 1000) * (1 + 1e-9)
