"""A-law against the standard's own values, and against what companding means, for every sample."""

from __future__ import annotations

import numpy as np
import pytest

from bargein.audio.alaw import SILENCE, from_alaw, to_alaw
from bargein.errors import AudioShapeError

ALL = np.arange(-32768, 32768, dtype=np.int32)


# Of ITU-T G.711, table 1: decision values and codes, on 16 bits; even bits inverted.
@pytest.mark.parametrize(
    ("sample", "code", "value"),
    [
        (0, 0xD5, 8),
        (-1, 0x55, -8),
        (15, 0xD5, 8),
        (16, 0xD4, 24),
        (256, 0xC5, 264),
        (512, 0xF5, 528),
        (1024, 0xE5, 1056),
        (16384, 0xA5, 16896),
        (32767, 0xAA, 32256),
        (-32768, 0x2A, -32256),
    ],
)
def test_values_of_the_standard(sample: int, code: int, value: int) -> None:
    assert to_alaw(np.array([sample], np.int16)) == bytes([code])
    assert from_alaw(bytes([code])).tolist() == [value]


def test_every_code_is_its_own_image() -> None:
    codes = bytes(range(256))
    assert to_alaw(from_alaw(codes)) == codes


def test_every_sample_becomes_a_value_within_half_a_step_of_it() -> None:
    samples = ALL.astype(np.int16)
    values = from_alaw(to_alaw(samples)).astype(np.int32)
    magnitude = np.abs(ALL)
    step = np.maximum(16, 2 ** (np.floor(np.log2(np.maximum(magnitude, 1))) - 4))
    assert (np.abs(values - ALL) <= step / 2 + 7).all()
    assert (np.diff(values) >= 0).all(), "a louder sample has no softer code"


def test_silence_is_the_least_positive_value() -> None:
    assert to_alaw(np.zeros(1, np.int16)) == bytes([SILENCE])


@pytest.mark.parametrize("bad", [np.zeros(4, np.float32), np.zeros((2, 2), np.int16)])
def test_other_audio_is_named(bad: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> None:
    with pytest.raises(AudioShapeError):
        to_alaw(bad)  # type: ignore[arg-type]  # the mistake
