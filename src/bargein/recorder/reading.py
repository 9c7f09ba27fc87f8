"""Reads a call's record back, as far as it goes: what a kill left half written is skipped and counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import msgspec

from bargein.errors import UsageError
from bargein.floor import Action, Event
from bargein.recorder.journal import FILE, FORMAT, VERSION, Header

EVENTS: Mapping[str, type[Event]] = {kind.__name__: kind for kind in get_args(Event)}
ACTIONS: Mapping[str, type[Action]] = {kind.__name__: kind for kind in get_args(Action)}


@dataclass(frozen=True, slots=True)
class Happened:
    """An event that went into the floor."""

    at_ms: float
    event: Event


@dataclass(frozen=True, slots=True)
class Ordered:
    """What the floor ordered. at_ms: when it was done."""

    at_ms: float
    action: Action


@dataclass(frozen=True, slots=True)
class Noted:
    at_ms: float
    kind: str
    facts: Mapping[str, object]


Entry = Happened | Ordered | Noted


@dataclass(frozen=True, slots=True)
class Recording:
    """torn: lines that could not be read; complete: the call ended by itself, and all of it is here."""

    header: Header
    entries: list[Entry]
    torn: int
    complete: bool


def read(path: Path) -> Recording:
    """A call's record; path: the file, or its folder. Raises Misuse when it is none, or of another version."""
    if path.is_dir():
        path = path / FILE
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        advice = f"Name a call's {FILE}, or its folder"
        raise UsageError(f"{path} cannot be read: {error.strerror}", advice=advice) from None
    header = _header(path, lines[0])
    entries: list[Entry] = []
    torn = 0
    for line in lines[1:]:
        if not line:
            continue
        try:
            entries.append(_entry(line))
        except (msgspec.MsgspecError, UsageError, KeyError, UnicodeError):
            torn += 1
    kinds = [entry.kind for entry in entries if isinstance(entry, Noted)]
    complete = not torn and "bye" in kinds and "lost" not in kinds and "full" not in kinds
    return Recording(header, entries, torn, complete)


def _header(path: Path, line: bytes) -> Header:
    try:
        header = msgspec.json.decode(line, type=Header)
    except (msgspec.MsgspecError, UsageError, UnicodeError):
        header = None
    if header is None or header.format != FORMAT:
        raise UsageError(f"{path} is no record of a call", advice=f"Name the {FILE} of a call")
    if header.version != VERSION:
        raise UsageError(
            f"{path} is of version {header.version}",
            advice=f"Read it with the Bargein that wrote it; we read {VERSION}",
        )
    return header


def _entry(line: bytes) -> Entry:
    """One line. Raises MsgspecError, Misuse or KeyError when it is not whole, or of a kind unknown to us."""
    raw = msgspec.json.decode(line, type=dict[str, object])
    at_ms = msgspec.convert(raw.pop("at"), float)
    if "note" in raw:
        return Noted(at_ms, str(raw.pop("note")), raw)
    if "event" in raw:
        return Happened(at_ms, msgspec.convert(raw, EVENTS[str(raw.pop("event"))]))
    return Ordered(at_ms, msgspec.convert(raw, ACTIONS[str(raw.pop("action"))]))
