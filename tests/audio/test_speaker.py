"""Cepstra of speech, and how far a sound is from a source's."""

from __future__ import annotations

import numpy as np
import pytest

from bargein.audio.pcm import Pcm
from bargein.audio.speaker import CEPSTRA, FrameBook, cepstra, level_db, loud_part
from tests.audio.voices import CALLER, OTHER, say


@pytest.mark.parametrize("rate", [8000, 16000])
def test_a_voice_is_near_its_own_frames_at_any_level(rate: int) -> None:
    caller, other = FrameBook(), FrameBook()
    caller.add(cepstra(say(CALLER, 3_000, -25, 1, rate)))
    other.add(cepstra(say(OTHER, 3_000, -25, 2, rate)))
    for db in (-15, -35):
        frames = cepstra(say(CALLER, 700, db, 3, rate))
        assert caller.distance(frames) * 5 < other.distance(frames)


def test_a_telephones_frames_compare_with_wide_band() -> None:
    book = FrameBook()
    book.add(cepstra(say(CALLER, 3_000, -25, 1, 8000)))
    wide = cepstra(say(CALLER, 700, -25, 3, 16000))
    assert book.distance(wide) * 5 < book.distance(cepstra(say(OTHER, 700, -25, 3, 16000)))


def test_soft_frames_are_left_out_and_silence_has_none() -> None:
    loud, soft = say(CALLER, 480, -20, 1), say(OTHER, 480, -45, 2)
    both = Pcm(np.concatenate((loud.samples, soft.samples)), loud.rate)
    assert len(cepstra(both)) <= len(cepstra(loud)) + 2
    assert cepstra(Pcm.silence(500, 8000)).shape == (0, CEPSTRA)
    assert cepstra(Pcm.silence(10, 8000)).shape == (0, CEPSTRA)
    assert np.isfinite(cepstra(Pcm(np.full(8000, -32768, np.int16), 8000))).all()


def test_the_level_is_that_of_the_louder_frames() -> None:
    pcm = say(CALLER, 960, -20, 1)
    padded = Pcm(np.concatenate((pcm.samples, np.zeros(4_000, np.int16))), pcm.rate)
    assert level_db(padded) == pytest.approx(level_db(pcm), abs=1.5)
    assert level_db(Pcm.silence(500, 8000)) == level_db(Pcm.silence(0, 8000)) == -100


def test_pauses_are_taken_out() -> None:
    pcm = say(CALLER, 960, -20, 1)
    paused = Pcm(np.concatenate((pcm.samples, np.zeros(16_000, np.int16), pcm.samples)), pcm.rate)
    assert loud_part(paused).ms == pytest.approx(2 * pcm.ms, abs=150)
    assert len(loud_part(Pcm.silence(0, 8000))) == 0


def test_a_book_is_bounded_and_follows_a_source_that_changes() -> None:
    book = FrameBook(64)
    book.add(cepstra(say(CALLER, 4_000, -25, 1)))
    after = cepstra(say(OTHER, 700, -25, 9))
    before = book.distance(after)
    for seed in range(2, 8):
        book.add(cepstra(say(OTHER, 4_000, -25, seed)))
    assert book.distance(after) * 4 < before
    assert book.count > 1_000
