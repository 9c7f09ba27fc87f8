"""G.711 A-law, which some of the vendors take and give: one byte a sample, by table in both directions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bargein.audio.pcm import Samples

FLIP = 0x55  # every other bit of a code is inverted on the wire


def to_alaw(samples: Samples) -> bytes:
    """Compand to G.711 A-law. samples: shape (n,), int16."""
    return _ENCODE[samples.view(np.uint16)].tobytes()


def from_alaw(data: bytes) -> Samples:
    """Expand. Returns shape (len(data),), int16. Every byte is a valid code."""
    return _DECODE[np.frombuffer(data, np.uint8)]


def _decode_table() -> Samples:
    code = np.arange(256, dtype=np.uint8) ^ FLIP
    segment, step = (code.astype(np.int32) >> 4) & 7, code.astype(np.int32) & 15
    magnitude = np.where(segment == 0, 2 * step + 1, (2 * step + 33) << np.maximum(segment - 1, 0))
    return (8 * np.where(code & 0x80, magnitude, -magnitude)).astype(np.int16)


def _encode_table() -> NDArray[np.uint8]:
    # G.711 is defined on 13 bits: the lower three of 16 are dropped. A negative value is inverted, so that 0 and -1 are
    # the two smallest steps.
    sample = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32) >> 3
    magnitude = np.where(sample < 0, ~sample, sample)
    segment = np.searchsorted([32, 64, 128, 256, 512, 1024, 2048], magnitude, side="right")
    step = np.where(segment < 2, magnitude >> 1, magnitude >> np.maximum(segment, 1)) & 15
    sign = np.where(sample < 0, 0, 0x80)
    codes: NDArray[np.uint8] = ((sign | segment << 4 | step).astype(np.uint8)) ^ np.uint8(FLIP)
    return codes


_DECODE = _decode_table()
_ENCODE = _encode_table()
