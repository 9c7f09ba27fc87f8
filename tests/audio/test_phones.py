"""The kinds of sound in words."""

from __future__ import annotations

import pytest

from bargein.audio.phones import ANY, HISS, SONORANT, STOP, VOICED, VOWEL, phones

SPELLED = {
    "cat": [STOP, VOWEL, STOP],
    "ships.": [HISS, VOWEL, STOP, HISS],
    "Schule": [HISS, VOWEL, SONORANT, VOWEL],
    "grüßen": [VOICED, SONORANT, VOWEL, HISS, VOWEL, SONORANT],
    "queen": [STOP, VOWEL, SONORANT],
    "7": [ANY, ANY],
    "SMS": [ANY, ANY, ANY],
    "今日": [ANY, ANY],
    "--": [ANY],
}


@pytest.mark.parametrize("word", SPELLED)
def test_a_word_has_the_kinds_of_sound_that_are_written(word: str) -> None:
    assert [phone.kind for phone in phones(word)] == SPELLED[word]


def test_a_silent_e_is_short_and_two_vowels_are_long() -> None:
    assert phones("like")[-1].ms < phones("lik")[1].ms < phones("leak")[1].ms


def test_a_number_lasts_as_its_words() -> None:
    assert sum(phone.ms for phone in phones("48213")) > 4 * sum(phone.ms for phone in phones("word"))
