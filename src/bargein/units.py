"""The units in which a text is spoken, heard and counted: words, and single characters in scripts without spaces.

Chinese, Japanese, Thai, Lao, Khmer, Burmese and Tibetan put no spaces between words. Their unit is the character with
all marks that stand on it: vowel signs, tone marks, letters written below. Every other unit is what stands between
spaces. A sign belongs to the unit before it; an opening bracket or quote, and a currency sign, to the unit after it.

All positions are code points. `server/web/js/units.js` holds the same rules for the page.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

# Blocks whose letters are written without spaces between words.
_BLOCKS = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x0F00, 0x0FFF),  # Tibetan
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19DF),  # Tai Le, New Tai Lue
    (0x1A20, 0x1AAF),  # Tai Tham
    (0x3005, 0x3007),  # 々〆〇
    (0x3021, 0x302F),
    (0x3031, 0x303C),
    (0x3041, 0x30FF),  # kana
    (0x3105, 0x312F),  # bopomofo
    (0x31A0, 0x31BF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xA9E0, 0xA9FF),
    (0xAA60, 0xAADF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),  # halfwidth kana
    (0x1AFF0, 0x1B16F),
    (0x20000, 0x3FFFD),
)
# Letters that Unicode counts as parts of the character before them: Thai and Lao AM, voicing marks of halfwidth kana.
_TRAILING = "\u0e33\u0eb3\uff9e\uff9f"
_STACKERS = "\u17d2\u1039\u1a60"  # the next letter is written below the one before
_JOINERS = "\u200c\u200d\ufe00-\ufe0f\U000e0100-\U000e01ef"


def _marks() -> str:
    """The combining marks of these scripts, as a part of a character class."""
    small = [block for block in _BLOCKS if block[1] - block[0] < 0x400]
    blocks = (*small, (0x0300, 0x036F), (0x20D0, 0x20FF), (0x3099, 0x309A))
    every = {code for first, last in blocks for code in range(first, last + 1)}
    return "".join(chr(code) for code in sorted(every) if unicodedata.category(chr(code))[0] == "M")


_SCRIPTS = "".join(f"{chr(first)}-{chr(last)}" for first, last in _BLOCKS)
_MARK = f"[{re.escape(_marks())}{_TRAILING}{_JOINERS}]"
_LETTER = rf"(?![{_TRAILING}])(?=[^\W\d_])[{_SCRIPTS}]"
_OPENERS = "([{（［｛「『【〔〖《〈“‘„«‹¿¡｢⟨"
_PREFIXES = "$€£¥￥₩₹฿#＃@＠+＋−\\-"
_OPENER = rf"[{re.escape(_OPENERS)}]"
_AHEAD = rf"[{re.escape(_OPENERS)}{_PREFIXES}]{{1,4}}\w"  # signs that belong to the unit after them
_CHARACTER = rf"{_LETTER}(?:{_MARK}|(?<=[{_STACKERS}]){_LETTER})*"
_TOKEN = re.compile(
    rf"{_OPENER}{{0,4}}{_CHARACTER}(?:(?!{_AHEAD})[^\w\s])*\s*|(?:(?!{_OPENER}{{0,4}}{_LETTER})\S)+\s*|\S\s*"
)
_UNSPACED = re.compile(_LETTER)
_SPOKEN = re.compile(r"[\w$€£¥￥₩₹฿%&+=@#]")  # what a voice says; other signs are only heard as pauses

Span = tuple[int, int]


def spans(text: str) -> list[Span]:
    """Begin and end of each unit, in order, without the spaces between them."""
    found: list[Span] = []
    for match in _TOKEN.finditer(text):
        begin = match.start()
        end = begin + len(match.group().rstrip())
        if _SPOKEN.search(text, begin, end):
            found.append((begin, end))
        elif found:
            found[-1] = (found[-1][0], end)  # signs alone belong to the unit before
    stripped = text.strip()
    if not found and stripped:
        begin = text.index(stripped)
        return [(begin, begin + len(stripped))]
    return found


def units(text: str) -> list[str]:
    """The units of a text."""
    return [text[begin:end] for begin, end in spans(text)]


def after_units(text: str, count: int) -> str:
    """The text after its first `count` units, without spaces around it."""
    rest = spans(text)[count:]
    return text[rest[0][0] :].strip() if rest else ""


def last_units(text: str, count: int) -> str:
    """The last `count` units of a text, with single spaces where the text has any."""
    here = spans(text)[-count:] if count > 0 else []
    return " ".join(text[here[0][0] :].split()) if here else ""


def is_unspaced(text: str) -> bool:
    """Whether the text holds a letter of a script without spaces."""
    return _UNSPACED.search(text) is not None


def joined(parts: Iterable[str]) -> str:
    """Pieces of a transcript as one text: with a space between two pieces, unless both sides are written without."""
    text, unspaced = "", False
    for part in (part.strip() for part in parts):
        letters = [char for char in part if char.isalnum()]
        if text and part and not (unspaced and letters and is_unspaced(letters[0])):
            text += " "
        text += part
        unspaced = is_unspaced(letters[-1]) if letters else unspaced
    return text


_DIGITS = (
    "zero oh one two three four five six seven eight nine ten double triple"
    " null eins zwei drei vier fünf sechs sieben acht neun"
    " cero uno dos tres cuatro cinco seis siete ocho nueve"
    " zéro deux trois quatre cinq sept huit neuf"
    " due tre quattro cinque sei sette otto nove"
)
DIGIT_WORDS = frozenset(_DIGITS.split())
DIGITS_IN_A_ROW = 3  # words of digits: fewer are a count ("one moment", "two of them"), and no number to be kept out


def digit_words(words: Iterable[str]) -> list[bool]:
    """Which of some words are digits to be kept out: those with a figure, and DIGITS_IN_A_ROW or more in words."""
    plain = [re.sub(r"\W", "", word).lower() for word in words]
    found = [any(char.isdigit() for char in word) for word in plain]
    row: list[int] = []
    for index, word in enumerate([*plain, ""]):
        if word and (word in DIGIT_WORDS or found[index]):
            row.append(index)
            continue
        if len(row) >= DIGITS_IN_A_ROW:
            for each in row:
                found[each] = True
        row = []
    return found
