"""Looks at sounds, from the floor's order to its answer."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

import numpy as np
import pytest

from bargein.audio.pcm import Pcm
from bargein.call.input.sound_watch import SoundWatch
from bargein.floor import Floor, JudgeSound, Policy, SoundChanged, SoundJudged, SpeechWindow
from tests.call.parts import Parts, settle


class Audio:
    def __init__(self) -> None:
        self.asked: list[float] = []

    def since(self, from_ms: float) -> Pcm:
        self.asked.append(from_ms)
        return Pcm(np.zeros(4_000, np.int16), 8_000)


class Judge:
    """Answers as it is told; kept: the curve of its last look."""

    def __init__(self, answer: float | Exception | None = 0.2) -> None:
        self.answer = answer
        self.kept: list[float] = []
        self.deadline_ms = 0.0

    async def judge(self, pcm: Pcm, curve: Sequence[float], *, deadline_ms: float) -> float | None:
        await asyncio.sleep(0)
        self.kept, self.deadline_ms = list(curve), deadline_ms
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class World:
    def __init__(self, judge: Judge | None) -> None:
        self.parts, self.audio = Parts(), Audio()
        self.parts.clock.advance(1_500)
        floor = Floor(Policy.balanced())
        self.watch = SoundWatch(self.parts.context, floor, self.audio, judge)  # type: ignore[arg-type]

    async def look(self, onset_ms: float, until_ms: float) -> SoundJudged:
        self.watch.look(JudgeSound(3, onset_ms, until_ms, "undecided"))
        await settle()
        event = self.parts.events[-1]
        assert isinstance(event, SoundJudged)
        return event


async def test_the_judge_gets_the_sound_from_just_before_its_onset_and_the_curve_from_the_onset_on() -> None:
    judge = Judge(0.2)
    world = World(judge)
    for k in range(40):
        world.watch.window(SpeechWindow(k * 32.0, k * 32.0 + 32, k / 100))
    assert await world.look(960.0, 1_280.0) == SoundJudged(960.0, 1_280.0, 3, 0.2)
    assert world.audio.asked == [900.0]
    assert judge.kept == [k / 100 for k in range(30, 40)]
    assert judge.deadline_ms == Policy().verdict.sound_wait_ms


async def test_of_a_long_sound_the_end_is_looked_at() -> None:
    world = World(Judge())
    await world.look(100.0, 1_400.0)
    assert world.audio.asked == [450.0]


@pytest.mark.parametrize("answer", [None, RuntimeError("out of memory")])
async def test_a_look_that_fails_is_answered_with_nothing(answer: Exception | None) -> None:
    world = World(Judge(answer))
    assert (await world.look(960.0, 1_280.0)).words is None


@pytest.mark.parametrize("answer", [1.7, -0.1, math.nan])
async def test_a_number_that_is_no_probability_is_no_answer(answer: float) -> None:
    assert (await World(Judge(answer)).look(960.0, 1_280.0)).words is None


async def test_the_floor_learns_whether_sounds_are_looked_at() -> None:
    for judge, told in ((Judge(), 1), (None, 0)):
        world = World(judge)
        world.watch.announce()
        assert world.parts.events == [SoundChanged(1_500.0, judged=True)] * told
