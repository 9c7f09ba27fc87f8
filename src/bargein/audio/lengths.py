"""The lengths of a text's characters, for estimates of word times."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import accumulate

# A character's length, in letters: a digit is spoken as a word, and a pause follows a stop. Against espeak's true times
# over four sentences, 96 % of cuts fall within one word of the truth; with equal lengths for all characters, 69 %.
LASTS = {
    **dict.fromkeys("0123456789", 5.0),
    **dict.fromkeys(".!?;:…。！？；：।។။", 7.0),
    **dict.fromkeys(",、，،၊", 3.5),
    **dict.fromkeys("$€£%&+=@#", 6.0),
    " ": 0.5,
}
# A character of these scripts is a syllable. In a second, speakers say 15 letters, 7 kana, 6 syllables of Korean, or 5
# of Chinese.
_SYLLABLES = (
    (0x3041, 0x30FF, 2.0),
    (0x31F0, 0x31FF, 2.0),
    (0x3400, 0x4DBF, 3.0),
    (0x4E00, 0x9FFF, 3.0),
    (0xAC00, 0xD7A3, 2.5),
    (0xF900, 0xFAFF, 3.0),
    (0xFF66, 0xFF9D, 2.0),
    (0x20000, 0x3FFFD, 3.0),
)
_LEAST = 0.5  # letters of a text that is spoken at all: lengths are divided by


@lru_cache(maxsize=8192)
def lasts(char: str) -> float:
    """How long a character is spoken beside the others of its text, in letters. A mark on a letter adds nothing."""
    if char > "\u02ff" and unicodedata.combining(char) and not "\u0900" <= char <= "\u0dff":
        return 0.0
    return LASTS.get(char, 1.0)


def width(char: str) -> float:
    """How much of a text a character is, in letters: some scripts write a syllable in one character."""
    return 1.0 if char < "\u3041" else _width(char)


def syllables(char: str) -> float:
    """How long a character is spoken at the least, in letters."""
    return lasts(char) if char < "\u3041" or char in LASTS else _width(char)


@lru_cache(maxsize=8192)
def _width(char: str) -> float:
    code = ord(char)
    return next((length for first, last, length in _SYLLABLES if first <= code <= last), lasts(char))


def added(lengths: Iterable[float]) -> list[float]:
    """The length of each beginning of a text: one value more than there are characters."""
    sums = list(accumulate(lengths, initial=0.0))
    sums[-1] = max(sums[-1], _LEAST)
    return sums
