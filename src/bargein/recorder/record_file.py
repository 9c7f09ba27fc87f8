"""The file of one record: whole lines, each by one system call; what is lost is counted, and told in the file."""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

if sys.platform != "win32":  # which has no such locks
    import fcntl

log = logging.getLogger(__name__)

LAST_WORDS_BYTES = 256  # kept free for the line that says that the file is full


class RecordFile:
    """Raises nothing. path: in a folder of its own, which is made; max_bytes: bound of the file; on_lost: told how many
    lines were lost. Every method may wait for the disk."""

    def __init__(self, path: Path, max_bytes: int, on_lost: Callable[[int], None]) -> None:
        self.path = path
        self.lost = 0
        """Lines that are not in the file."""
        self._on_lost = on_lost
        self._untold = 0  # of the lost, those that the file does not say yet
        self._left = max_bytes - LAST_WORDS_BYTES
        self._torn = False
        self._fd: int | None = None

    def open(self) -> None:
        """Make folder and file, readable by the owner only: what people said is private."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._fd = os.open(self.path, flags, 0o600)
            hold(self._fd)
        except OSError as error:
            log.warning("Call %s is not recorded: %s", self.path.parent.name, error.strerror)

    def write(self, line: bytes, lines: int = 1, dropped: int = 0) -> None:
        """line: may be several, joined. dropped: lines that never came here, before this one."""
        self._untold += dropped
        if self._fd is None:
            self.lose("nowhere to write to", lines)
            return
        out = line + b"\n"
        if self._untold:
            out = b'{"at":0.0,"note":"lost","lines":%d}\n' % self._untold + out
        if self._torn:
            out = b"\n" + out
        if len(out) > self._left:
            self.lost += lines
            self._on_lost(lines)
            self._full(self._fd)
            return
        try:
            written = os.write(self._fd, out)
        except OSError as error:
            self.lose(error.strerror or "no reason given", lines)
            return
        self._left -= written
        if written < len(out):
            self._torn = True
            self.lose("only a part of a line was written")
        else:
            self._torn, self._untold = False, 0

    def lose(self, why: str, lines: int = 1) -> None:
        """Lines that cannot be written."""
        if not self.lost:
            log.error("A line of %s is lost: %s", self.path, why)
        self.lost += lines
        self._untold += lines
        self._on_lost(lines)

    def close(self, dropped: int = 0) -> None:
        """dropped: as in `write`."""
        self._untold += dropped
        if self._fd is None:
            return
        try:
            if self._untold:
                told = b'{"at":0.0,"note":"lost","lines":%d}\n' % self._untold
                os.write(self._fd, b"\n" + told if self._torn else told)
            os.close(self._fd)
        except OSError as error:
            log.warning("%s was not closed properly: %s", self.path, error.strerror)
        self._fd = None

    def _full(self, fd: int) -> None:
        log.error("%s is as large as it may become; the rest of the call is not recorded", self.path)
        try:
            os.write(fd, b'{"at":0.0,"note":"full"}\n')
        except OSError as error:
            self.lose(error.strerror or "no reason given")
        self._untold = 0
        self.close()


def hold(fd: int) -> None:
    """Tell every other process that this record is being written, for as long as the file is open."""
    if sys.platform != "win32":
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            log.debug("A record is not locked: %s", error.strerror)  # a file system without locks


def is_written(path: Path) -> bool:
    """Whether a process of this machine writes the record now."""
    if sys.platform == "win32":
        return False
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False  # it is gone, or never ours
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in (errno.EWOULDBLOCK, errno.EACCES)
    finally:
        os.close(fd)
    return False
