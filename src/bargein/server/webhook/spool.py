"""Webhooks that wait, each a file, so that they outlive the server. The processes of one server share the folder: the
one that holds a file's lock sends it.

A file's name says all but the body: when it is due, when it was made (both in seconds since the epoch), how many
attempts have failed, and the record of its call.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

if sys.platform != "win32":
    import fcntl

log = logging.getLogger(__name__)

FOLDER = ".webhooks"  # beside the records; no call has such a name
MOST_FILES = 1000
MOST_AGE_S = 72 * 3600.0
_NAME = re.compile(r"(\d{1,12})\.(\d{1,12})\.(\d{1,4})\.([\w-]{1,120})\.json")


@dataclass(frozen=True, slots=True)
class SpooledWebhook:
    """One webhook."""

    record: str
    """Name of the call's folder."""
    due_s: int
    made_s: int
    attempts: int = 0
    """How many have failed."""
    body: bytes | None = None
    """None: it lies in its file. A disk that takes no file leaves it in memory."""

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.due_s}.{self.made_s}.{self.attempts}.{self.record}.json"

    @property
    def webhook_id(self) -> str:
        """The same for every attempt, and the same where a call is told twice."""
        return f"call_{self.record}"


class WebhookSpool:
    """Every method may wait for the disk; none raises for what is wrong there."""

    def __init__(self, records: Path) -> None:
        self._folder = records / FOLDER
        self._in_memory: dict[str, SpooledWebhook] = {}
        self._told = False

    def put(self, record: str, body: bytes, now_s: float) -> bool:
        """One more, due now. False: an older one was given up for it."""
        waiting = SpooledWebhook(record, int(now_s), int(now_s))
        for known in self.waiting():
            if known.record == record:
                self.remove(known)
        room = self._make_room()
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = self._folder / f"{record}.{os.getpid()}.new"
            fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with open(fd, "wb") as file:
                file.write(body)
            os.replace(new, self._folder / waiting.name)
        except OSError as error:
            if not self._told:
                self._told = True
                log.warning("Webhooks wait in memory alone: %s: %s", self._folder, error.strerror)
            with contextlib.suppress(OSError):
                (self._folder / f"{record}.{os.getpid()}.new").unlink()
            self._in_memory[record] = replace(waiting, body=body)
        return room

    def waiting(self) -> list[SpooledWebhook]:
        """All of them, the first that is due first."""
        return sorted([*self._on_disk(), *self._in_memory.values()], key=lambda each: (each.due_s, each.record))

    @contextlib.contextmanager
    def taken(self, waiting: SpooledWebhook) -> Iterator[bytes | None]:
        """The body, while this process alone has it. None: another process has it, or has sent it."""
        if waiting.body is not None:
            yield waiting.body if waiting.record in self._in_memory else None
            return
        path = self._folder / waiting.name
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            yield None
            return
        with open(fd, "rb") as file:
            yield file.read() if _locked(fd) and _is_still(fd, path) else None

    def later(self, waiting: SpooledWebhook, due_s: float) -> None:
        """An attempt failed: another one is due then."""
        later = replace(waiting, due_s=int(due_s), attempts=min(waiting.attempts + 1, 9999))
        if waiting.body is not None:
            self._in_memory[waiting.record] = later
            return
        with contextlib.suppress(OSError):
            os.replace(self._folder / waiting.name, self._folder / later.name)

    def remove(self, waiting: SpooledWebhook) -> None:
        """It was sent, or is given up."""
        self._in_memory.pop(waiting.record, None)
        with contextlib.suppress(OSError):
            (self._folder / waiting.name).unlink()

    def forget_call(self, call_id: str) -> None:
        """A call is to be forgotten, on whichever servers it was: nothing of it is sent."""
        for each in self.waiting():
            if is_of(each.record, call_id):
                self.remove(each)

    def _make_room(self) -> bool:
        """False: there was none, and the oldest one was given up."""
        waiting = sorted(self.waiting(), key=lambda each: each.made_s)
        old = waiting[: max(0, len(waiting) - MOST_FILES + 1)]
        for each in old:
            self.remove(each)
        return not old

    def _on_disk(self) -> list[SpooledWebhook]:
        try:
            names = os.listdir(self._folder)
        except OSError:
            return []
        found = [match for name in names if (match := _NAME.fullmatch(name))]
        return [SpooledWebhook(m.group(4), int(m.group(1)), int(m.group(2)), int(m.group(3))) for m in found]


def is_of(record: str, call_id: str) -> bool:
    """Whether a record is the call's, or that of a part of it on another server."""
    return re.fullmatch(rf"{re.escape(call_id)}(-\d+)?", record) is not None


def _locked(fd: int) -> bool:
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_still(fd: int, path: Path) -> bool:
    """The file has its name yet: no process has sent or moved it before the lock was ours."""
    try:
        return os.fstat(fd).st_ino == os.stat(path).st_ino
    except OSError:
        return False
