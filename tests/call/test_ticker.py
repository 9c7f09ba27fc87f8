"""One ticker for every call: on a grid, and no call stops another."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from bargein.call.ticker import DRIVEN_MS, EARLY_MS, MAX_BEHIND_MS, Ticker
from bargein.clock import ManualClock


def test_every_call_gets_every_tick_until_it_is_removed() -> None:
    ticker, seen = Ticker(ManualClock()), list[tuple[str, float]]()

    def one(now_ms: float) -> None:
        seen.append(("one", now_ms))

    def other(now_ms: float) -> None:
        seen.append(("other", now_ms))

    ticker.add(one, lambda _: None)
    ticker.add(other, lambda _: None)
    ticker.tick(20)
    ticker.remove(one)
    ticker.remove(one)
    ticker.tick(40)
    assert seen == [("one", 20), ("other", 20), ("other", 40)]


def test_a_call_that_breaks_is_removed_and_learns_why_and_the_others_go_on() -> None:
    ticker, errors, seen = Ticker(ManualClock()), list[BaseException](), list[float]()

    def broken(now_ms: float) -> None:
        raise RuntimeError("a fault")

    ticker.add(broken, errors.append)
    ticker.add(seen.append, lambda _: None)
    ticker.tick(20)
    ticker.tick(40)
    assert [str(error) for error in errors] == ["a fault"]
    assert seen == [20, 40]


async def run_for(monkeypatch: pytest.MonkeyPatch, delays: list[float]) -> tuple[Ticker, list[float], list[float]]:
    """Run while each sleep is late by the next of the delays. Returns the times of ticks and the sleeps asked for."""
    clock = ManualClock()
    ticker, ticks, sleeps = Ticker(clock), list[float](), list[float]()
    ticker.add(ticks.append, lambda _: None)

    async def sleep(seconds: float) -> None:
        if not delays:
            raise asyncio.CancelledError
        sleeps.append(round(seconds * 1000, 3))
        clock.advance(seconds * 1000 + delays.pop(0))

    monkeypatch.setattr(asyncio, "sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await ticker.run()
    return ticker, ticks, sleeps


async def test_ticks_keep_to_a_grid_and_do_not_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    ticker, ticks, sleeps = await run_for(monkeypatch, [0, 5, 0, 0])
    assert ticks == [20, 45, 60, 80]
    assert sleeps == [20, 20, 15, 20]
    assert ticker.late == 0


async def test_missed_ticks_are_run_and_counted_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    ticker, ticks, _ = await run_for(monkeypatch, [50, 0, 0, 0])
    assert ticks == [70, 70, 70, 80]
    assert ticker.late == 2
    ticker, ticks, _ = await run_for(monkeypatch, [MAX_BEHIND_MS + 50.0, 0, 0])
    assert ticks == [270, 290, 310], "the rest is skipped: it would only make us later"


async def test_a_driven_ticker_sleeps_on_and_wakes_where_nothing_drives_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    ticker, ticks, sleeps = Ticker(clock), list[float](), list[float]()
    ticker.add(ticks.append, lambda _: None)
    ticker.drive()
    assert not ticks, "it does not run"
    drives = [True, True, False, False, False]

    async def sleep(seconds: float) -> None:
        if not drives:
            raise asyncio.CancelledError
        sleeps.append(round(seconds * 1000, 3))
        end = clock.now_ms() + seconds * 1000
        if drives.pop(0):
            while clock.now_ms() + 20 < end + 20:
                clock.advance(10)
                ticker.drive()
        clock.advance(max(0.0, end - clock.now_ms()))

    monkeypatch.setattr(asyncio, "sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await ticker.run()
    assert sleeps == [20, 80, 80, 20, 20], "a driven ticker is woken a fourth as often"
    gaps = [later - earlier for earlier, later in pairwise(ticks)]
    assert max(gaps) <= 20 + DRIVEN_MS
    assert min(gaps) >= 20 - EARLY_MS
    assert ticker.late <= 1
