"""Audio in place of a packet that was lost: the last pitch period again, softer and softer, then silence.

The idea is that of G.711 Appendix I: speech is periodic for some tens of milliseconds, so its own past is the best
guess.
"""

from __future__ import annotations

import numpy as np

from bargein.audio.pcm import Samples

PITCH_MS = (2.5, 15.0)  # 400 Hz to 66 Hz
HISTORY_MS = 48.0
FULL_MS, MOST_MS = 10.0, 60.0  # of concealment: at full level, and until it is silence
JOIN_MS = 4.0  # of cross-fade into the audio that follows


class Concealer:
    """rate: Hz. One for a stream; all audio goes by it, in order."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._least, self._longest = (int(ms * rate / 1000) for ms in PITCH_MS)
        self._history = np.zeros(int(HISTORY_MS * rate / 1000), np.int16)
        self._fading = 0  # samples concealed since the last true audio
        self._period: Samples = np.zeros(0, np.int16)

    def heard(self, samples: Samples) -> Samples:
        """True audio came. Returns it as it is to be used: its beginning is joined to what was concealed before."""
        if self._fading:
            samples = self._joined(samples)
            self._fading = 0
        size = len(self._history)
        if len(samples) >= size:
            self._history = samples[-size:].copy()
        else:
            self._history[: size - len(samples)] = self._history[len(samples) :]
            self._history[size - len(samples) :] = samples
        return samples

    def missing(self, size: int) -> Samples:
        """A guess at `size` samples that did not come."""
        if not self._fading:
            self._period = self._history[-self._pitch() :]
        period = self._period
        at = np.arange(self._fading, self._fading + size)
        full, most = FULL_MS * self._rate / 1000, MOST_MS * self._rate / 1000
        gain = np.clip((most - at) / (most - full), 0.0, 1.0)
        self._fading += size
        guess: Samples = (period[at % len(period)] * gain).astype(np.int16)
        return guess

    def _joined(self, samples: Samples) -> Samples:
        width = min(int(JOIN_MS * self._rate / 1000), len(samples))
        if not width:
            return samples
        fading = self._fading
        guess = self.missing(width)
        self._fading = fading
        share = np.linspace(0.0, 1.0, width, endpoint=False)
        joined = samples.copy()
        joined[:width] = (guess * (1 - share) + samples[:width] * share).astype(np.int16)
        return joined

    def _pitch(self) -> int:
        """Samples of the period that the newest audio repeats with best."""
        past = self._history.astype(np.float32)
        newest = past[-self._longest :]
        if not newest.any():
            return self._longest
        scores = np.zeros(self._longest + 1, np.float32)
        for lag in range(self._least, self._longest + 1):
            before = past[-self._longest - lag : -lag]
            power = float(np.dot(before, before))
            scores[lag] = float(np.dot(newest, before)) / np.sqrt(power) if power > 0 else 0.0
        return int(scores[self._least :].argmax()) + self._least
