"""How much of a process's capacity is taken: by its calls, and by lateness."""

from __future__ import annotations

import asyncio
import random

import numpy as np
import pytest

from bargein.audio.vad import SileroVAD
from bargein.call.ticker import Ticker
from bargein.clock import ManualClock
from bargein.server.calls import Calls
from bargein.server.load import LATE_LIMIT_MS, SPAN_MS, TOP_MS, Lateness, LoadMeter
from bargein.server.metrics import Metrics


def test_nothing_came_and_nothing_is_late() -> None:
    assert Lateness(ManualClock()).high() == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_99th_percentile(seed: int) -> None:
    lateness, chance = Lateness(ManualClock()), random.Random(seed)
    came = [chance.expovariate(0.1) for _ in range(chance.randrange(100, 900))]
    for ms in came:
        lateness.note(ms)
    above = sum(int(ms) >= lateness.high() for ms in came) / len(came)
    beyond = sum(int(ms) > lateness.high() for ms in came) / len(came)
    assert beyond <= 0.01 <= above


def test_one_late_round_of_many_is_no_load() -> None:
    lateness = Lateness(ManualClock())
    for _ in range(299):
        lateness.note(0.4)
    lateness.note(200)
    assert lateness.high() == 0.0


def test_what_comes_early_is_in_time_and_what_is_very_late_has_a_bound() -> None:
    lateness = Lateness(ManualClock())
    lateness.note(-7)
    assert lateness.high() == 0.0
    lateness.note(10_000)
    assert lateness.high() == TOP_MS


def test_old_lateness_is_forgotten_whether_more_comes_or_not() -> None:
    for more in (True, False):
        clock = ManualClock()
        lateness = Lateness(clock)
        lateness.note(80)
        clock.advance(SPAN_MS)
        assert lateness.high() == 80
        if more:
            lateness.note(0)
        clock.advance(SPAN_MS)
        assert lateness.high() == 0.0


def test_after_a_long_silence_nothing_old_is_told() -> None:
    clock = ManualClock()
    lateness = Lateness(clock)
    lateness.note(80)
    clock.advance(10 * SPAN_MS)
    assert lateness.high() == 0.0


def meter(most: int = 4) -> tuple[LoadMeter, Ticker, SileroVAD, Calls]:
    ticker, vad, calls = Ticker(ManualClock()), SileroVAD(), Calls(most, 1, Metrics())
    return LoadMeter(ticker, vad, calls), ticker, vad, calls


def test_calls_that_are_on_their_way_take_capacity() -> None:
    load, _, _, calls = meter()
    assert load.read().used == 0.0
    with calls.place(), calls.place():
        now = load.read()
    assert (now.calls, now.most, now.late_ms, now.used) == (2, 4, 0.0, 0.5)


def test_a_late_ticker_fills_a_process_with_few_calls() -> None:
    load, ticker, _, calls = meter()
    with calls.place():
        for _ in range(10):
            ticker.on_round(2 * LATE_LIMIT_MS)
        assert load.read().used == 2.0


def test_a_late_vad_counts_as_well() -> None:
    load, _, vad, _ = meter()
    vad.on_late(LATE_LIMIT_MS)
    assert load.read().late_ms == LATE_LIMIT_MS
    assert load.read().used == 1.0


async def test_the_vad_tells_how_late_its_scores_come() -> None:
    late, scored = list[float](), asyncio.Event()
    async with SileroVAD(gather_ms=0) as vad:
        vad.on_late = late.append
        stream = vad.open(8000, lambda _: scored.set())
        stream.push_audio(np.zeros(256, np.int16))
        await scored.wait()
        stream.close()
    assert len(late) == 1
    assert late[0] > 0


async def test_the_ticker_tells_how_late_its_rounds_come(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, late, delays = ManualClock(), list[float](), [3.0, 31.0]
    ticker = Ticker(clock)
    ticker.on_round = late.append

    async def sleep(seconds: float) -> None:
        if not delays:
            raise asyncio.CancelledError
        clock.advance(seconds * 1000 + delays.pop(0))

    monkeypatch.setattr(asyncio, "sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await ticker.run()
    assert late == pytest.approx([3.0, 31.0])
