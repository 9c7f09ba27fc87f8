"""The log of `bargein serve`: one short line for each record, written by a thread of its own.

A record may quote a client or a vendor, so that a line is bounded and has no control characters: what is not printable
is escaped. A stream that is not read (a pipe, a stopped terminal, a full disk) stops the thread, and never the event
loop: lines wait in a bounded queue, and those that find no room are counted, and told when the stream is read again.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from bargein.clock import Clock, MonotonicClock
from bargein.foreign import printable
from bargein.recorder.redaction import NO_REDACTION, Redaction
from bargein.server.log_formats import Format, LineFormatter, LogFormat, format_for
from bargein.transports.rate_limit import RateLimit

QUEUED_LINES = 2000
KINDS = 1000  # of lines, each by its place in the code
KIND_AT_ONCE, KIND_PER_S = 200, 5  # lines of one kind: a stranger can cause as many as they like
CLOSE_S = 1.0  # for the lines that still wait at the end


class LineQueue(logging.Handler):
    """Takes lines without waiting, and writes them in a thread. Close it to end the thread."""

    def __init__(
        self,
        stream: IO[str],
        most: int = QUEUED_LINES,
        clock: Clock | None = None,
        form: Format | None = None,
    ) -> None:
        super().__init__()
        self._form: Format = form or LineFormatter()
        self._file = stream.fileno()
        self._most = most
        self._waiting: deque[str] = deque()
        self._changed = threading.Condition()
        self._lost = 0
        self._clock = clock or MonotonicClock()
        self._kinds: dict[tuple[str, int], tuple[RateLimit, list[int]]] = {}
        self._ending = False
        # A daemon: a stream that is never read again must not keep the process.
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        if (left_out := self._left_out(record)) is None:
            return
        try:
            line = self._form.line(record, left_out)
        except Exception:  # as logging does: a bad log call fails nothing else
            line = self._form.remark(f"A log line of {printable(record.name)} could not be made")
        with self._changed:
            if len(self._waiting) >= self._most:
                self._lost += 1
                return
            self._waiting.append(line)
            self._changed.notify()

    def _left_out(self, record: logging.LogRecord) -> int | None:
        """How many lines of the same kind were left out before this one. None: this line is left out."""
        kind = (record.pathname, record.lineno)  # not by the logger: picows has one for each connection
        if kind not in self._kinds and len(self._kinds) < KINDS:
            self._kinds[kind] = RateLimit(self._clock, KIND_PER_S, KIND_AT_ONCE), [0]
        if kind not in self._kinds:
            return 0
        limit, left_out = self._kinds[kind]
        if not limit.take():
            left_out[0] += 1
            return None
        before, left_out[0] = left_out[0], 0
        return before

    def close(self) -> None:
        """Write what waits, within a bound."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join(CLOSE_S)
        super().close()

    def _write(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._ending:
                    self._changed.wait()
                lines = list(self._waiting)
                self._waiting.clear()
                lost, self._lost = self._lost, 0
            if not lines and not lost:
                return  # it ends
            if lost:
                lines.append(self._form.remark(f"{lost} lines of the log are lost: its reader was too slow"))
            for line in lines:
                self._put(f"{line}\n".encode(errors="backslashreplace"))

    def _put(self, data: bytes) -> None:
        # By the file's number: a stream of Python's has a lock, which a thread that is stuck in it holds at the exit.
        try:
            while data:
                data = data[os.write(self._file, data) :]
        except OSError:
            with self._changed:
                self._lost += 1


@contextmanager
def log_lines(
    level: int, redaction: Redaction = NO_REDACTION, source: str = "", form: LogFormat = "text"
) -> Iterator[None]:
    """Write the process's log to stderr while the block lasts, unless the process has a log of its own. source: which
    of several processes this is."""
    root = logging.getLogger()
    if root.handlers:
        yield
        return
    handler, before = LineQueue(sys.stderr, form=format_for(form, redaction, source)), root.level
    root.addHandler(handler)
    root.setLevel(level)
    try:
        yield
    finally:
        root.setLevel(before)
        root.removeHandler(handler)
        handler.close()
