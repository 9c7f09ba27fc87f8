"""Levels of known signals, and onsets where they were put."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bargein.audio.levels import FLOOR_DBFS, dbfs, onset_sample, rms


def test_full_scale_is_one_and_zero_db() -> None:
    loud = np.full(100, -32768, np.int16)
    assert rms(loud) == 1.0
    assert dbfs(loud) == 0.0


def test_half_the_amplitude_is_six_db_less() -> None:
    assert dbfs(np.full(320, 16384, np.int16)) == pytest.approx(20 * math.log10(0.5))


def test_a_sine_lies_three_db_below_its_peak() -> None:
    sine = (32767 * np.sin(2 * np.pi * np.arange(16000) * 440 / 16000)).astype(np.int16)
    assert dbfs(sine) == pytest.approx(-3.01, abs=0.01)


@pytest.mark.parametrize("samples", [np.zeros(0, np.int16), np.zeros(320, np.int16)])
def test_silence_has_the_floor_as_its_level(samples: np.ndarray) -> None:
    assert rms(samples) == 0.0
    assert dbfs(samples) == FLOOR_DBFS
    assert onset_sample(samples, 16000) is None


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 48000])
@pytest.mark.parametrize("at", [0, 1, 1000, 4001])
def test_an_onset_is_found_to_the_sample(rate: int, at: int) -> None:
    samples = np.zeros(9600, np.int16)
    samples[at:] = 8000
    assert onset_sample(samples, rate) == at


def test_room_noise_before_a_voice_is_no_onset() -> None:
    samples = np.random.default_rng(1).normal(0, 10, 8000).astype(np.int16)
    samples[5000:] = 8000
    assert onset_sample(samples, 16000) == 5000
