"""Laughs by arithmetic, for training: few recordings of laughs are free, and most are of one actor.

A laugh is a row of syllables, 4 to 8 in a second: air through an open throat, then folds that swing at a pitch that
falls, each weaker than the one before. Source: J.-A. Bachorowski, M. J. Smoski, M. J. Owren, "The acoustic features of
human laughter" (2001), for rates, pitches and the share of laughs without a voice.
"""

from __future__ import annotations

import numpy as np

from bargein_bench.scenarios.clips import RATE
from bargein_bench.scenarios.formants import Floats, Resonances, folds, tract
from benchmarks.sound_clips import LabelledSound

VOWELS: tuple[Resonances, ...] = (
    ((750, 110), (1_200, 140), (2_500, 220), (3_500, 300), (4_600, 400)),
    ((550, 90), (1_700, 160), (2_500, 220), (3_500, 300), (4_600, 400)),
    ((350, 80), (2_200, 180), (2_900, 240), (3_600, 300), (4_600, 400)),
    ((500, 90), (950, 120), (2_500, 220), (3_400, 300), (4_500, 400)),
    ((620, 110), (1_250, 150), (2_450, 240), (3_500, 320), (4_600, 420)),
)
GROUP = "laughs by arithmetic"


def laugh(rng: np.random.Generator) -> Floats:
    """A laugh of 3 to 8 syllables, of any loudness."""
    syllables, each_s = int(rng.integers(3, 9)), rng.uniform(0.13, 0.25)
    share, pitch_hz, breath = rng.uniform(0.35, 0.75), rng.uniform(130, 480), rng.uniform(0.05, 0.9)
    voice = 1.0 if rng.random() < 0.75 else rng.uniform(0.0, 0.2)
    samples = int((syllables * each_s * 1.1 + 0.1) * RATE)
    pitch, voiced, air = np.full(samples, pitch_hz), np.zeros(samples), np.zeros(samples)
    begin = 0
    for number in range(syllables):
        length = min(int(each_s * rng.uniform(0.85, 1.2) * RATE), samples - begin)
        swings = int(length * share)
        rises = int((length - swings) * 0.6)
        strength = rng.uniform(0.6, 1.1) * np.exp(-0.12 * number)
        part = slice(begin, begin + length)
        voiced[part][rises : rises + swings] = strength * np.sin(np.linspace(0, np.pi, swings)) ** 0.6
        air[part] = strength * breath * np.interp(np.arange(length), (0, rises, length), (0, 1, 0.3))
        pitch[part] = pitch_hz * (1 + rng.uniform(-0.1, 0.25)) * np.linspace(1.12, 0.88, length) * (1 - 0.03 * number)
        begin += length
    air *= 1 - 0.6 * voiced / max(voiced.max(), 1e-9)
    source = folds(np.maximum(pitch, 70), rng, unsteady=0.02) * voiced * voice + rng.normal(0, 0.5, samples) * air
    size = rng.uniform(0.9, 1.2)
    throat = tract(
        source, [(hz * size, width * rng.uniform(1, 1.6)) for hz, width in VOWELS[rng.integers(len(VOWELS))]]
    )
    return np.diff(throat, prepend=0.0) + 0.3 * throat


def laughs(count: int, seed: int) -> list[LabelledSound]:
    """So many laughs, as if recorded."""
    rng = np.random.default_rng(seed)
    made = (laugh(rng) for _ in range(count))
    return [
        LabelledSound(f"{GROUP} {i}", "laugh", GROUP, wave / max(np.abs(wave).max(), 1e-9) / 2, RATE, (0.0,))
        for i, wave in enumerate(made)
    ]
