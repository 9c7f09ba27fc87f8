"""The ear of the tests and benchmarks of many nodes: it must find a word that is missing, doubled or cut."""

from __future__ import annotations

import numpy as np

from bargein.audio.mulaw import from_mulaw, to_mulaw
from bargein.audio.pcm import Samples
from benchmarks.fleet_agent import STORY, WORD_MS, story, tone
from benchmarks.fleet_ear import RATE, Continuity, continuity, words_in

SORRY = "Sorry, I lost you for a moment. As I was saying,"


def spoken(*texts: str) -> Samples:
    """As a telephone plays it."""
    samples = np.concatenate([tone(word) for text in texts for word in text.split()])
    return from_mulaw(to_mulaw(samples))


def test_every_word_is_heard_at_its_time() -> None:
    heard = words_in(spoken(story(0, 40), SORRY))
    assert [each.word for each in heard[:40]] == STORY
    assert [each.word for each in heard[40:]] == [
        "sorry",
        "i",
        "lost",
        "you",
        "for",
        "a",
        "moment",
        "as",
        "i",
        "was",
        "saying",
    ]
    assert all(each.whole and abs(each.at_ms - n * WORD_MS) <= 10 for n, each in enumerate(heard))


def test_a_chain_that_goes_on_after_the_bridge_is_whole() -> None:
    assert continuity(words_in(spoken(story(0, 45), SORRY, story(45, 9)))) == Continuity(0, 0, 1)


def test_words_that_came_twice_and_words_that_are_missing_are_counted() -> None:
    assert continuity(words_in(spoken(story(0, 9), SORRY, story(8, 9)))) == Continuity(1, 0, 1)
    assert continuity(words_in(spoken(story(0, 9), SORRY, story(6, 9)))) == Continuity(3, 0, 1)
    assert continuity(words_in(spoken(story(0, 9), SORRY, story(11, 9)))) == Continuity(0, 2, 1)


def test_a_word_that_broke_off_was_not_heard() -> None:
    cut = spoken(story(0, 9))[: (8 * WORD_MS + 60) * RATE // 1000]
    assert [each.understood for each in words_in(cut)] == [True] * 8 + [False]
    assert continuity(words_in(np.concatenate((cut, spoken(SORRY, story(8, 9)))))) == Continuity(0, 0, 1)
    assert continuity(words_in(np.concatenate((cut, spoken(SORRY, story(9, 9)))))) == Continuity(0, 1, 1)


def test_a_word_that_was_understood_and_broke_off_may_be_said_again_or_not() -> None:
    cut = spoken(story(0, 9))[: (8 * WORD_MS + 120) * RATE // 1000]
    for first in (8, 9):
        assert continuity(words_in(np.concatenate((cut, spoken(SORRY, story(first, 9)))))) == Continuity(0, 0, 1)


def test_a_word_that_a_late_frame_tore_is_one_word() -> None:
    whole = spoken(story(0, 9))
    at = (4 * WORD_MS + 80) * RATE // 1000
    torn = np.concatenate((whole[:at], np.zeros(60 * RATE // 1000, np.int16), whole[at:]))
    assert len(words_in(torn)) == 10
    assert continuity(words_in(torn)) == Continuity(0, 0, 0)
