"""Log-mel features as Whisper's encoder takes them, in numpy.

Source: A. Radford and others, "Robust Speech Recognition via Large-Scale Weak Supervision" (2022), section 2.2: 80
channels, windows of 25 ms every 10 ms at 16 kHz; mel filters after M. Slaney (1998).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
CHANNELS = 80
WINDOW, HOP = 400, 160  # samples
QUIETEST = 1e-10  # power
RANGE = 8.0  # of the decimal logarithm: softer sounds count as this far below the loudest
LINEAR_HZ, LINEAR_MEL = 1000.0, 15.0  # Slaney's scale is linear up to here, and logarithmic above
LOG_STEP = np.log(6.4) / 27.0

Features = NDArray[np.float32]


def log_mel(wave: NDArray[np.float32]) -> Features:
    """wave: shape (samples,), mono, 16 kHz, at least half a window. Returns shape (80, samples // 160)."""
    padded = np.pad(wave.astype(np.float64), WINDOW // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    power = np.abs(np.fft.rfft(frames * hann, axis=1)[: len(wave) // HOP]) ** 2
    level = np.log10(np.maximum(_filters() @ power.T, QUIETEST))
    kept: Features = ((np.maximum(level, level.max() - RANGE) + 4.0) / 4.0).astype(np.float32)
    return kept


def to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slaney's mels in Hz."""
    above = LINEAR_HZ * np.exp(LOG_STEP * (mel - LINEAR_MEL))
    return np.where(mel < LINEAR_MEL, mel * LINEAR_HZ / LINEAR_MEL, above)


@cache
def _filters() -> NDArray[np.float64]:
    """Triangles of equal area, evenly spaced in mels up to half the rate: shape (80, 201)."""
    top = LINEAR_MEL + np.log(RATE / 2 / LINEAR_HZ) / LOG_STEP
    edges = to_hz(np.linspace(0.0, top, CHANNELS + 2))
    bins = np.linspace(0.0, RATE / 2, WINDOW // 2 + 1)
    low, mid, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rise, fall = (bins - low) / (mid - low), (high - bins) / (high - mid)
    made: NDArray[np.float64] = np.maximum(0.0, np.minimum(rise, fall)) * (2.0 / (high - low))
    return made
