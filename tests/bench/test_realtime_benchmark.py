"""What a telephone played of a reply, as the realtime benchmark counts it."""

from __future__ import annotations

import numpy as np

from bargein.audio.mulaw import SILENCE
from benchmarks.realtime import sounded

CODES = np.random.default_rng(1).integers(0, 120, 8_000).astype(np.uint8)
QUIET = np.full(700, SILENCE, np.uint8)


def test_all_of_it_up_to_the_clear() -> None:
    assert sounded(CODES[:3_000], CODES) == 3_000
    assert sounded(np.concatenate([CODES, QUIET]), CODES) == 8_000


def test_a_telephone_that_had_nothing_to_play_for_a_while_has_missed_nothing() -> None:
    heard = np.concatenate([CODES[:1_600], QUIET, CODES[1_600:4_000], QUIET[:160], CODES[4_000:5_000]])
    assert sounded(heard, CODES) == 5_000


def test_silence_at_the_end_and_other_sound_are_not_of_it() -> None:
    assert sounded(np.concatenate([CODES[:2_000], QUIET]), CODES) == 2_000
    assert sounded(np.concatenate([CODES[:2_000], CODES[::-1][:2_000]]), CODES) == 2_000
