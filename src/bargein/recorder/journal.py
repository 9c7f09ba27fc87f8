"""A call's record: `DIR/<call id>/events.jsonl`, one JSON object a line, each written by one system call as it
happens, so that whatever kills the process leaves a file that can be read. Only windows of the VAD wait for a few
others, or for the first line that is none.

The first line is a header. Then `{"at": ms, "event": "SpeechWindow", ...}`, `{"at": ms, "action": "Hold", ...}`
and `{"at": ms, "note": "user", ...}`, where the rest of the line is the fields of that class, or the note's facts.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from bargein.errors import UsageError
from bargein.floor import Action, Event, Policy, SpeechWindow

log = logging.getLogger(__name__)

FORMAT = "bargein.events"
VERSION = 2
FILE = "events.jsonl"
MAX_BYTES = 256 * 1024 * 1024  # some 20 hours of one call
KEEP = 1000  # calls; older folders go
WINDOWS = 8  # a quarter of a second
LAST_WORDS_BYTES = 256  # kept free for the line that says that the file is full

_encoder = msgspec.json.Encoder(enc_hook=str)


class Header(msgspec.Struct, frozen=True):
    """The first line."""

    call: str
    agent: str
    language: str
    """The call's language, a tag."""
    policy: Policy
    """Every number that the call began with."""
    started_s: float
    """Seconds since the epoch."""
    format: str = FORMAT
    version: int = VERSION


class NullJournal:
    """Keeps nothing."""

    def event(self, event: Event) -> None: ...

    def action(self, at_ms: float, action: Action) -> None: ...

    def note(self, at_ms: float, kind: str, **facts: object) -> None: ...

    def close(self) -> None: ...


class FileJournal:
    """A protocols.Journal by shape. Nothing here raises, but for a call id that is no name: what cannot be written
    is counted in `lost`, said once in the log, and once in the file when it can be written again.

    root: folder of all calls; max_bytes: bound of the file.
    """

    def __init__(
        self, root: Path, call_id: str, *, agent: str, policy: Policy, language: str, max_bytes: int = MAX_BYTES
    ) -> None:
        if not re.fullmatch(r"[\w-]{1,100}", call_id):
            raise UsageError(f"{call_id[:100]!r} is no name for a call", advice="Use letters, digits, - and _")
        self.path = root / call_id / FILE
        self.lost = 0
        self._untold = 0  # of the lost, those that the file does not say yet
        self._left = max_bytes - LAST_WORDS_BYTES
        self._torn = False
        self._windows: list[SpeechWindow] = []
        self._fd: int | None = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._fd = os.open(self.path, flags, 0o600)  # what people said is private
        except OSError as error:
            log.warning("Call %s is not recorded: %s", call_id, error.strerror)
        self._line(_encoder.encode(Header(call_id, agent, language, policy, time.time())))

    def event(self, event: Event) -> None:
        if not isinstance(event, SpeechWindow):
            self._entry(event.at_ms, "event", event)
            return
        # Half of all lines are windows, and most of them of silence: they wait for each other, or for what matters.
        self._windows.append(event)
        if len(self._windows) >= WINDOWS:
            self._write_windows()

    def action(self, at_ms: float, action: Action) -> None:
        self._entry(at_ms, "action", action)

    def note(self, at_ms: float, kind: str, **facts: object) -> None:
        self._write_windows()
        try:
            line = _encoder.encode({"at": at_ms, "note": kind} | facts | {"at": at_ms, "note": kind})
        except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
            self._lose("a note that is no JSON")
        else:
            self._line(line)

    def _write_windows(self) -> None:
        waiting, self._windows = self._windows, []
        if waiting:
            self._line(b"\n".join(_line_of(window.at_ms, "event", window) for window in waiting), len(waiting))

    def close(self) -> None:
        self._write_windows()
        if self._fd is not None:
            try:
                os.close(self._fd)
            except OSError as error:
                log.warning("%s was not closed properly: %s", self.path, error.strerror)
            self._fd = None

    def _entry(self, at_ms: float, key: str, what: Event | Action) -> None:
        self._write_windows()
        try:
            line = _line_of(at_ms, key, what)
        except (TypeError, ValueError, msgspec.MsgspecError):
            self._lose(f"{type(what).__name__} that is no JSON")
        else:
            self._line(line)

    def _line(self, line: bytes, lines: int = 1) -> None:
        if self._fd is None:
            self._lose("nowhere to write to", lines)
            return
        out = line + b"\n"
        if self._untold:
            out = _encoder.encode({"at": 0.0, "note": "lost", "lines": self._untold}) + b"\n" + out
        if self._torn:
            out = b"\n" + out
        if len(out) > self._left:
            self.lost += lines
            self._full(self._fd)
            return
        try:
            written = os.write(self._fd, out)
        except OSError as error:
            self._lose(error.strerror or "no reason given", lines)
            return
        self._left -= written
        if written < len(out):
            self._torn = True
            self._lose("only a part of a line was written")
        else:
            self._torn, self._untold = False, 0

    def _full(self, fd: int) -> None:
        log.error("%s is as large as it may become; the rest of the call is not recorded", self.path)
        try:
            os.write(fd, b'{"at":0.0,"note":"full"}\n')
        except OSError as error:
            self._lose(error.strerror or "no reason given")
        self.close()

    def _lose(self, why: str, lines: int = 1) -> None:
        if not self.lost:
            log.error("A line of %s is lost: %s", self.path, why)
        self.lost += lines
        self._untold += lines


def _line_of(at_ms: float, key: str, what: Event | Action) -> bytes:
    head = b'{"at":%s,"%s":"%s",' % (_encoder.encode(at_ms), key.encode(), type(what).__name__.encode())
    return head + _encoder.encode(what)[1:]


def prune(root: Path, keep: int = KEEP, living: Iterable[str] = ()) -> int:
    """Remove the oldest calls but `keep`, never the living ones. Only folders that hold a record are touched.
    Returns how many went; raises nothing."""
    try:
        alive = set(living)
        found = [(f.stat().st_mtime_ns, f.parent) for f in root.glob(f"*/{FILE}") if f.parent.name not in alive]
    except OSError as error:
        log.warning("Old calls in %s cannot be listed: %s", root, error.strerror)
        return 0
    old = sorted(found, reverse=True)[max(0, keep) :]
    for _, folder in old:
        shutil.rmtree(folder, ignore_errors=True)
    return len(old)
