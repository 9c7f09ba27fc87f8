"""Counting aloud: which numbers are asked for, and how a voice says them best (as words, in sentences of five)."""

from __future__ import annotations

import re

_ONES = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]

DEFAULT_END = 20
HIGHEST = 100  # two minutes of speech: hardly any caller asks for more, or listens to its end
IN_A_SENTENCE = 5


def spelled(number: int) -> str:
    """0 to 100 in words."""
    if number < len(_ONES):
        return _ONES[number]
    if number == HIGHEST:
        return "one hundred"
    tens, ones = divmod(number, 10)
    return _TENS[tens - 2] + (f" {_ONES[ones]}" if ones else "")


_NUMBER = {spelled(n): n for n in range(HIGHEST + 1)} | {"a hundred": 100, "hundred": 100, "a dozen": 12}
_NUMBERS = re.compile(r"\b(\d+|" + "|".join(sorted(_NUMBER, key=len, reverse=True)) + r")\b")


def counted(begin: int, end: int) -> str:
    """ "One, two, three." from begin to end, down where end is smaller."""
    step = 1 if end >= begin else -1
    numbers = [spelled(n) for n in range(begin, end + step, step)]
    groups = (numbers[i : i + IN_A_SENTENCE] for i in range(0, len(numbers), IN_A_SENTENCE))
    return " ".join(", ".join(group).capitalize() + "." for group in groups)


def count_wanted(words: str) -> tuple[int, int]:
    """First and last number that the user asked for. words: lower case. Never beyond 100."""
    found = [
        min(int(match) if match.isdigit() else _NUMBER[match], HIGHEST)
        for match in _NUMBERS.findall(words.replace("-", " "))
    ]
    down = re.search(r"\b(down|backwards?|countdown)\b", words) is not None
    match found:
        case [begin, end, *_] if begin != end:
            return begin, end
        case [bound, *_] if bound > 1:
            return (bound, 1) if down else (1, bound)
        case _:
            return (10, 1) if down else (1, DEFAULT_END)
