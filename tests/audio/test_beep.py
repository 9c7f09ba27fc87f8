"""A beep is one steady tone, alone; speech, music of telephones and clicks are none."""

from __future__ import annotations

import numpy as np
import pytest

from bargein.audio.beep import has_beep
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
