"""Where a text is taken apart into words, and how long characters are taken to last."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bargein.audio.lengths import LASTS, TOKEN


def tokens(text: str) -> list[str]:
    return [match.group() for match in TOKEN.finditer(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  ", []),
        ("Good evening.", ["Good ", "evening."]),
        ("It's 12,50 €.", ["It's ", "12,50 ", "€."]),
        (" two  spaces\nand a line", ["two  ", "spaces\n", "and ", "a ", "line"]),
        ("你好，世界。", ["你", "好，", "世", "界。"]),
        ("今日は OK です", ["今", "日", "は ", "OK ", "で", "す"]),
        ("한국어 단어", ["한국어 ", "단어"]),
    ],
)
def test_a_text_is_taken_apart_into_words(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


@given(st.text())
def test_no_character_is_lost_but_spaces_in_front(text: str) -> None:
    assert "".join(tokens(text)) == text.lstrip()


@given(st.text())
def test_every_word_has_a_character_that_is_no_space(text: str) -> None:
    assert all(token.strip() and not token[0].isspace() for token in tokens(text))


def test_digits_and_stops_last_longer_than_letters_and_spaces_shorter() -> None:
    assert {LASTS.get(letter, 1.0) for letter in "aZéß你-'"} == {1.0}
    assert [LASTS[char] for char in "7.,$ "] == [5.0, 7.0, 3.5, 6.0, 0.5]
    assert LASTS["。"] == LASTS["."]
    assert LASTS["、"] == LASTS[","]
