"""An option of a part, as data: for a page's fields, for a file, and for the check before the part gets the value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from bargein.errors import UsageError
from bargein.foreign import printable

Value = str | float | tuple[str, ...]

TEXT_CHARS, WORDS = 200, 100  # most that an option takes
_SAFE = re.compile(r"[A-Za-z0-9+][\w ./:+-]*")  # ids go into addresses and commands


@dataclass(frozen=True, slots=True)
class Option:
    """One option that a person may set."""

    name: str
    """The name of the factory's parameter."""
    title: str
    """The label on the page."""
    default: str | float | None = None
    """What the part uses without the option, for people to read."""
    suggestions: tuple[str, ...] = ()
    """Good values. Other values are allowed."""
    kind: Literal["text", "number", "words"] = "text"
    """words: a list of words or phrases."""
    least: float = 0
    """Smallest number that is allowed."""
    most: float = 0
    """Largest number that is allowed."""
    visitors: bool = False
    """A page's visitor may give any text, such as a voice's id. Otherwise a visitor chooses among the suggestions: a
    name may be a file on this machine, or weights to be fetched."""

    @property
    def for_visitors(self) -> bool:
        """A page's visitor may set the option."""
        return self.kind != "text" or self.visitors or bool(self.suggestions)

    def demand_visitors(self, value: object) -> None:
        """Raises UsageError for a value that only the server's owner may give."""
        if self.kind != "text" or self.visitors or value is None or value in self.suggestions:
            return
        allowed = f"Choose one of {', '.join(self.suggestions)}" if self.suggestions else "Leave it out"
        raise UsageError(f"{self.name} cannot be {printable(value, 80)!r} on a page", advice=allowed)

    def read(self, value: object) -> Value:
        """The value as the factory takes it. Raises UsageError that names the option and what is allowed."""
        match self.kind, value:
            case "number", int() | float() if value is not True and self.least <= value <= self.most:
                return value
            case "text", str() if len(value) <= TEXT_CHARS and _SAFE.fullmatch(value) and ".." not in value:
                return value
            case "words", list() | tuple() if len(value) <= WORDS and all(
                isinstance(word, str) and 0 < len(word) <= TEXT_CHARS for word in value
            ):
                return tuple(value)
        allowed = {
            "number": f"a number from {self.least:g} to {self.most:g}",
            "text": f"letters, digits and . / : + - _, at most {TEXT_CHARS}",
            "words": f"a list of at most {WORDS} words or phrases",
        }[self.kind]
        raise UsageError(f"{self.name} cannot be {str(value)[:80]!r}", advice=f"Give {allowed}")
