"""Mu-law, against a second telling of G.711 that shares nothing with the first."""

from __future__ import annotations

import importlib
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bargein.audio.mulaw import SILENCE, Mulaw, from_mulaw, mulaw_codes, to_mulaw
from bargein.errors import AudioShapeError

EVERY_SAMPLE = np.arange(-32768, 32768).astype(np.int16)
EVERY_BYTE = bytes(range(256))


def companded(sample: int) -> int:
    """One sample, by searching the segment whose steps it falls into: 16 steps of 2, then of 4, 8, ... 14-bit units."""
    fourteen = sample // 4
    magnitude, sign = (-fourteen, 0x80) if fourteen < 0 else (fourteen, 0)
    begin, step = -1.0, 2  # the first segment begins half a step below zero: its lowest step is half as wide
    for segment in range(8):
        if magnitude < begin + 16 * step:
            return 0xFF - (sign + 16 * segment + int((magnitude - begin) // step))
        begin, step = begin + 16 * step, step * 2
    return 0xFF - (sign + 0x7F)


def expanded(code: int) -> int:
    """One byte: the value in the middle of its step, in 16 bits."""
    plain = 0xFF - code
    segment, step = plain // 16 % 8, plain % 16
    value = sum(32 << s for s in range(segment)) + (2 << segment) * step + (1 << segment) - 1
    return -4 * value if plain >= 0x80 else 4 * value


def test_every_sample_is_companded_as_g711_says() -> None:
    assert list(to_mulaw(EVERY_SAMPLE)) == [companded(int(s)) for s in EVERY_SAMPLE]


def test_every_byte_is_expanded_as_g711_says() -> None:
    assert from_mulaw(EVERY_BYTE).tolist() == [expanded(code) for code in EVERY_BYTE]


def test_both_ways_agree_with_the_standard_library_where_it_still_has_them() -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            audioop = importlib.import_module("audioop")
    except ImportError:  # gone in Python 3.13; the tests above stand by themselves
        return
    assert to_mulaw(EVERY_SAMPLE) == audioop.lin2ulaw(EVERY_SAMPLE.astype("<i2").tobytes(), 2)
    assert from_mulaw(EVERY_BYTE).astype("<i2").tobytes() == audioop.ulaw2lin(EVERY_BYTE, 2)


def test_what_was_expanded_is_companded_to_the_same_byte() -> None:
    again = to_mulaw(from_mulaw(EVERY_BYTE))
    assert [i for i in range(256) if again[i] != i] == [0x7F]  # minus zero comes back as plus zero


def test_silence_is_0xff() -> None:
    assert to_mulaw(np.zeros(3, np.int16)) == b"\xff\xff\xff"


def test_no_sound_is_no_bytes() -> None:
    assert to_mulaw(np.zeros(0, np.int16)) == b""
    assert from_mulaw(b"").tolist() == []


def test_a_slice_that_skips_samples_is_taken_too() -> None:
    assert to_mulaw(EVERY_SAMPLE[::7]) == to_mulaw(EVERY_SAMPLE[::7].copy())


@pytest.mark.parametrize("wrong", [np.zeros(4, np.float32), np.zeros((2, 2), np.int16)])
def test_other_arrays_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(AudioShapeError, match="mono int16"):
        to_mulaw(wrong)


def test_mulaw_audio_passes_untouched_and_expands_on_demand() -> None:
    codes = np.frombuffer(EVERY_BYTE, np.uint8)
    audio = Mulaw(codes)
    assert (len(audio), audio.rate, audio.ms) == (256, 8000, 32.0)
    assert audio.codes is codes
    assert np.array_equal(audio.samples, from_mulaw(EVERY_BYTE))


def test_a_part_of_mulaw_audio_is_a_copy() -> None:
    codes = np.frombuffer(EVERY_BYTE, np.uint8)
    part = Mulaw(codes).part(3, 6)
    assert part.codes.tolist() == [3, 4, 5]
    assert not np.shares_memory(part.codes, codes)


@given(st.binary(max_size=400))
def test_codes_come_back_from_samples_but_for_the_two_zeros(data: bytes) -> None:
    assert to_mulaw(from_mulaw(data)) == data.replace(b"\x7f", b"\xff")


def test_codes_as_an_array_are_the_bytes_and_silence_is_all_ones() -> None:
    assert mulaw_codes(EVERY_SAMPLE).tobytes() == to_mulaw(EVERY_SAMPLE)
    assert mulaw_codes(np.zeros(3, np.int16)).tolist() == [SILENCE] * 3
