"""The levels of a voice's audio, block by block, while the audio comes: all that an alignment needs of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bargein.audio.mulaw import Audio
from bargein.audio.pcm import Samples

BLOCK_MS = 10
GATHERED_MS = 400  # of audio that is taken together: each call of numpy costs as much as a second of audio


class Envelope:
    """Levels of 10 ms each. It keeps no audio."""

    def __init__(self) -> None:
        self._rate = 0
        self._size = 1  # samples of a block
        self._powers: list[NDArray[np.float32]] = []
        self._before = 0.0  # the sample before _new
        self._new: list[Samples] = []
        self._gathered = 0  # samples of _new
        self._samples = 0

    @classmethod
    def of(cls, audio: Audio) -> Envelope:
        """The envelope of audio that is all there."""
        envelope = cls()
        envelope.push(audio.samples, audio.rate)
        return envelope

    @property
    def ms(self) -> float:
        """Length of the audio so far."""
        return self._samples * 1000 / self._rate if self._rate else 0.0

    @property
    def block_ms(self) -> float:
        """Length of a block: 10 ms in whole samples."""
        return self._size * 1000 / self._rate if self._rate else float(BLOCK_MS)

    def push(self, samples: Samples, rate: int) -> None:
        """Take the next samples: shape (n,), int16. They may not change later. Every call has the same rate."""
        if not self._rate:
            self._rate, self._size = rate, max(rate * BLOCK_MS // 1000, 1)
        self._samples += len(samples)
        self._gathered += len(samples)
        self._new.append(samples)
        if self._gathered * 1000 >= GATHERED_MS * self._rate:
            self._take()

    def until(self, ms: float) -> Envelope:
        """Its beginning, which gets no more."""
        part = Envelope()
        powers = self.powers()[:, : int(ms / self.block_ms)]
        part._rate, part._size, part._powers = self._rate, self._size, [powers]
        part._samples = powers.shape[1] * self._size
        return part

    def levels(self) -> NDArray[np.float32]:
        """The root mean square of each whole block, of 32768."""
        levels: NDArray[np.float32] = np.sqrt(self.powers()[0])
        return levels

    def powers(self) -> NDArray[np.float32]:
        """Of each whole block, the mean square of its samples, and of their differences: bright sounds differ more.
        Shape (2, blocks)."""
        self._take()
        if len(self._powers) > 1:
            self._powers = [np.concatenate(self._powers, axis=1)]
        return self._powers[0] if self._powers else np.zeros((2, 0), np.float32)

    def _take(self) -> None:
        count = self._gathered // self._size
        if not count:
            return
        samples = np.concatenate(self._new).astype(np.float32)
        end = count * self._size
        steps = np.diff(samples[:end], prepend=self._before)
        both = np.stack([samples[:end], steps]).reshape(2, count, self._size)
        self._powers.append(np.einsum("kij,kij->ki", both, both) / self._size)
        self._before = float(samples[end - 1])
        self._new = [samples[end:].astype(np.int16)]
        self._gathered = len(samples) - end
