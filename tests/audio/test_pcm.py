"""PCM audio: its checks, its bytes, its parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bargein.audio.pcm import Pcm
from bargein.errors import AudioShapeError


def test_length_counts_samples_and_ms_follows_the_rate() -> None:
    audio = Pcm(np.zeros(480, np.int16), 24_000)
    assert (len(audio), audio.ms) == (480, 20.0)
    assert Pcm(np.zeros(1, np.int16), 16_000).ms == 0.0625


@pytest.mark.parametrize(
    "samples", [np.zeros(4, np.float32), np.zeros(4, np.uint8), np.zeros((2, 2), np.int16), np.zeros((), np.int16)]
)
def test_another_dtype_or_rank_is_refused_by_name(samples: np.ndarray) -> None:
    with pytest.raises(AudioShapeError, match=rf"{samples.dtype} with shape") as refused:
        Pcm(samples, 8000)
    assert refused.value.advice == "Give mono int16 samples of shape (n,)"


@pytest.mark.parametrize("rate", [0, -8000])
def test_a_rate_of_zero_or_less_is_refused(rate: int) -> None:
    with pytest.raises(AudioShapeError, match=f"rate of {rate} Hz"):
        Pcm(np.zeros(4, np.int16), rate)


def test_bytes_are_little_endian() -> None:
    assert Pcm.from_bytes(b"\x01\x00\xff\xff\x00\x80", 8000).samples.tolist() == [1, -1, -32768]
    assert Pcm(np.array([1, -1, -32768], np.int16), 8000).to_bytes() == b"\x01\x00\xff\xff\x00\x80"


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_every_kind_of_buffer_is_read_without_a_copy(kind: type) -> None:
    samples = Pcm.from_bytes(kind(bytes(8)), 8000).samples
    assert samples.tolist() == [0, 0, 0, 0]
    assert samples.base is not None


@given(st.binary(max_size=64))
def test_even_bytes_survive_a_round_trip_and_odd_bytes_are_refused(data: bytes) -> None:
    if len(data) % 2:
        with pytest.raises(AudioShapeError, match=f"PCM of {len(data)} bytes"):
            Pcm.from_bytes(data, 16_000)
    else:
        assert Pcm.from_bytes(data, 16_000).to_bytes() == data


def test_a_part_is_a_copy_of_its_own() -> None:
    audio = Pcm(np.arange(10, dtype=np.int16), 8000)
    part = audio.part(3, 6)
    assert (part.samples.tolist(), part.rate) == ([3, 4, 5], 8000)
    assert part.samples.base is None
    assert len(audio.part(8, 99)) == 2


@pytest.mark.parametrize(("ms", "rate", "count"), [(20, 8000, 160), (0, 8000, 0), (0.1, 16_000, 2), (10, 44_100, 441)])
def test_silence_has_the_nearest_number_of_samples(ms: float, rate: int, count: int) -> None:
    silence = Pcm.silence(ms, rate)
    assert (silence.samples.tolist(), silence.rate) == ([0] * count, rate)
