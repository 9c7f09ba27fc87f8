"""G.711 mu-law, the coding of telephone audio: one byte a sample, by table in both directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bargein.audio.pcm import Pcm, Samples
from bargein.errors import AudioShapeError

BIAS = 33  # added to a 14-bit magnitude, so every segment begins at a power of two
CLIP = 8158  # the largest 14-bit magnitude that, with the bias, still fits the eighth segment
SILENCE = 0xFF  # the code of 0
RATE = 8000  # Hz, of every telephone


@dataclass(frozen=True, slots=True, eq=False)
class Mulaw:
    """Audio that came as mu-law and may leave as mu-law, at 8000 Hz."""

    codes: NDArray[np.uint8]
    """Shape (n,)."""

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def rate(self) -> int:
        return RATE

    @property
    def ms(self) -> float:
        """Length in milliseconds."""
        return len(self.codes) * 1000 / RATE

    @property
    def samples(self) -> Samples:
        """The expanded samples. Each access expands the codes."""
        return _DECODE[self.codes]

    def part(self, begin: int, end: int) -> Mulaw:
        """A copy of the codes from begin to end, which keeps no reference to the whole."""
        return Mulaw(self.codes[begin:end].copy())


Audio = Pcm | Mulaw


def to_mulaw(samples: Samples) -> bytes:
    """Compand to G.711 mu-law. samples: shape (n,), int16. Returns one byte for each sample.

    Raises AudioShapeError for another dtype or rank.
    """
    return mulaw_codes(samples).tobytes()


def mulaw_codes(samples: Samples) -> NDArray[np.uint8]:
    """Compand to an array of shape (n,). Raises AudioShapeError for another dtype or rank."""
    if samples.dtype != np.int16 or samples.ndim != 1:
        raise AudioShapeError(
            f"Audio came as {samples.dtype} with shape {samples.shape}", advice="Give mono int16 samples of shape (n,)"
        )
    codes: NDArray[np.uint8] = _ENCODE.take(samples.view(np.uint16), mode="clip")
    return codes


def from_mulaw(data: bytes | bytearray | memoryview) -> Samples:
    """Expand. Returns shape (len(data),), int16. Every byte is a valid code."""
    # Every index is in the table. "clip" saves numpy a copy that the other modes make, two thirds of the time.
    samples: Samples = _DECODE.take(np.frombuffer(data, np.uint8), mode="clip")
    return samples


def _encode_table() -> NDArray[np.uint8]:
    # G.711 is defined on 14 bits. The lower two of 16 bits are dropped before the sign is taken: companding the 16-bit
    # magnitude instead differs for some negative samples.
    sample = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32) >> 2
    magnitude = np.minimum(np.abs(sample), CLIP) + BIAS
    segment = np.searchsorted([64, 128, 256, 512, 1024, 2048, 4096], magnitude, side="right")
    step = (magnitude >> (segment + 1)) & 15
    sign = np.where(sample < 0, 0x80, 0)
    code: NDArray[np.uint8] = (sign | segment << 4 | step).astype(np.uint8)
    return ~code  # G.711 sends codes inverted: silence is all ones


def _decode_table() -> Samples:
    code = ~np.arange(256, dtype=np.uint8)
    segment, step = (code.astype(np.int32) >> 4) & 7, code.astype(np.int32) & 15
    magnitude = ((2 * step + BIAS) << segment) - BIAS
    return (4 * np.where(code & 0x80, -magnitude, magnitude)).astype(np.int16)


_ENCODE = _encode_table()
_DECODE = _decode_table()
