"""Resampling: soxr for clips and for outgoing audio, a short filter of our own for incoming audio.

A soxr stream holds back up to 66 ms. That is a third of the time in which the agent must fall silent, so no soxr
stream may stand before the VAD. `HotResampler` stands there: its filter is less steep, and its delay is 1.5 ms at most.
"""

from __future__ import annotations

from math import gcd

import numpy as np
import soxr
from numpy.typing import NDArray

from bargein.audio.pcm import Pcm, Samples
from bargein.errors import UsageError

TAPS = 24  # of the short filter, in samples of the lower rate; half of them are its delay
CUTOFF = 0.9  # of the lower rate's band, where the short filter is 6 dB down
SHAPE = 5.0  # Kaiser's beta: with these three, -0.5 dB at 0.8 of the band and -50 dB from 1.05 of it on
MAX_PHASES = 12  # 8 to 48 kHz needs 6; 44.1 kHz would need 160: a large table for a rate of no transport


def resample(pcm: Pcm, rate: int) -> Pcm:
    """A whole clip at another rate (Hz), by soxr at its high quality, without delay."""
    if pcm.rate == rate or not len(pcm.samples):
        return Pcm(pcm.samples, rate)
    return Pcm(_rounded(soxr.resample(pcm.samples.astype(np.float32), pcm.rate, rate, quality="HQ")), rate)


class StreamResampler:
    """A stream at another rate, by soxr. Holds back up to 66 ms: for outgoing audio, never before the VAD.

    The stream's length is exactly the input's times to_rate / from_rate, rounded (a half goes up). The samples do not
    depend on the chunks that the input comes in.
    """

    def __init__(self, from_rate: int, to_rate: int) -> None:
        self._from, self._to = from_rate, to_rate
        self._in = self._out = 0
        self._over = False
        same = from_rate == to_rate
        # Floats, because soxr adds noise to integers, and the noise depends on the chunks.
        self._stream = None if same else soxr.ResampleStream(from_rate, to_rate, 1, dtype="float32", quality="HQ")

    def push_audio(self, samples: Samples, last: bool = False) -> Samples:
        """The next chunk, of any length. last: no chunk follows, and the samples that were held back come out.

        Raises UsageError after the last chunk.
        """
        if self._over:
            raise UsageError("This stream of audio has ended", advice="Make a StreamResampler for each stream")
        self._over = last
        if self._stream is None:
            return samples
        self._in += len(samples)
        out = _rounded(self._stream.resample_chunk(samples.astype(np.float32), last=last))
        # soxr may end a sample early or late. Positions are counted in samples, so the total must be exact.
        room = (2 * self._in * self._to + self._from) // (2 * self._from) - self._out
        if last and len(out) < room:
            out = np.concatenate((out, np.zeros(room - len(out), np.int16)))
        out = out[:room]
        self._out += len(out)
        return out


class HotResampler:
    """A stream at another rate with a delay of at most 1.5 ms (`delay_ms`), for the VAD.

    Takes rates in a small ratio: 8, 16, 24, 32, 48 kHz in any pair. Raises UsageError for others. The length is
    ceil(input * to_rate / from_rate). Each sample comes as soon as its inputs are there, and the samples do not depend
    on the chunks that the input comes in.
    """

    def __init__(self, from_rate: int, to_rate: int) -> None:
        shared = gcd(from_rate, to_rate)
        self._up, self._down = to_rate // shared, from_rate // shared
        wide = max(self._up, self._down)
        if wide > MAX_PHASES:
            raise UsageError(
                f"No short filter leads from {from_rate} to {to_rate} Hz", advice="Use 8, 16, 24, 32 or 48 kHz"
            )
        # The filter's grid is the common multiple of the two rates. Phase p serves outputs that lie p steps of the grid
        # after an input. With reversed phases, each output is one dot product with the inputs before it.
        length = TAPS * wide
        at = np.arange(length) - (length - 1) / 2
        taps = np.zeros(-(-length // self._up) * self._up)
        taps[:length] = np.sinc(at * CUTOFF / wide) * np.kaiser(length, SHAPE)
        phases = taps.reshape(-1, self._up).T[:, ::-1]
        # Each phase passes a constant unchanged: otherwise a quiet room hums at the lower rate.
        self._phases: NDArray[np.float32] = (phases / phases.sum(axis=1, keepdims=True)).astype(np.float32)
        self._past: NDArray[np.float32] = np.zeros(phases.shape[1] - 1, np.float32)
        self._next = 0  # the next output's place on the common grid, counted from the next input
        self.delay_ms = (length - 1) / 2 * 1000 / (from_rate * self._up) if from_rate != to_rate else 0.0

    def push_audio(self, samples: Samples) -> Samples:
        """The next chunk, of any length."""
        if self._up == self._down:
            return samples
        if not len(samples):
            return samples[:0]
        x = np.concatenate((self._past, samples.astype(np.float32)))
        end = len(samples) * self._up
        out = np.empty(max(0, -(-(end - self._next) // self._down)), np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(x, self._phases.shape[1])
        for k in range(min(self._up, len(out))):
            # Every up-th output falls on the same phase, down inputs further on.
            first, phase = divmod(self._next + k * self._down, self._up)
            out[k :: self._up] = np.einsum("ij,j->i", windows[first :: self._down], self._phases[phase])
        self._next += len(out) * self._down - end
        self._past = x[len(samples) :]
        return _rounded(out)


def _rounded(x: NDArray[np.float32]) -> Samples:
    samples: Samples = np.clip(np.rint(x), -32768, 32767).astype(np.int16)
    return samples
