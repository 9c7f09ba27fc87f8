"""Numbers, as they are asked for and as they are spoken."""

from __future__ import annotations

import pytest

from bargein.vendors.scripted.guide_count import count_wanted, counted, spelled


def test_numbers_are_spelled_as_they_are_spoken() -> None:
    assert [spelled(n) for n in (0, 13, 20, 42, 99, 100)] == [
        "zero",
        "thirteen",
        "twenty",
        "forty two",
        "ninety nine",
        "one hundred",
    ]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("count", (1, 20)),
        ("count to thirty", (1, 30)),
        ("count to twenty-five", (1, 25)),
        ("count up to 40", (1, 40)),
        ("count from five to nine", (5, 9)),
        ("count down from ten", (10, 1)),
        ("countdown", (10, 1)),
        ("count backwards from twenty to ten", (20, 10)),
        ("count to a hundred", (1, 100)),
        ("count to 9000", (1, 100)),
        ("count to one", (1, 20)),
    ],
)
def test_what_is_asked_for(words: str, wanted: tuple[int, int]) -> None:
    assert count_wanted(words) == wanted


def test_a_sentence_holds_five_numbers() -> None:
    assert counted(1, 6) == "One, two, three, four, five. Six."
