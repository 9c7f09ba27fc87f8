"""Levels of audio, and the onset of a sound in a recording."""

from __future__ import annotations

import math

import numpy as np

from bargein.audio.pcm import Samples

FLOOR_DBFS = -100.0  # the level given for digital silence
AUDIBLE = 0.01  # of the peak, -40 dB: breath and room noise lie below


def rms(samples: Samples) -> float:
    """Root mean square, 0..1 of full scale. samples: shape (n,), int16. No samples: 0.0."""
    if not len(samples):
        return 0.0
    x = samples.astype(np.float32)
    return math.sqrt(float(np.dot(x, x)) / len(x)) / 32768


def dbfs(samples: Samples) -> float:
    """Root mean square in dB of full scale, at least FLOOR_DBFS."""
    level = rms(samples)
    return max(FLOOR_DBFS, 20 * math.log10(level)) if level > 0 else FLOOR_DBFS


def onset_sample(samples: Samples, rate: int) -> int | None:
    """The first sample within 40 dB of the peak. None: digital silence. For tests and benchmarks.

    Levels are those of blocks of 1 ms, so one stray sample is no onset. Room noise within 40 dB of the voice is an
    onset: use this on clean recordings.
    """
    size = max(1, rate // 1000)
    whole = -(-len(samples) // size) * size
    x = np.zeros(whole, np.float32)
    x[: len(samples)] = samples
    levels = np.sqrt(np.mean(np.square(x.reshape(-1, size)), axis=1))
    if not len(levels) or not levels.max():
        return None
    threshold = float(levels.max()) * AUDIBLE
    block = int(np.argmax(levels >= threshold))
    return block * size + int(np.argmax(np.abs(x[block * size : (block + 1) * size]) >= threshold))
