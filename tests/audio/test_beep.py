"""A beep is one steady tone, alone; speech, music of telephones and clicks are none."""

from __future__ import annotations

import numpy as np
import pytest

from bargein.audio.beep import BeepWatch, has_beep
from bargein.audio.pcm import Pcm
from bargein.audio.resample import resample
from tests.sounds import labels, load


def tone(hz: float, ms: float, rate: int = 8000, level: float = 6000) -> Pcm:
    at = np.arange(int(rate * ms / 1000)) / rate
    return Pcm((np.sin(2 * np.pi * hz * at) * level).astype(np.int16), rate)


@pytest.mark.parametrize("rate", [8000, 16_000])
@pytest.mark.parametrize("hz", [440, 1000, 1400, 2000])
def test_a_beep_after_a_voice_is_found(hz: float, rate: int) -> None:
    voice = resample(load("interruption-1.wav"), rate).samples
    quiet = np.zeros(rate // 3, np.int16)
    noisy = np.concatenate((voice, quiet, tone(hz, 300, rate).samples, quiet))
    noisy = noisy + np.random.default_rng(1).normal(0, 40, len(noisy)).astype(np.int16)
    assert has_beep(Pcm(noisy, rate))


@pytest.mark.parametrize("rate", [8000, 16_000])
@pytest.mark.parametrize("ms", [120, 200, 1000])
@pytest.mark.parametrize("offset", [0, 3, 11, 17])
def test_a_beep_of_120_ms_is_found_wherever_it_begins_and_its_end_is_told(ms: int, offset: int, rate: int) -> None:
    begin = rate * (500 + offset) // 1000
    noise = np.random.default_rng(offset).normal(0, 500, begin + rate * (ms + 500) // 1000)
    beep = tone(1400, ms, rate).samples
    noise[begin : begin + len(beep)] += beep
    watch = BeepWatch(rate)
    chunks = np.array_split(noise.astype(np.int16), len(noise) // (rate // 50))
    (found,) = [each for chunk in chunks if (each := watch.push(chunk)) is not None]
    assert abs(found.end - begin - len(beep)) <= rate * 40 // 1000
    assert abs(found.hz - 1400) < 5


def test_a_tone_that_does_not_end_is_none() -> None:
    assert not has_beep(tone(1000, 3500))


def test_nothing_that_people_say_or_do_is_a_beep() -> None:
    for label in labels():
        assert not has_beep(resample(load(label.file), 8000)), label.file


@pytest.mark.parametrize(
    "sound",
    [
        tone(1000, 80),  # a click
        tone(100, 600),  # hum
        tone(1000, 600, level=40),  # far below anything that is heard
        Pcm.silence(8000, 8000),
        Pcm.silence(0, 8000),
        Pcm((tone(697, 600).samples // 2 + tone(1209, 600).samples // 2), 8000),  # a key
    ],
)
def test_other_tones_are_none(sound: Pcm) -> None:
    assert not has_beep(sound)
