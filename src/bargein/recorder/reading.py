"""Reads a call's record back, as far as it goes: a line that a kill left half written is skipped and counted.

Two versions are read. Version 1 had other names for some events, actions and fields, and one flat policy that held the
call's language; VERSION_1 is the whole difference. (Version 1 let a change of the policy change the language, too. That
is not read: the language is the one that the call began with.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import msgspec

from bargein.errors import UsageError
from bargein.floor import Action, Event, Policy, PolicyChanged, SpeechWindow
from bargein.recorder.journal import FILE, FORMAT, VERSION, Header

EVENTS: Mapping[str, type[Event]] = {kind.__name__: kind for kind in get_args(Event)}
ACTIONS: Mapping[str, type[Action]] = {kind.__name__: kind for kind in get_args(Action)}
VERSION_1: Mapping[str, str] = {
    # events
    "EarsChanged": "STTChanged",
    # actions
    "Look": "ReadWords",
    "Settle": "Dismiss",
    "Leave": "EndCall",
    "Close": "CloseTurn",
    "Forget": "DiscardPrepared",
    "Drop": "DiscardReply",
    "Abandon": "DiscardLateReply",
    # fields of Words and ReadWords
    "look": "reading",
}
_WINDOW = b'"event":"SpeechWindow"'
_window = msgspec.json.Decoder(SpeechWindow)


LATER_NUMBERS: Mapping[str, object] = {"max_failures": 0, "filler_ms": None, "key_gap_ms": 0}
"""Numbers of policies that older records do not have, as calls acted before there was the number. (A key had the quiet
of a turn after it.)"""


@dataclass(frozen=True, slots=True)
class Happened:
    """An event that went into the floor."""

    at_ms: float
    event: Event


@dataclass(frozen=True, slots=True)
class Ordered:
    """An action that the floor ordered."""

    at_ms: float
    """When it was done."""
    action: Action


@dataclass(frozen=True, slots=True)
class Noted:
    """A fact besides, for readers of the record."""

    at_ms: float
    kind: str
    facts: Mapping[str, object]


Entry = Happened | Ordered | Noted


@dataclass(frozen=True, slots=True)
class Recording:
    """A call's record."""

    header: Header
    entries: list[Entry]
    torn: int
    """Lines that could not be read."""
    complete: bool
    """The call ended by itself, and the record holds all of it."""


class RecordStream:
    """A call's journal, entry by entry: what a long call holds is never in memory at once. Close it, or use it as a
    context manager."""

    def __init__(self, path: Path) -> None:
        """path: the file, or its folder. Raises UsageError for a file that cannot be read."""
        self.path = path / FILE if path.is_dir() else path
        self.torn = 0
        """Lines that could not be read, of those that were met so far."""
        try:
            self._file = self.path.open("rb")
            self._first = self._file.readline().rstrip(b"\n")
        except OSError as error:
            advice = f"Name a call's {FILE}, or its folder"
            raise UsageError(f"{self.path} cannot be read: {error.strerror}", advice=advice) from None
        self._version = VERSION

    def header(self) -> Header:
        """Raises UsageError for a file that is no record, or of a version that is not known."""
        header = _header(self.path, self._first)
        self._version = header.version
        return header

    def entries(self) -> Iterator[Entry]:
        """All entries that can be read, once."""
        for line in self._file:
            if line == b"\n":
                continue
            try:
                yield _entry(line, self._version)
            except (msgspec.MsgspecError, UsageError, KeyError, UnicodeError):
                self.torn += 1

    def close(self) -> None:
        """The file is needed no more."""
        self._file.close()

    def __enter__(self) -> RecordStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read(path: Path) -> Recording:
    """A call's record; path: the file, or its folder. Raises UsageError for a file that is no record, or of a version
    that is not known."""
    with RecordStream(path) as stream:
        header = stream.header()
        entries = list(stream.entries())
    kinds = [entry.kind for entry in entries if isinstance(entry, Noted)]
    complete = not stream.torn and "bye" in kinds and "lost" not in kinds and "full" not in kinds
    return Recording(header, entries, stream.torn, complete)


class _Kind(msgspec.Struct):
    """So much of a first line says whether the rest can be read."""

    call: str
    format: str
    version: int


def _header(path: Path, line: bytes) -> Header:
    try:
        kind = msgspec.json.decode(line, type=_Kind)
    except (msgspec.MsgspecError, UnicodeError):
        kind = None
    if kind is None or kind.format != FORMAT:
        raise UsageError(f"{path} is no record of a call", advice=f"Name the {FILE} of a call")
    if kind.version not in (1, VERSION):
        raise UsageError(
            f"{path} is of version {kind.version}",
            advice=f"Read it with the Bargein that wrote it; this one reads 1 to {VERSION}",
        )
    try:
        if kind.version == VERSION:
            header = msgspec.json.decode(line, type=Header)
            return msgspec.structs.replace(header, policy=header.policy.with_(_lacking(line)))
        raw = msgspec.json.decode(line, type=dict[str, object])
        flat = msgspec.convert(raw["policy"], dict[str, object])
        return msgspec.convert(raw | {"policy": _policy_1(flat), "language": flat["language"]}, Header)
    except (msgspec.MsgspecError, UsageError, KeyError) as error:
        raise UsageError(f"{path} has a header that is wrong: {error}", advice="Read another call's record") from None


def _entry(line: bytes, version: int) -> Entry:
    """One line. Raises MsgspecError, UsageError or KeyError when it is not whole, or of a kind unknown to us."""
    if version == VERSION and _WINDOW in line[:60]:  # most lines of a long call
        window = _window.decode(line)
        return Happened(window.at_ms, window)
    raw = msgspec.json.decode(line, type=dict[str, object])
    at_ms = msgspec.convert(raw.pop("at"), float)
    if "note" in raw:
        return Noted(at_ms, str(raw.pop("note")), raw)
    if version == 1:
        raw = _from_version_1(raw)
    if "event" in raw:
        event = msgspec.convert(raw, EVENTS[str(raw.pop("event"))])
        if isinstance(event, PolicyChanged):
            event = replace(event, policy=event.policy.with_(_lacking(line)))
        return Happened(at_ms, event)
    return Ordered(at_ms, msgspec.convert(raw, ACTIONS[str(raw.pop("action"))]))


def _lacking(line: bytes) -> dict[str, object]:
    """The numbers that the policy of this line does not have, as the call acted."""
    return {name: value for name, value in LATER_NUMBERS.items() if f'"{name}"'.encode() not in line}


def _from_version_1(raw: Mapping[str, object]) -> dict[str, object]:
    """A line of version 1 as this version writes it."""
    now = {VERSION_1.get(field, field): value for field, value in raw.items()}
    for key in ("event", "action"):
        if key in now:
            now[key] = VERSION_1.get(str(now[key]), now[key])
    if "policy" in now:
        now["policy"] = _policy_1(msgspec.convert(now["policy"], dict[str, object]))
    return now


def _policy_1(flat: Mapping[str, object]) -> Policy:
    """A policy of version 1: all numbers side by side, with the preset's name and the language."""
    numbers = {name: value for name, value in flat.items() if name not in ("preset", "language")}
    numbers = {**LATER_NUMBERS, **numbers}
    return msgspec.structs.replace(Policy().with_(numbers), preset=str(flat["preset"]))
