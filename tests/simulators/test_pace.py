"""The pace at which a simulated voice makes audio, over all texts of one reply, in time that the test moves."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from bargein_simulators import simulated_tts
from bargein_simulators.simulated_tts import Pace, TTSSettings


class MovedTime:
    """The clock of the simulator, which only sleeping moves."""

    def __init__(self) -> None:
        self.now_s = 10.0

    def monotonic(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.now_s = round(self.now_s + seconds, 6)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> MovedTime:
    moved = MovedTime()
    monkeypatch.setattr(simulated_tts, "time", SimpleNamespace(monotonic=moved.monotonic))
    monkeypatch.setattr(asyncio, "sleep", moved.sleep)
    return moved


async def left(time: MovedTime, pace: Pace, settings: TTSSettings, came_s: float, *lengths_ms: float) -> list[float]:
    """When the chunks of a text leave."""
    times = []
    for ms in lengths_ms:
        await pace.wait(settings, came_s, ms)
        times.append(time.now_s)
    return times


async def test_texts_that_came_together_follow_each_other_without_a_new_delay(time: MovedTime) -> None:
    settings, pace = TTSSettings(first_audio_ms=100, speed=2), Pace()
    assert await left(time, pace, settings, 10.0, 100, 100) == [10.1, 10.15]
    assert await left(time, pace, settings, 10.0, 100, 100) == [10.2, 10.25]  # words of one reply, and not one by one


async def test_a_text_that_comes_later_has_the_delay_again(time: MovedTime) -> None:
    settings, pace = TTSSettings(first_audio_ms=100, speed=2), Pace()
    await left(time, pace, settings, 10.0, 100)
    time.now_s = 20.0
    assert await left(time, pace, settings, 20.0, 100, 100) == [20.1, 20.15]


async def test_audio_that_is_made_at_once_waits_for_its_first_text_alone(time: MovedTime) -> None:
    settings, pace = TTSSettings(first_audio_ms=100, speed=0), Pace()
    assert await left(time, pace, settings, 10.0, 100, 100, 100) == [10.1, 10.1, 10.1]
    assert await left(time, pace, settings, 10.0, 100) == [10.1]


async def test_what_is_slow_comes_later_once(time: MovedTime) -> None:
    settings, pace = TTSSettings(first_audio_ms=100, speed=1), Pace()
    await pace.wait(settings, 10.0, 100, slow=True)
    assert time.now_s == 12.1
    await pace.wait(settings, 10.0, 100, slow=True)
    assert time.now_s == 12.2
