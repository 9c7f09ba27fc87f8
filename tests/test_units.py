"""The units of a text: words, and single characters in scripts without spaces."""

from __future__ import annotations

import itertools
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bargein.units import after_units, joined, last_units, spans, units


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  ", []),
        ("Good evening.", ["Good", "evening."]),
        ("It's 12,50 €.", ["It's", "12,50", "€."]),
        (" two  spaces\nand a line", ["two", "spaces", "and", "a", "line"]),
        ("Well — yes … no", ["Well —", "yes …", "no"]),
        ("— yes", ["yes"]),
        ("...", ["..."]),
        ("你好，世界。", ["你", "好，", "世", "界。"]),
        ("我用iPhone 15。", ["我", "用", "iPhone", "15。"]),
        ("他说：“好”。", ["他", "说：", "“好”。"]),
        ("我有$5和#1。", ["我", "有", "$5", "和", "#1。"]),
        ("𠮷野家葛\U000e0100城", ["𠮷", "野", "家", "葛\U000e0100", "城"]),
        ("今日は OK です", ["今", "日", "は", "OK", "で", "す"]),
        ("は「iPhone」を", ["は", "「iPhone」", "を"]),
        ("か\u3099ｶﾞ", ["か\u3099", "ｶﾞ"]),
        ("น้ำส้ม ๑๐๐ บาท", ["น้ำ", "ส้", "ม", "๑๐๐", "บ", "า", "ท"]),
        ("ສະບາຍດີ", ["ສ", "ະ", "ບ", "າ", "ຍ", "ດີ"]),
        ("សួស្តី។", ["សួ", "ស្តី។"]),  # a letter below another belongs to it
        ("မင်္ဂလာပါ", ["မ", "င်္ဂ", "လာ", "ပါ"]),
        ("བཀྲ་ཤིས་", ["བ", "ཀྲ་", "ཤི", "ས་"]),
        ("한국어 단어입니다.", ["한국어", "단어입니다."]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("👍🏽 ok 👨‍👩‍👧 then", ["ok 👨‍👩‍👧", "then"]),
    ],
)
def test_a_text_is_taken_apart(text: str, expected: list[str]) -> None:
    assert units(text) == expected


texts = st.text(st.sampled_from("ab1 ,.“(€\n你好、กำ้ក្ត👍\u200d\u0301")) | st.text()


@given(texts)
def test_units_are_in_order_and_hold_every_letter(text: str) -> None:
    found = spans(text)
    assert all(begin < end and not text[begin].isspace() and not text[end - 1].isspace() for begin, end in found)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(found))
    covered = {at for begin, end in found for at in range(begin, end)}
    assert not [char for at, char in enumerate(text) if char.isalnum() and at not in covered]


@given(texts)
def test_no_mark_begins_a_unit_behind_a_letter(text: str) -> None:
    for begin, _ in spans(text):
        assert begin == 0 or not text[begin - 1].isalnum() or unicodedata.category(text[begin])[0] != "M"


def test_the_end_and_the_rest_of_a_text() -> None:
    assert last_units("one two  three", 2) == "two three"
    assert last_units("我们去吃饭。", 3) == "去吃饭。"
    assert last_units("word", 0) == last_units("", 3) == ""
    assert after_units("one two three ", 1) == "two three"
    assert after_units("你好我想订票", 2) == "我想订票"
    assert after_units("one", 1) == ""


def test_pieces_are_joined_with_spaces_only_where_the_script_has_them() -> None:
    assert joined(["one", " two "]) == "one two"
    assert joined(["你好。", "我想订票", "OK", "吗"]) == "你好。我想订票 OK 吗"
    assert joined(["", "yes"]) == "yes"
