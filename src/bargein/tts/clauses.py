"""Cuts a model's text into speakable clauses as it comes, so that the first can sound while the rest is written.

All clauses joined are the text, to the character.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

SOFT_AT = 90  # characters after which a comma will do
HARD_AT = 200  # characters after which any space will do: no clause is longer
STOPS = ".!?…;:"
WIDE_STOPS = "。！？；：।॥"  # these end a clause without a space behind them
SOFT = ",–—、，"
CLOSERS = "\"'”’)]}»」』"
# A point behind these is part of the word. Compared in lower case, without the point.
ABBREVIATIONS = frozenset(
    (
        "dr mr mrs ms prof sr jr st vs etc e.g i.e eg ie no nr z.b d.h bzw ca usw sra m mme mlle approx dept inc ltd"
        " co jan feb mar apr jun jul aug sep sept oct nov dec"
    ).split()  # noqa: SIM905  # a list of forty literals reads worse
)
_LAST_WORD = re.compile(r"(\S+)$")


def _ends_here(text: str, i: int) -> bool:
    """Whether the stop at text[i], followed by white space, really ends something."""
    if text[i] != ".":
        return True
    word = _LAST_WORD.search(text, 0, i)
    last = word.group(1).lower().lstrip("\"'“‘(") if word else ""
    return not (last in ABBREVIATIONS or (len(last) == 1 and last.isalpha()))


def cut(text: str) -> int:
    """How many characters of text are a whole clause already; 0: more must come first to be sure."""
    for i, char in enumerate(text):
        if char == "\n" or char in WIDE_STOPS or char in STOPS:
            end = i + 1
            while end < len(text) and text[end] in CLOSERS + STOPS + WIDE_STOPS:
                end += 1
            if char == "\n" or char in WIDE_STOPS:
                if end < len(text) or char == "\n":
                    return _with_spaces(text, end)
                return 0
            if end == len(text):
                return 0  # the next character decides: a space, or the rest of a number
            if text[end].isspace() and _ends_here(text, i):
                return _with_spaces(text, end)
        elif char in SOFT and i >= SOFT_AT and i + 1 < len(text) and (text[i + 1].isspace() or char in "、，"):
            return _with_spaces(text, i + 1)
        elif i >= HARD_AT and char.isspace():
            return i + 1
    return HARD_AT if len(text) > 2 * HARD_AT else 0  # no space at all: cut it blind


def _with_spaces(text: str, end: int) -> int:
    while end < len(text) and text[end].isspace():
        end += 1
    return end


async def clauses(text: AsyncIterator[str]) -> AsyncIterator[str]:
    """The clauses of a text that comes in pieces. Never empty; white space alone goes with what follows it."""
    held = ""
    async for piece in text:
        held += piece
        while length := cut(held):
            if not held[:length].strip():
                break
            yield held[:length]
            held = held[length:]
    if held:
        yield held
