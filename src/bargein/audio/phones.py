"""The kinds of sound in a written word, and how long each lasts: rough rules that hold for European spellings.

They know no language. An alignment needs no more: hissing, silence before a stop, and the vowels between stand out in
any voice, and the rest is found between them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from bargein.audio.lengths import syllables

VOWEL, SONORANT, VOICED, HISS, STOP, ANY = range(6)
"""Kinds. VOICED: b, d, g, v. ANY: what is spoken otherwise than it is written."""

LETTER_MS = 62.0
_VOWELS = frozenset("aeiouyäöüáéíóúàâèêëîïôûùœæãõå")
_CONSONANTS = {
    **dict.fromkeys("mnlrwjñ", (SONORANT, 65.0)),
    **dict.fromkeys("bdgv", (VOICED, 65.0)),
    **dict.fromkeys("sfzhxçß", (HISS, 95.0)),
    **dict.fromkeys("ptkqc", (STOP, 75.0)),
}
_DOUBLE = {
    **dict.fromkeys(("ll", "nn", "mm", "rr"), (SONORANT, 70.0)),
    **dict.fromkeys(("bb", "dd", "gg"), (VOICED, 65.0)),
    **dict.fromkeys(("ss", "ff", "zz", "sh", "ch", "ph", "sch", "tch"), (HISS, 100.0)),
    **dict.fromkeys(("tt", "pp", "cc", "ck"), (STOP, 80.0)),
    "th": (HISS, 70.0),
    "qu": (STOP, 90.0),
    "gh": (VOICED, 25.0),
    "wh": (SONORANT, 60.0),
    "ng": (SONORANT, 75.0),
}
_VOWEL_MS, _TWO_MS, _LAST_E_MS = 90.0, 115.0, 40.0
_LETTER_NAME_MS = 250.0  # of an abbreviation that is spelled
_SPELLED = 4  # letters of it at most


class Phone(NamedTuple):
    """One sound."""

    kind: int
    ms: float
    """Of a usual speaker."""


@lru_cache(maxsize=2048)
def phones(word: str) -> tuple[Phone, ...]:
    """The sounds of a word, in order: one at the least."""
    letters = [char for char in word if char.isalnum()]
    if 1 < len(letters) <= _SPELLED and all(char.isupper() for char in letters):
        return (Phone(ANY, _LETTER_NAME_MS),) * len(letters)
    word = word.lower()
    end = max((at + 1 for at, char in enumerate(word) if char.isalnum()), default=0)
    found: list[Phone] = []
    at = 0
    while at < len(word):
        char = word[at]
        double = next((word[at : at + n] for n in (3, 2) if word[at : at + n] in _DOUBLE), None)
        if double is not None:
            found.append(Phone(*_DOUBLE[double]))
            at += len(double)
            continue
        if char in _VOWELS:
            two = word[at + 1 : at + 2] in _VOWELS if at + 1 < len(word) else False
            silent = char == "e" and at + 1 == end and any(phone.kind == VOWEL for phone in found)
            found.append(Phone(VOWEL, _TWO_MS if two else _LAST_E_MS if silent else _VOWEL_MS))
            at += 1 + two
            continue
        if char in _CONSONANTS:
            found.append(Phone(*_CONSONANTS[char]))
        elif char.isdigit() or char in "$€£%&+=@#":
            found += [Phone(ANY, syllables(char) * LETTER_MS / 2)] * 2
        elif char.isalnum() and (length := syllables(char)):
            found.append(Phone(ANY, length * LETTER_MS))
        at += 1
    return tuple(found) or (Phone(ANY, 100.0),)
