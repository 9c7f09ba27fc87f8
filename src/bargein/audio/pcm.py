"""PCM audio: int16 mono samples with their rate, as audio moves through Bargein."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bargein.errors import AudioShapeError

Samples = NDArray[np.int16]

FRAME_MS = 20  # the process's tick: one frame for each call and tick, as telephones have it


@dataclass(frozen=True, slots=True, eq=False)
class Pcm:
    """Audio that is never modified, so its samples may be shared and sliced."""

    samples: Samples
    """Mono, shape (n,), int16."""
    rate: int
    """Hz."""

    def __post_init__(self) -> None:
        if self.samples.dtype != np.int16 or self.samples.ndim != 1:
            raise AudioShapeError(
                f"Audio came as {self.samples.dtype} with shape {self.samples.shape}",
                advice="Give mono int16 samples of shape (n,)",
            )
        if self.rate <= 0:
            raise AudioShapeError(f"Audio came with a rate of {self.rate} Hz", advice="Give a rate above zero")

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def ms(self) -> float:
        """Length in milliseconds."""
        return len(self.samples) * 1000 / self.rate

    def part(self, begin: int, end: int) -> Pcm:
        """A copy of the samples from begin to end, which keeps no reference to the whole."""
        return Pcm(self.samples[begin:end].copy(), self.rate)

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview, rate: int) -> Pcm:
        """Read 16-bit little-endian mono PCM without copying.

        Raises AudioShapeError for an odd length: half a sample would shift every later sample.
        """
        if len(data) % 2:
            raise AudioShapeError(
                f"PCM of {len(data)} bytes ends in the middle of a sample",
                advice="Send 16-bit samples: an even number of bytes",
            )
        return cls(np.frombuffer(data, dtype="<i2").astype(np.int16, copy=False), rate)

    @classmethod
    def silence(cls, ms: float, rate: int) -> Pcm:
        """Digital silence of this length."""
        return cls(np.zeros(round(ms * rate / 1000), np.int16), rate)

    def to_bytes(self) -> bytes:
        """16-bit little-endian PCM."""
        return self.samples.astype("<i2", copy=False).tobytes()
