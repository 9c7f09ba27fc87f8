"""G.711 A-law, the coding of telephone audio outside North America and Japan: one byte a sample, by table in both
directions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bargein.audio.pcm import Samples
from bargein.errors import AudioShapeError

INVERTED = 0x55  # A-law sends every other bit inverted, so that silence has many changes
POSITIVE = 0x80
SILENCE = 0xD5  # the code of the least positive value; A-law has no code of 0


def to_alaw(samples: Samples) -> bytes:
    """Compand to G.711 A-law. samples: shape (n,), int16. Returns one byte for each sample.

    Raises AudioShapeError for another dtype or rank.
    """
    if samples.dtype != np.int16 or samples.ndim != 1:
        raise AudioShapeError(
            f"Audio came as {samples.dtype} with shape {samples.shape}", advice="Give mono int16 samples of shape (n,)"
        )
    return _ENCODE[samples.view(np.uint16)].tobytes()


def from_alaw(data: bytes | bytearray | memoryview) -> Samples:
    """Expand. Returns shape (len(data),), int16. Every byte is a valid code."""
    return _DECODE[np.frombuffer(data, np.uint8)]


def _encode_table() -> NDArray[np.uint8]:
    # G.711 is defined on 13 bits. The lower three of 16 bits are dropped before the sign is taken, and a negative value
    # counts from -1 on: -1 is the mirror of 0.
    sample = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32) >> 3
    magnitude = np.where(sample < 0, -sample - 1, sample)
    segment = np.searchsorted([32, 64, 128, 256, 512, 1024, 2048], magnitude, side="right")
    step = (magnitude >> np.maximum(segment, 1)) & 15
    sign = np.where(sample < 0, 0, POSITIVE)
    code: NDArray[np.uint8] = ((sign | segment << 4 | step) ^ INVERTED).astype(np.uint8)
    return code


def _decode_table() -> Samples:
    code = (np.arange(256, dtype=np.int32)) ^ INVERTED
    segment, step = (code >> 4) & 7, code & 15
    # The middle of the step. The first two segments are of one slope.
    magnitude = np.where(segment == 0, 2 * step + 1, (2 * step + 33) << np.maximum(segment - 1, 0))
    return (8 * np.where(code & POSITIVE, magnitude, -magnitude)).astype(np.int16)


_ENCODE = _encode_table()
_DECODE = _decode_table()
