"""The room between a loudspeaker and a microphone, as an adaptive filter that is subtracted.

A Kalman filter in the frequency domain, in blocks (G. Enzner and P. Vary, "Frequency-domain adaptive Kalman filter for
acoustic echo control", 2006). It weighs each step by the caller's power in each bin, so a caller who speaks does not
lead it astray, and no detector of double talk is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from bargein.audio.rings import Floats

BLOCK = 256  # samples of the longest step
PARTS = 10  # blocks that the filter is long: 160 ms at 16000 Hz
STAY = 0.998  # of the filter, from one step to the next: how slowly a room changes
SMOOTH = 0.6  # of the caller's powers: what stays from one step to the next
UNSURE = 0.3  # variance of the first block's weights at the beginning, and half of it for each block after it
LEAST = 1e3  # power of a bin, against a division by nothing
REACH = (PARTS + 1) * BLOCK  # samples of the reference that one step needs


@dataclass(frozen=True, slots=True)
class FilterStep:
    """What one step made of the newest samples."""

    left: Floats
    """The microphone's samples without the echo."""
    echo: Floats
    """What was subtracted."""


class RoomFilter:
    """One path, from nothing known."""

    def __init__(self) -> None:
        self._weights = np.zeros((PARTS, BLOCK + 1), np.complex64)
        self._unsure = np.repeat((UNSURE * 0.5 ** np.arange(PARTS, dtype=np.float32))[:, None], BLOCK + 1, axis=1)
        self._callers = np.zeros(BLOCK + 1, np.float32)

    def step(self, reference: Floats, heard: Floats) -> FilterStep:
        """Subtract the echo, then learn from what is left. reference: REACH samples, up to the last one that may sound
        in `heard`, which has BLOCK samples at most."""
        size = len(heard)
        spectra = np.fft.rfft(sliding_window_view(reference, 2 * BLOCK)[::-BLOCK], axis=1)
        echo = np.fft.irfft(np.einsum("ij,ij->j", spectra, self._weights), 2 * BLOCK)[-size:].astype(np.float32)
        left = heard - echo
        padded = np.zeros(2 * BLOCK, np.float32)
        padded[-size:] = left
        error = np.fft.rfft(padded)
        powers = np.square(spectra.real) + np.square(spectra.imag)
        self._callers = SMOOTH * self._callers + (1 - SMOOTH) * (np.square(error.real) + np.square(error.imag))
        share = size / (2 * BLOCK)
        gain = self._unsure / (share * np.einsum("ij,ij->j", powers, self._unsure) + self._callers + LEAST)
        step = np.fft.irfft(gain * np.conj(spectra) * error, 2 * BLOCK, axis=1)
        step[:, BLOCK:] = 0
        weights = self._weights
        moved = (1 - STAY**2) * (np.square(weights.real) + np.square(weights.imag))
        self._unsure = (STAY**2 * (1 - share * gain * powers) * self._unsure + moved).astype(np.float32)
        self._weights = (STAY * (weights + np.fft.rfft(step, axis=1))).astype(np.complex64)
        return FilterStep(left, echo)
