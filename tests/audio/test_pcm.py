from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bargein.audio.pcm import FRAME_MS, Pcm
from bargein.errors import AudioShapeError

RATES = st.sampled_from([8_000, 16_000, 24_000, 44_100, 48_000])


def ramp(count: int, rate: int = 8000) -> Pcm:
    return Pcm(np.arange(count, dtype=np.int16), rate)


def test_a_recording_knows_its_length() -> None:
    assert (len(ramp(160)), ramp(160).ms, ramp(160, 16_000).ms, ramp(0).ms) == (160, FRAME_MS, 10.0, 0.0)


@pytest.mark.parametrize(
    "samples",
    [np.zeros(4, np.float32), np.zeros(4, np.uint8), np.zeros((2, 2), np.int16), np.zeros((), np.int16)],
)
def test_other_arrays_are_refused_and_the_error_says_what_came(samples: NDArray[np.int16]) -> None:
    with pytest.raises(AudioShapeError) as refused:
        Pcm(samples, 8000)
    assert str(samples.dtype) in refused.value.message
    assert str(samples.shape) in refused.value.message


@pytest.mark.parametrize("rate", [0, -8000])
def test_a_rate_that_is_none_is_refused(rate: int) -> None:
    with pytest.raises(AudioShapeError, match=f"{rate} Hz"):
        Pcm(np.zeros(4, np.int16), rate)


def test_a_part_is_a_copy_at_the_same_rate() -> None:
    whole = ramp(100, 16_000)
    part = whole.part(10, 13)
    assert (part.samples.tolist(), part.rate) == ([10, 11, 12], 16_000)
    assert not np.shares_memory(part.samples, whole.samples)
    assert (len(whole.part(50, 50)), len(whole.part(90, 500))) == (0, 10)


def test_bytes_are_little_endian_and_are_not_copied() -> None:
    data = bytearray(b"\x01\x00\xff\xff\x00\x80")
    pcm = Pcm.from_bytes(data, 8000)
    assert pcm.samples.tolist() == [1, -1, -32768]
    assert np.shares_memory(pcm.samples, np.frombuffer(data, np.uint8))
    assert pcm.to_bytes() == data


@pytest.mark.parametrize("data", [b"\0", bytearray(3), memoryview(bytes(321))])
def test_half_a_sample_is_refused(data: bytes | bytearray | memoryview) -> None:
    with pytest.raises(AudioShapeError, match=f"{len(data)} bytes"):
        Pcm.from_bytes(data, 8000)


@given(st.lists(st.integers(-32768, 32767), max_size=200), RATES)
def test_what_goes_out_as_bytes_comes_in_the_same(values: list[int], rate: int) -> None:
    pcm = Pcm(np.array(values, np.int16), rate)
    back = Pcm.from_bytes(pcm.to_bytes(), rate)
    assert (back.samples.tolist(), back.rate, back.ms) == (values, rate, pcm.ms)


def test_a_view_with_gaps_goes_out_without_them() -> None:
    assert Pcm(np.arange(6, dtype=np.int16)[::2], 8000).to_bytes() == b"\0\0\x02\0\x04\0"


@given(st.floats(0, 5_000), RATES)
def test_silence_is_as_long_as_asked_to_half_a_sample(ms: float, rate: int) -> None:
    silence = Pcm.silence(ms, rate)
    assert not silence.samples.any()
    assert abs(silence.ms - ms) <= 500 / rate + 1e-9
