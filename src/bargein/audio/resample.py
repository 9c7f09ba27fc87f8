"""Changing the rate of sound: soxr for clips and for what goes out, a short filter of our own for what comes in.

soxr's streams hold back up to 66 ms, so they must never stand in front of the VAD.
"""

from __future__ import annotations

from math import gcd

import numpy as np
import soxr
from numpy.typing import NDArray

from bargein.audio.pcm import Pcm, Samples
from bargein.errors import Misuse


def resample(pcm: Pcm, rate: int) -> Pcm:
    """A whole clip at another rate (Hz), by soxr at its high quality."""
    if pcm.rate == rate or not len(pcm.samples):
        return Pcm(pcm.samples, rate)
    return Pcm(np.asarray(soxr.resample(pcm.samples, pcm.rate, rate, quality="HQ"), np.int16), rate)


class StreamResampler:
    """A stream at another rate, by soxr. What comes out in all is exactly round(what went in * to / from)."""

    def __init__(self, from_rate: int, to_rate: int) -> None:
        self._from, self._to = from_rate, to_rate
        self._in = self._out = 0
        same = from_rate == to_rate
        self._stream = None if same else soxr.ResampleStream(from_rate, to_rate, 1, dtype="int16", quality="HQ")

    def feed(self, samples: Samples, *, last: bool = False) -> Samples:
        """The next stretch; last: none follows, and what was held back comes out."""
        if self._stream is None:
            return samples
        self._in += len(samples)
        out = np.asarray(self._stream.resample_chunk(samples, last=last), np.int16)
        self._out += len(out)
        if last:
            # soxr may end a sample early or late; positions are counted, so the sum must be right.
            owed = (2 * self._in * self._to + self._from) // (2 * self._from) - self._out
            if owed > 0:
                out = np.concatenate((out, np.zeros(owed, np.int16)))
            elif owed < 0:
                out = out[: len(out) + owed]
        return out


class HotResampler:
    """A stream at another rate with a short delay (TAPS/2 samples of the lower rate: 1 ms at 8 kHz), for what goes to
    the VAD. Rates must stand in a small ratio (8, 16, 24, 32, 48 kHz). Each output is one dot product."""

    TAPS = 16  # per phase, of the lower rate: stop band below -50 dB, flat to 0.8 of the band

    def __init__(self, from_rate: int, to_rate: int) -> None:
        g = gcd(from_rate, to_rate)
        self._up, self._down = to_rate // g, from_rate // g
        if max(self._up, self._down) > 12:
            raise Misuse(
                f"No short filter leads from {from_rate} to {to_rate} Hz", advice="Use 8, 16, 24, 32 or 48 kHz"
            )
        wide = max(self._up, self._down)
        length = self.TAPS * wide
        t = np.arange(length) - (length - 1) / 2
        h = np.sinc(t * 0.92 / wide) * np.kaiser(length, 6.5)
        h *= self._up / h.sum()
        per = -(-length // self._up)
        padded = np.zeros(per * self._up)
        padded[:length] = h
        # phases[p][k]: weight of the input k samples back, for outputs that fall on phase p; reversed for a dot product
        self._phases: NDArray[np.float32] = padded.reshape(per, self._up).T[:, ::-1].astype(np.float32)
        self._past: NDArray[np.float32] = np.zeros(per - 1, np.float32)
        self._next = 0  # position of the next output on the fine grid, relative to the first new input

    def feed(self, samples: Samples) -> Samples:
        """The next stretch, of any length."""
        x = np.concatenate((self._past, samples.astype(np.float32)))
        per = self._phases.shape[1]
        fine = np.arange(self._next, len(samples) * self._up, self._down)
        self._next = (int(fine[-1]) + self._down if len(fine) else self._next) - len(samples) * self._up
        if len(x) >= per:
            windows = np.lib.stride_tricks.sliding_window_view(x, per)
            out = np.einsum("ij,ij->i", windows[fine // self._up], self._phases[fine % self._up])
        else:
            out = np.zeros(0, np.float32)
        self._past = x[len(x) - (per - 1) :]
        rounded: Samples = np.clip(np.rint(out), -32768, 32767).astype(np.int16)
        return rounded
