"""Synthetic voices: folds of a pitch, through vowels of a throat's length."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bargein.audio.pcm import Pcm
from bargein.audio.resample import resample
from bargein_bench.scenarios.clips import RATE
from bargein_bench.scenarios.formants import contour, folds, tract

Floats = NDArray[np.float64]

VOWELS = ((730, 1_090, 2_440), (270, 2_290, 3_010), (300, 870, 2_240), (530, 1_840, 2_480), (570, 840, 2_410))
VOWEL_MS = 180.0


@dataclass(frozen=True, slots=True)
class Throat:
    pitch_hz: float
    scale: float
    """Of the formants: a short throat has high ones."""
    tilt: float = 0.0
    """Share of each sample that is kept in the next: > 0 is dull, as from the next room, < 0 is shrill."""


CALLER = Throat(115, 1.0)
OTHER = Throat(210, 1.28, 0.85)


def say(throat: Throat, ms: float, db: float, seed: int, rate: int = RATE) -> Pcm:
    """Vowels without a pause, at a level in dB of full scale."""
    x = _sound(throat, ms, seed) * 32768 * 10 ** (db / 20)
    pcm = Pcm(np.clip(np.rint(x), -32768, 32767).astype(np.int16), RATE)
    return pcm if rate == RATE else resample(pcm, rate)


@functools.cache
def _sound(throat: Throat, ms: float, seed: int) -> Floats:
    """At a root mean square of 1."""
    rng = np.random.default_rng(seed)
    parts: list[Floats] = []
    for _ in range(-(-int(ms) // int(VOWEL_MS))):
        vowel = VOWELS[int(rng.integers(len(VOWELS)))]
        pitch = throat.pitch_hz * float(rng.uniform(0.92, 1.1))
        swing = contour(((0, pitch), (VOWEL_MS, pitch * 0.95)), int(VOWEL_MS * RATE / 1000))
        poles = tuple((hz * throat.scale, 60 + hz * 0.04) for hz in vowel)
        parts.append(tract(folds(swing, rng), poles))
    x = np.concatenate(parts)[: int(ms * RATE / 1000)]
    if throat.tilt:
        x = np.convolve(x, throat.tilt ** np.arange(40), "same")
    return np.asarray(x / np.sqrt(np.square(x).mean()))
