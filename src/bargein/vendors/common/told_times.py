"""What a vendor has told of a text's times: letters, in the vendor's own spelling.

Spelling differs in more than spaces and signs: "$5" is told as "five dollars". So times are told of letters, and a
letter is compared without case, width and accents apart.
"""

from __future__ import annotations

import math
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import lru_cache

from bargein.units import is_unspaced

Timed = tuple[str, float, float]  # a character or a word; ms from the reply's first sample to its start and end

SAME_MS = 2.0  # of rounding, between two times of one letter
OVERLAP_MS = 20.0  # times overlap by so much where the vendor or we round; by more, a passage is told again
ALIKE = 0.6  # of the letters, in a passage that is told again for the same time
SURE = 4  # letters of a passage that is recognised by its letters alone
KEPT = 1_200  # letters told before, with which a passage is compared


@dataclass(frozen=True, slots=True)
class ToldLetter:
    """A letter with its time, in ms from the reply's first sample."""

    char: str
    start_ms: float
    end_ms: float
    begins: bool
    """A word may begin here."""
    ends: bool = False
    """The vendor says that a word ends here."""
    signs_ms: float = 0.0
    """End of the signs that were told after it. 0: none were."""


@lru_cache(maxsize=8192)
def letters(text: str) -> str:
    """The letters, digits and marks of a text, as they are compared."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(char for char in plain if char.isalnum() or unicodedata.category(char)[0] == "M")


def with_times(items: Iterable[object], starts: Iterable[object], ends: Iterable[object]) -> list[Timed]:
    """Items with their times in the same unit. An item whose time is missing or is no number is left out."""
    timed: list[Timed] = []
    for item, start, end in zip(items, starts, ends, strict=False):
        if isinstance(start, int | float) and isinstance(end, int | float) and math.isfinite(start + end):
            timed.append((str(item), float(start), max(float(start), float(end))))
    return timed


def of_chars(timed: Iterable[Timed]) -> list[ToldLetter]:
    """The letters of characters with a time each."""
    told: list[ToldLetter] = []
    begins = True
    for char, start_ms, end_ms in timed:
        plain = letters(char)
        if plain:
            told += _spread(plain, start_ms, end_ms, begins=begins or is_unspaced(char))
            begins = False
        else:
            begins = True
            if told and char.isspace():
                told[-1] = replace(told[-1], ends=True)
            elif told and not told[-1].ends:
                told[-1] = replace(told[-1], signs_ms=end_ms)
    return told


def of_words(timed: Iterable[Timed]) -> list[ToldLetter]:
    """The letters of words with a time each. A word's letters share its time."""
    told: list[ToldLetter] = []
    for word, start_ms, end_ms in timed:
        if plain := letters(word):
            told += _spread(plain, start_ms, end_ms, begins=True)
            told[-1] = replace(told[-1], ends=True)
    return told


def _spread(plain: str, start_ms: float, end_ms: float, *, begins: bool) -> list[ToldLetter]:
    each = (end_ms - start_ms) / len(plain)
    return [
        ToldLetter(char, start_ms + each * n, start_ms + each * (n + 1), (begins and n == 0) or is_unspaced(char))
        for n, char in enumerate(plain)
    ]


class ToldHistory:
    """All letters that were told, each once. It recognises a passage that is told again: by its times, or by its
    letters where the times were counted anew."""

    def __init__(self) -> None:
        self._letters = ""
        self._starts: list[float] = []
        self._end_ms = 0.0

    def add(self, told: Sequence[ToldLetter]) -> None:
        """These letters are new."""
        for letter in told:
            self._letters += letter.char
            self._starts.append(max(letter.start_ms, self._starts[-1] if self._starts else 0.0))
            self._end_ms = max(self._end_ms, letter.end_ms)
        if len(self._letters) > 2 * KEPT:
            self._letters, self._starts = self._letters[-KEPT:], self._starts[-KEPT:]

    def new(self, told: list[ToldLetter], following: str, *, in_step: bool, sounding: bool) -> list[ToldLetter]:
        """The part of a passage that was not told before.

        following: letters of the text that have no times yet. in_step: all that was told so far was found in the text.
        sounding: audio came with the passage.
        """
        told = self._by_times(told)
        if not told or not self._letters:
            return told
        plain = "".join(letter.char for letter in told)
        expected = _same(plain, following) if in_step else 0
        if expected == len(plain) and (sounding or not self._letters.endswith(plain)):
            return told
        if sounding and (len(plain) < SURE or sum(letter.begins for letter in told) < 2):
            return told  # too short to be recognised
        if plain in self._letters[-max(4 * len(plain), KEPT) :] and (in_step or plain not in following):
            return []
        again = next(
            (
                n
                for n in range(min(len(plain) - 1, len(self._letters)), SURE - 1, -1)
                if self._letters.endswith(plain[:n])
            ),
            0,
        )
        if again and in_step and again + _same(plain[again:], following) > expected:
            return _moved(told[again:], self._starts[-again] - told[0].start_ms)
        return told

    def _by_times(self, told: list[ToldLetter]) -> list[ToldLetter]:
        if not told or told[0].start_ms >= self._end_ms - OVERLAP_MS:
            return told
        count = next((n for n, t in enumerate(told) if (t.start_ms + t.end_ms) / 2 >= self._end_ms), len(told))
        if not count:
            return told
        looked_at = told[max(0, count - KEPT) : count]  # of a long passage its end: to compare is quadratic
        first = bisect_left(self._starts, looked_at[0].start_ms - SAME_MS)
        last = bisect_left(self._starts, looked_at[-1].end_ms) + SURE
        plain = "".join(letter.char for letter in looked_at)
        if self._letters.startswith(plain, first):
            return told[count:]
        there = self._letters[max(0, first - SURE) : last]
        if len(plain) >= SURE and (
            plain in there or SequenceMatcher(None, plain, there, autojunk=False).ratio() >= ALIKE
        ):
            return told[count:]
        # Other letters than were told for that time: they are new, and their times are wrong.
        several = count == len(told) and sum(letter.begins for letter in told) > 1
        return _moved(told, self._end_ms - told[0].start_ms) if several else told


def _same(one: str, other: str) -> int:
    """How many letters both begin with."""
    n = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        n += 1
    return n


def _moved(told: list[ToldLetter], ms: float) -> list[ToldLetter]:
    """The same letters, later by so much: their times were counted from elsewhere."""
    if abs(ms) <= OVERLAP_MS:
        return told
    return [
        replace(t, start_ms=t.start_ms + ms, end_ms=t.end_ms + ms, signs_ms=t.signs_ms + ms if t.signs_ms else 0.0)
        for t in told
    ]
