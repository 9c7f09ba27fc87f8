"""What a record leaves out: digits (cards, codes, keys of a telephone), named arguments of tools, callers' numbers.

Times, positions and the policy stay, and what stands for a number is one word, as the number was: a redacted record
decides the same when it is replayed. (Where a phrase of the policy itself has digits, its words are not found again.)
Numbers that are spelled out ("four eight two seven") stay, too.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DIGIT = "0"  # a word, for the floor's lexicon, as every digit is: a sign would be none
HIDDEN, HIDDEN_IN_LOG = "(hidden)", "#"
TEXTS = frozenset(
    {
        "text",
        "unheard",
        "heard_text",
        "why",
        "result",
        "arguments",
        "message",
        "advice",
        "lost",
        "reason",
        "over",
        "from",
        "to",
    }
)
"""Fields that hold what people, models and networks say."""
QUOTES = frozenset({"why", "message", "advice", "lost", "reason"})
"""Fields in which an error may quote what a tool was given. What people said stays, since a replay needs it."""
SECRET_CHARS = 4
_DIGITS = re.compile(r"\d")
# Not within an id. Letters of scripts without spaces may stand at a number.
_NUMBER = re.compile(r"(?<![A-Za-z_\d+-])\+?\d{7,15}(?![A-Za-z_\d-])")
_CODE = re.compile(r"(?<![A-Za-z_\d-])\d{4,}(?![A-Za-z_\d-])")


class HiddenValues:
    """The newest values of hidden arguments, as texts. Records and log share them: an error may quote one."""

    def __init__(self, most: int = 500) -> None:
        self._most = most
        self._texts: dict[str, None] = {}
        self._pattern: re.Pattern[str] | None = None  # None: it is to be made

    def add(self, value: object) -> None:
        """Short values are no secret, and part of too many other words."""
        text = str(value).strip()
        if isinstance(value, str | int | float) and not isinstance(value, bool) and len(text) >= SECRET_CHARS:
            self._texts.pop(text, None)
            self._texts[text] = None
            while len(self._texts) > self._most:
                del self._texts[next(iter(self._texts))]
            self._pattern = None

    def without(self, text: str) -> str:
        """A text without them."""
        if not self._texts:
            return text
        pattern = self._pattern  # any thread may log
        if pattern is None:
            longest_first = sorted(self._texts, key=len, reverse=True)  # one may be a part of another
            pattern = self._pattern = re.compile("|".join(map(re.escape, longest_first)))
        return pattern.sub(HIDDEN, text)


HIDDEN_VALUES = HiddenValues()


@dataclass(frozen=True, slots=True)
class Redaction:
    """The default redacts nothing."""

    digits: bool = False
    """Every digit in a text, and every key of a telephone, becomes 0."""
    arguments: frozenset[str] = frozenset()
    """Names of tools' arguments, and of fields in tools' results, whose values are hidden."""
    numbers: bool = False
    """A telephone number becomes a name that is the same for the same number while the process runs."""
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(16), repr=False)
    """For those names. Without a secret a table of all numbers would tell whose name it is."""

    values: HiddenValues = field(default_factory=lambda: HIDDEN_VALUES, repr=False, compare=False)
    """Values of those arguments that were hidden: an error may quote one."""

    @property
    def nothing(self) -> bool:
        return not (self.digits or self.arguments or self.numbers)

    def fields(self, fields: Mapping[str, object]) -> dict[str, object]:
        """The fields of an event, an action or a note."""
        return {name: self._field(name, value) for name, value in fields.items()}

    def text(self, text: str) -> str:
        """A text that people, models or networks said."""
        if self.numbers:
            text = _NUMBER.sub(self._alias, text)
        if self.digits:
            text = _DIGITS.sub(DIGIT, text)
        return text

    def log_line(self, line: str) -> str:
        """A line of the log. Times and calls' names stay."""
        if self.arguments:
            line = self.values.without(line)
        if self.numbers:
            line = _NUMBER.sub(self._alias, line)
        if self.digits:
            line = _CODE.sub(lambda found: HIDDEN_IN_LOG * len(found.group()), line)
        return line

    def number(self, number: str) -> str:
        """A caller's number."""
        return self._named(number) if self.numbers and number else self.text(number)

    def _field(self, name: str, value: object) -> object:
        if isinstance(value, Mapping):
            return self.fields(value)
        if isinstance(value, list | tuple):
            return [self._field(name, each) for each in value]
        if name == "key" and self.digits:
            return DIGIT
        if name not in TEXTS or not isinstance(value, str):
            return value
        if name in ("result", "arguments") and self.arguments:
            value = self._without_arguments(value)
        elif name in QUOTES and self.arguments:
            value = self.values.without(value)
        return self.text(value)

    def _without_arguments(self, text: str) -> str:
        try:
            whole = json.loads(text)
        except (ValueError, RecursionError):  # half a JSON: where a value ends is not to be told
            half = text.lstrip().startswith(("{", "[")) and any(name in text for name in self.arguments)
            return HIDDEN if half else self.values.without(text)
        if isinstance(whole, str):
            whole = self.values.without(whole)
        return json.dumps(self._hidden(whole), ensure_ascii=False)

    def _hidden(self, value: Any) -> Any:
        if isinstance(value, dict):
            for name in self.arguments & value.keys():
                self.values.add(value[name])
            return {n: HIDDEN if n in self.arguments else self._hidden(v) for n, v in value.items()}
        if isinstance(value, list):
            return [self._hidden(each) for each in value]
        return value

    def _alias(self, found: re.Match[str]) -> str:
        return self._named(found.group())

    def _named(self, number: str) -> str:
        digest = hmac.digest(self.secret, number.lstrip("+").encode(errors="replace"), "sha256")
        # Letters only: digits would be redacted in turn, and with a hyphen the name would be two words.
        return "number" + "".join(chr(ord("a") + byte % 26) for byte in digest[:8])


NO_REDACTION = Redaction()
