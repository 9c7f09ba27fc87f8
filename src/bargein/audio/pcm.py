"""PCM: int16 mono samples with their rate. Audio moves through Bargein in this shape, or as mu-law (`Mulaw`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bargein.errors import AudioShapeError

Samples = NDArray[np.int16]

FRAME_MS = 20  # the ticker's interval: one frame for each call and tick, as on every telephone


@dataclass(frozen=True, slots=True, eq=False)
class Pcm:
    """Mono audio. The samples are never modified once the Pcm is made, so they may be shared and sliced.

    Raises AudioShapeError for another dtype or rank, and for a rate of 0 or less.
    """

    samples: Samples
    """Shape (n,), int16."""
    rate: int
    """Hz, above 0."""

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
        """A copy of the samples from `begin` to `end` (exclusive). The copy does not keep the whole alive."""
        return Pcm(self.samples[begin:end].copy(), self.rate)

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview, rate: int) -> Pcm:
        """16-bit little-endian mono PCM, without a copy.

        Raises AudioShapeError for an odd number of bytes: half a sample would shift every later sample.
        """
        if len(data) % 2:
            raise AudioShapeError(
                f"PCM of {len(data)} bytes ends in the middle of a sample",
                advice="Send 16-bit samples: an even number of bytes",
            )
        return cls(np.frombuffer(data, dtype="<i2").astype(np.int16, copy=False), rate)

    @classmethod
    def silence(cls, ms: float, rate: int) -> Pcm:
        """Digital silence, `ms` long, rounded to whole samples."""
        return cls(np.zeros(round(ms * rate / 1000), np.int16), rate)

    def to_bytes(self) -> bytes:
        """16-bit little-endian PCM."""
        return self.samples.astype("<i2", copy=False).tobytes()
