"""A text from outside is short and harmless wherever it is shown."""

from __future__ import annotations

from time import process_time

import pytest

from bargein.errors import BargeinError, ProtocolError, UsageError
from bargein.foreign import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Grüße, 東京 🙂", "Grüße, 東京 🙂"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x1b[2J\x07\x00\x7f", r"\x1b[2J\x07\x00\x7f"),
        ("\x85\u2028\u202e", r"\x85\u2028\u202e"),
        ("\ud800", r"\ud800"),
        (12, "12"),
        ("", ""),
    ],
)
def test_what_is_printable_stays_and_the_rest_is_escaped(text: object, shown: str) -> None:
    assert printable(text) == shown
    assert printable(text).isprintable()
    printable(text).encode()  # raises for a lone surrogate


@pytest.mark.parametrize("text", ["x" * 53_000, "\n" * 53_000, "x" * 199 + "\n", "x" * 201])
def test_a_long_text_is_cut_and_says_so(text: str) -> None:
    assert len(printable(text)) == 200
    assert printable(text).endswith("…")
    assert len(printable(text, 40)) == 40


def test_a_text_that_fits_is_not_marked() -> None:
    assert printable("x" * 200) == "x" * 200
    assert printable("x", 1) == "x"


def test_the_length_of_the_text_costs_nothing() -> None:
    huge = "\n" * 10_000_000
    began = process_time()
    for _ in range(1000):
        printable(huge)
    assert process_time() - began < 1  # of the processor; reading all of it would take minutes


@pytest.mark.parametrize("kind", [BargeinError, UsageError])
def test_an_error_is_one_line_however_long_what_it_quotes(kind: type[BargeinError]) -> None:
    error = kind(f"It said\n{'<html>' * 200_000}", advice="Read\x1b[31m this")
    assert len(str(error)) < 5000
    assert str(error).isprintable()
    assert error.message.startswith(r"It said\n<html>")
    assert error.advice == r"Read\x1b[31m this"


def test_a_protocol_error_is_one_line_too() -> None:
    error = ProtocolError("Invalid value '" + "x" * 60_000, advice="Send\nless", code="bad_message")
    assert len(error.message) <= 2000
    assert error.advice == r"Send\nless"
