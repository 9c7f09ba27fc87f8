"""What a list of calls shows of each: `<call>/summary.json`, written once the call is over, and made anew from the
journal where it is missing or older."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from bargein.errors import BargeinError
from bargein.recorder.audio_file import AUDIO_FILE
from bargein.recorder.journal import FILE
from bargein.recorder.record_file import is_written
from bargein.recorder.story.call_story import CallStory
from bargein.recorder.story.telling import tell

log = logging.getLogger(__name__)

SUMMARY = "summary.json"
RECORDS = (FILE, AUDIO_FILE)
VERSION = 1
TEXT_CHARS = 20_000  # of what was said, for the search


class CallSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One call in a list."""

    call: str
    agent: str
    door: str
    """How the caller came: page, or the telephone's network."""
    caller: str
    """The numbers, as the record has them."""
    started_s: float
    lasted_ms: float
    ended_why: str | None
    turns: int
    holds: int
    cuts: int
    faults: int
    recorded: bool
    """There is sound."""
    whole: bool
    """The record lacks nothing."""
    text: str
    """What was said and heard, in lower case."""
    version: int = VERSION


def summarize(story: CallStory) -> CallSummary:
    """The story in a line."""
    said = [*(turn.text or "" for turn in story.turns), *(reply.text for reply in story.replies)]
    return CallSummary(
        call=story.call,
        agent=story.agent,
        door=story.facts.get("transport") or "page",
        caller=" → ".join(filter(None, (story.facts.get("from"), story.facts.get("to")))),
        started_s=story.started_s or 0.0,
        lasted_ms=story.lasted_ms,
        ended_why=story.ended_why,
        turns=story.measures.turns,
        holds=story.measures.holds,
        cuts=story.measures.cuts,
        faults=story.measures.faults,
        recorded=story.recording is not None,
        whole=not story.missing,
        text=" ".join(said).casefold()[:TEXT_CHARS],
    )


class Summaries:
    """The summaries of all calls under a folder, in memory; on disk each lies with its call. For one thread at a time.

    Nothing here raises for what is wrong on the disk.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._warned = False
        self._known: dict[str, tuple[int, CallSummary]] = {}  # by folder, with the time of its newest line

    def found(self) -> tuple[Sequence[CallSummary], Sequence[str]]:
        """The summaries that there are, newest first, and the folders that have none yet."""
        known: dict[str, tuple[int, CallSummary]] = {}
        missing: list[tuple[int, str]] = []
        for name, changed in _folders(self._root):
            held = self._known.get(name)
            if held is None or held[0] != changed:
                summary = _read(self._root / name / SUMMARY, changed)
                if summary is None:
                    missing.append((changed, name))
                    continue
                held = (changed, summary)
            known[name] = held
        self._known = known
        newest = sorted((summary for _, summary in known.values()), key=lambda each: each.started_s, reverse=True)
        return newest, [name for _, name in sorted(missing, reverse=True)]

    def make(self, name: str) -> CallSummary | None:
        """Tell a call, and keep its summary. None: the call goes on, or cannot be told."""
        folder = self._root / name
        if any(is_written(folder / name) for name in RECORDS):
            return None
        try:
            changed = _changed(folder)
            summary = summarize(tell(folder))
        except (BargeinError, OSError) as error:
            log.debug("Call %s has no summary: %s", name, error)
            return None
        self._known[name] = (changed, summary)
        try:
            _write(folder / SUMMARY, msgspec.json.encode(summary))
        except OSError as error:
            if not self._warned:
                log.warning("%s and perhaps others are not written: %s", folder / SUMMARY, error.strerror)
            self._warned = True
        return summary


def _folders(root: Path) -> Iterator[tuple[str, int]]:
    with contextlib.suppress(OSError), os.scandir(root) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                yield entry.name, _changed(Path(entry.path))


def _changed(folder: Path) -> int:
    """When the call's newest line was written, ns; its sound, where there is no line. Raises OSError where there is
    neither."""
    try:
        return (folder / FILE).stat().st_mtime_ns
    except FileNotFoundError:
        return (folder / AUDIO_FILE).stat().st_mtime_ns


def _read(path: Path, changed: int) -> CallSummary | None:
    try:
        if path.stat().st_mtime_ns < changed:
            return None
        summary = msgspec.json.decode(path.read_bytes(), type=CallSummary)
    except (OSError, msgspec.MsgspecError, UnicodeError):
        return None
    return summary if summary.version == VERSION else None


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all; for the owner's eyes. Raises OSError."""
    new = path.with_suffix(f".{os.getpid()}")
    try:
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:
            file.write(data)
        os.replace(new, path)
    except OSError:
        with contextlib.suppress(OSError):
            new.unlink()
        raise
