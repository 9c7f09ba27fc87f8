"""The words of a text, and the lengths of its characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bargein.audio.lengths import LASTS, TOKEN


def tokens(text: str) -> list[str]:
    return [found.group() for found in TOKEN.finditer(text)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Wait, I am not done.", ["Wait, ", "I ", "am ", "not ", "done."]),
        ("  two   spaces  ", ["two   ", "spaces  "]),
        ("19 dollars", ["19 ", "dollars"]),
        ("你好,世界。", ["你", "好,", "世", "界。"]),
        ("Call 李 now", ["Call ", "李 ", "now"]),
        ("ｶﾅ", ["ｶ", "ﾅ"]),
        ("", []),
        (" \n", []),
    ],
)
def test_a_word_takes_the_spaces_and_signs_after_it_and_an_ideograph_is_a_word(text: str, words: list[str]) -> None:
    assert tokens(text) == words


@given(st.text(max_size=40))
def test_tokens_cover_the_text_from_its_first_word_on(text: str) -> None:
    assert "".join(tokens(text)) == text.lstrip()


def test_a_digit_is_a_word_a_stop_a_pause_and_a_letter_the_unit() -> None:
    assert {LASTS[digit] for digit in "0123456789"} == {5.0}
    assert {LASTS[stop] for stop in ".!?;:"} == {7.0}
    assert (LASTS[","], LASTS["$"], LASTS[" "]) == (3.5, 6.0, 0.5)
    assert "a" not in LASTS
