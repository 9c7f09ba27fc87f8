"""How long characters are taken to last."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bargein.audio.lengths import LASTS, added, lasts, syllables


def test_digits_and_stops_last_longer_than_letters_and_spaces_shorter() -> None:
    assert {lasts(letter) for letter in "aZéß你-'"} == {1.0}
    assert [lasts(char) for char in "7.,$ "] == [5.0, 7.0, 3.5, 6.0, 0.5]
    assert LASTS["。"] == LASTS["."]
    assert LASTS["、"] == LASTS[","]


def test_a_mark_on_a_letter_adds_nothing() -> None:
    assert [lasts(char) for char in ("\u0301", "\u3099", "\u0e49", "\ufe0f")] == [0.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("char", "length"), [("你", 3.0), ("𠮷", 3.0), ("か", 2.0), ("한", 2.5), ("a", 1.0), ("7", 5.0)]
)
def test_a_character_that_is_a_syllable_lasts_as_long_as_one(char: str, length: float) -> None:
    assert syllables(char) == length


@given(st.text())
def test_the_lengths_of_beginnings_grow_and_can_be_divided_by(text: str) -> None:
    lengths = added(map(lasts, text))
    assert len(lengths) == len(text) + 1
    assert lengths == sorted(lengths)
    assert lengths[-1] > 0
