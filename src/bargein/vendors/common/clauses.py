"""Cuts a model's text into speakable clauses as it comes, so that the first can sound while the rest is written.

All clauses joined are the text, to the character. Where a clause ends never depends on how the text came in pieces;
only white space behind a clause does: it goes with the clause if it has come, else with the next.

Lengths are counted in letters: a Chinese character is spoken as long as three of them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncGenerator, AsyncIterator

from bargein.audio.lengths import width
from bargein.units import is_unspaced

FIRST_SOFT_AT = 24  # letters after which a comma will do for the first clause: nothing sounds before it is cut
SOFT_AT = 90  # the same for the others: they are made while another sounds, and the longer, the better the melody
HARD_AT = 200  # letters after which any space will do; with no space at all, twice that is cut blind
STOPS = ".!?…;:؟؛۔"
WIDE_STOPS = "。｡！？；：।॥។៕။།"  # these end a clause without a space behind them
SOFT = ",–—،"
WIDE_SOFT = "、､，၊"
CLOSERS = "\"'”’)]}»」』）】》〉｣"
OPENERS = "\"'“‘([{«「『（【《〈｢¿¡"
# A point behind these is part of the word. Compared in lower case, without the point.
# fmt: off
ABBREVIATIONS = frozenset((
    "dr", "mr", "mrs", "ms", "prof", "sr", "jr", "st", "vs", "etc", "eg", "ie", "nr", "bzw", "ca", "usw", "sra",
    "mme", "mlle", "approx", "dept", "inc", "ltd", "co", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep",
    "sept", "oct", "nov", "dec",
))
# fmt: on
NUMBERED = frozenset(("no", "nos", "fig", "vol", "art"))  # only before a number: "No. 5", but "No. Never."


def cut(text: str, soft_at: int = SOFT_AT) -> int:
    """How many characters of text are a whole clause already; 0: more must come first to be sure.

    soft_at: letters after which a comma will do. What cannot be spoken (spaces, signs) is never a clause alone.
    """
    spoken = False
    # Counted from here: white space before it may have gone with the clause before.
    begin = len(text) - len(text.lstrip())
    hard, long = 0, -1.0  # where HARD_AT is reached; letters before this character
    length = 0.0
    for i, char in enumerate(text):
        spoken = spoken or char.isalnum()
        long = length
        if i >= begin:
            length += width(char)
        hard = hard or (i if long >= HARD_AT else 0)
        if long >= 2 * HARD_AT:
            return text.rfind(" ", begin + 1, hard) + 1 or _whole_character(text, hard)
        if not spoken:
            continue
        if char == "\n":
            return _with_spaces(text, i + 1)
        if char in STOPS or char in WIDE_STOPS:
            end = i + 1
            while end < len(text) and text[end] in CLOSERS + STOPS + WIDE_STOPS:
                end += 1
            if end == len(text):
                return 0  # the next character decides: a space, a closing quote, or the rest of a number
            after = _with_spaces(text, end)
            if char in WIDE_STOPS:
                return after
            if after > end and (char != "." or not _in_a_word(text[:i])):
                if char == "." and _last_word(text[:i]) in NUMBERED:
                    if after == len(text):
                        return 0
                    if text[after].isdigit():
                        continue
                return after
        elif long >= soft_at and (char in WIDE_SOFT or (char.isspace() and _ends_phrase(text[begin:i]))):
            return _with_spaces(text, i + 1)
        elif char in SOFT and long >= soft_at and (after := _with_spaces(text, i + 1)) > i + 1:
            return after
        elif long >= HARD_AT and char.isspace():
            return i + 1
    return 0


def _ends_phrase(before: str) -> bool:
    """Whether a space after this text ends a phrase, as in Thai, Lao and Burmese: they put no spaces between words."""
    at = len(before) - 1
    while at > 0 and unicodedata.category(before[at])[0] == "M":
        at -= 1
    return at >= 0 and is_unspaced(before[at])


def _whole_character(text: str, at: int) -> int:
    """The next place that does not part a mark from its letter."""
    while at < len(text) and unicodedata.category(text[at])[0] == "M":
        at += 1
    return at


def _in_a_word(before: str) -> bool:
    """Whether a point between this text and a space belongs to its last word: an abbreviation (Dr.), letters (e.g.,
    p.m., J. S. Bach), or the number of an item (1.), which would else be a clause of its own."""
    last = _last_word(before)
    letters = all(len(part) == 1 and part.isalpha() for part in last.split("."))
    return last in ABBREVIATIONS or letters or before.strip().isdigit()


def _last_word(text: str) -> str:
    words = text.split()
    return words[-1].lower().lstrip(OPENERS) if words and not text[-1].isspace() else ""


def _with_spaces(text: str, end: int) -> int:
    while end < len(text) and text[end].isspace():
        end += 1
    return end


async def clauses(
    text: AsyncIterator[str], *, first_soft_at: int = FIRST_SOFT_AT, soft_at: int = SOFT_AT
) -> AsyncGenerator[str, None]:
    """The clauses of a text that comes in pieces, each as soon as its end is certain. None is empty.

    first_soft_at, soft_at: letters after which a comma will do, in the first clause and in the others.
    """
    held, at = "", first_soft_at
    async for piece in text:
        held += piece
        while length := cut(held, at):
            yield held[:length]
            held, at = held[length:], soft_at
    if held:
        yield held
