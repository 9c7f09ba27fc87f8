"""A policy's number, declared once, at its field: unit, range, default, text, and the peers' names for it.

    confirm_ms: Annotated[float, milliseconds("Firm speech of this length cuts.", livekit="...")] = 300

From this declaration are made: the check of every value, the CLI's `--set`, the page's sliders, docs/policy.md and the
steps that the tuner tries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta

from bargein.errors import UsageError

Value = float | int | bool | tuple[str, ...] | None
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
NO_COUNTERPART = "no counterpart"


@dataclass(frozen=True, slots=True)
class Slider:
    """A range control for the number."""

    label: str
    """In a few words, as the page shows it."""
    lowest: float
    highest: float
    step: float


@dataclass(frozen=True, slots=True)
class Number:
    """One number of a policy."""

    name: str
    """Its one name, in Python, on the wire, in TOML and on the command line."""
    group: str
    """The group of the policy that holds it."""
    kind: Any
    """Its type, with bounds, as msgspec reads it."""
    default: Value
    """Its value in `balanced`."""
    meta: Meta
    """As it was declared."""

    @property
    def about(self) -> str:
        """What it decides."""
        return self.meta.description or ""

    @property
    def unit(self) -> str:
        """ms, dB, 0..1, windows, ...; "" for a switch."""
        return str(self._more("unit", ""))

    @property
    def range(self) -> str:
        """The values that it takes, in words."""
        meta, optional = self.meta, ", or none" if type(None) in get_args(self.kind) else ""
        if meta.gt is not None and meta.lt is not None:
            return f"between {meta.gt:g} and {meta.lt:g}{optional}"
        if meta.ge is not None:
            return f"{meta.ge:,g} to {meta.le:,.0f}{optional}" if meta.le is not None else f"at least {meta.ge:g}"
        return str(self._more("range", ""))

    @property
    def slider(self) -> Slider | None:
        """How the page sets it. None: the page does not show it."""
        found: Slider | None = self._more("slider", None)
        return found

    @property
    def steps(self) -> tuple[float | int, ...]:
        """The values that the tuner tries. Empty: the tuner leaves it."""
        found: tuple[float | int, ...] = self._more("steps", ())
        return found

    @property
    def pipecat(self) -> str:
        """The nearest setting of Pipecat 1.14, with its default."""
        return str(self._more("pipecat", NO_COUNTERPART))

    @property
    def livekit(self) -> str:
        """The nearest setting of LiveKit Agents 1.8, with its default."""
        return str(self._more("livekit", NO_COUNTERPART))

    def check(self, value: object) -> None:
        """Raises UsageError, naming the number and its range, for a value that it cannot take."""
        try:
            msgspec.convert(value, self.kind)
        except msgspec.ValidationError:
            pass
        else:
            if not isinstance(value, tuple) or all(phrase.strip() for phrase in value):
                return
        raise UsageError(f"Policy number {self.name} is {value!r}", advice=f"Give {self._wanted}")

    @property
    def _wanted(self) -> str:
        if self.unit in ("ms", "dB"):
            return f"{'milliseconds' if self.unit == 'ms' else 'decibels'}, {self.range}"
        if int in get_args(self.kind):
            return f"a whole number, {self.range}"
        return f"a number, {self.range}" if self.unit else self.range

    def _more(self, key: str, default: Any) -> Any:
        return (self.meta.extra or {}).get(key, default)


class NumberGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers that belong together. Immutable; each is checked whenever a group is made."""

    group: ClassVar[str]
    """The name of the group in a policy."""

    def __post_init__(self) -> None:
        for number in declared(type(self)):
            number.check(getattr(self, number.name))


@cache
def declared(kind: type[NumberGroup]) -> tuple[Number, ...]:
    """The numbers of a group, as its fields declare them."""
    hints = get_type_hints(kind, include_extras=True)
    return tuple(
        Number(field.name, kind.group, hints[field.name], field.default, _meta(hints[field.name]))
        for field in msgspec.structs.fields(kind)
    )


def _meta(hint: Any) -> Meta:
    for each in (hint, *get_args(hint)):
        for annotation in getattr(each, "__metadata__", ()):
            if isinstance(annotation, Meta):
                return annotation
    raise TypeError(f"{hint} declares no number")


def milliseconds(about: str, *, most_ms: float = HOUR_MS, **more: Any) -> Meta:
    return Meta(ge=0, le=most_ms, description=about, extra={"unit": "ms", **more})


def decibels(about: str, **more: Any) -> Meta:
    return Meta(ge=1, le=100, description=about, extra={"unit": "dB", **more})


def threshold(about: str, **more: Any) -> Meta:
    """A probability or share that is neither never nor always reached."""
    return Meta(gt=0, lt=1, description=about, extra={"unit": "0..1", **more})


def share(about: str, **more: Any) -> Meta:
    return Meta(ge=0, le=1, description=about, extra={"unit": "0..1", **more})


def count(about: str, lowest: Literal[0, 1], **more: Any) -> Meta:
    return Meta(ge=lowest, description=about, extra=more)


def switch(about: str, **more: Any) -> Meta:
    return Meta(description=about, extra={"range": "true or false", **more})


def phrases(about: str, **more: Any) -> Meta:
    return Meta(description=about, extra={"range": "a list of phrases", **more})


def parse_numbers(words: Sequence[str]) -> dict[str, object]:
    """The `--set name=value` of a command line. Raises UsageError for a word that is none."""
    numbers: dict[str, object] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"--set {word} changes nothing", advice="Write it as name=value, such as confirm_ms=500")
        try:
            numbers[name.strip()] = msgspec.json.decode(value)
        except msgspec.DecodeError:
            numbers[name.strip()] = value  # a word: the number's own check says what is wrong with it
    return numbers
