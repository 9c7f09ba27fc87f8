"""Sounds of a telephone line and of who holds the telephone, by arithmetic: clicks, static, hum, beeps, breath. All
randomness comes from the generator that is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from bargein_bench.scenarios import formants
from bargein_bench.scenarios.clips import RATE
from bargein_bench.scenarios.formants import Floats


def click(rng: np.random.Generator) -> Floats:
    """Two or three clicks of a contact."""
    signal = np.zeros(int(0.3 * RATE))
    for at in np.sort(rng.uniform(0.01, 0.25, int(rng.integers(2, 4)))):
        begin, size = int(at * RATE), int(0.008 * RATE)
        signal[begin : begin + size] += rng.normal(0, 1, size) * np.exp(-np.arange(size) / (0.0015 * RATE))
    return signal


def static(rng: np.random.Generator) -> Floats:
    """Noise whose strength flutters, with crackles in it."""
    samples = int(rng.uniform(0.4, 1.2) * RATE)
    flutter = np.abs(np.convolve(rng.normal(0, 1, samples), np.ones(320) / 18, "same"))
    crackle = (rng.random(samples) < 0.002) * rng.normal(0, 6, samples)
    return np.asarray(rng.normal(0, 1, samples) * (0.3 + flutter) + crackle)


def buzz(rng: np.random.Generator) -> Floats:
    """Mains in the line: harmonics of 50 or 60 Hz."""
    t = np.arange(int(1.5 * RATE)) / RATE
    mains = float(rng.choice((50.0, 60.0)))
    tones = [np.sin(2 * np.pi * mains * n * t + rng.uniform(0, 6)) / n**0.5 for n in range(2, 40)]
    return np.asarray(np.sum(tones, axis=0) * np.minimum(1, np.minimum(t, t[::-1]) / 0.03))


def beep(rng: np.random.Generator) -> Floats:
    """A tone of a quarter of a second, of a recorder or of a second call."""
    t = np.arange(int(rng.uniform(0.15, 0.35) * RATE)) / RATE
    tone = np.sin(2 * np.pi * float(rng.choice((440.0, 1_000.0, 1_400.0))) * t)
    return np.asarray(tone * np.minimum(1, np.minimum(t, t[::-1]) / 0.005))


def breath(rng: np.random.Generator) -> Floats:
    return formants.breath(rng, lasts_ms=float(rng.uniform(300, 800)))


SOUNDS: Mapping[str, Callable[[np.random.Generator], Floats]] = {
    "click": click,
    "static": static,
    "buzz": buzz,
    "beep": beep,
    "breath": breath,
}
