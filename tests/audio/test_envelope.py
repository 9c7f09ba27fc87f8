"""The levels of audio that comes in pieces."""

from __future__ import annotations

import random

import numpy as np
import pytest

from bargein.audio.envelope import Envelope
from bargein.audio.pcm import Pcm


@pytest.mark.parametrize("rate", [8000, 22_050, 48_000])
def test_pieces_of_any_length_give_the_levels_of_the_whole(rate: int) -> None:
    dice, noise = random.Random(rate), np.random.default_rng(rate)
    samples = noise.integers(-20_000, 20_000, rate * 3, dtype=np.int16)
    pieces, at = Envelope(), 0
    while at < len(samples):
        size = dice.choice([0, 1, 7, 160, 441, 5000])
        pieces.push(samples[at : at + size], rate)
        at += size
        if dice.random() < 0.1:
            pieces.levels()
    whole = Envelope.of(Pcm(samples, rate))
    assert np.array_equal(pieces.levels(), whole.levels())
    assert pieces.ms == whole.ms == 3000
    assert len(whole.levels()) == int(3000 / whole.block_ms)


def test_a_level_is_the_root_mean_square_of_its_block() -> None:
    envelope = Envelope.of(Pcm(np.repeat(np.array([0, 300, -4000], np.int16), 80), 8000))
    assert envelope.levels().tolist() == [0, 300, 4000]


def test_no_audio_has_no_levels() -> None:
    assert (Envelope().ms, len(Envelope().levels())) == (0, 0)
