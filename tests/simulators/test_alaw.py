"""G.711 A-law as the simulators code it."""

from __future__ import annotations

import numpy as np

from bargein_simulators.alaw import from_alaw, to_alaw

EVERY = np.arange(65536, dtype=np.uint16).view(np.int16)


def test_every_code_is_its_own_value() -> None:
    codes = bytes(range(256))
    assert to_alaw(from_alaw(codes)) == codes


def test_the_codes_of_the_standard() -> None:
    # Silence, the smallest negative, the largest of both signs, and a step in the middle.
    samples = np.array([0, -1, 32767, -32768, 1024], np.int16)
    assert to_alaw(samples).hex() == "d555aa2ae5"
    assert list(from_alaw(bytes.fromhex("d555aa2ae5"))) == [8, -8, 32256, -32256, 1056]


def test_a_louder_sample_never_has_a_smaller_value_and_the_error_is_half_a_step() -> None:
    values = from_alaw(to_alaw(np.sort(EVERY))).astype(int)
    assert np.all(np.diff(values) >= 0)
    assert np.all(np.abs(values - np.sort(EVERY)) <= np.maximum(np.abs(values) / 32, 8))
