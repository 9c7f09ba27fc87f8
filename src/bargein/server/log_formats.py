"""A line of the log as text, or as JSON. Either is bounded, has no control characters, and leaves out what the owner
wants left out."""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime
from typing import Literal

from bargein.foreign import printable
from bargein.recorder.redaction import NO_REDACTION, Redaction
from bargein.server.log_context import call_of

LogFormat = Literal["text", "json"]
LINE_CHARS = 2000  # of one line
TRACE_LINES = 60  # of a traceback: the last ones


class LineFormatter(logging.Formatter):
    """`12:34:56 WARNING  text`. A traceback follows in lines of its own, each indented.

    source: which of several processes writes; stands before the text."""

    def __init__(self, redaction: Redaction = NO_REDACTION, source: str = "") -> None:
        super().__init__("%(asctime)s %(levelname)-8s %(message)s", "%H:%M:%S")
        self._redaction = redaction
        self._source = f"{source}: " if source else ""

    def format(self, record: logging.LogRecord) -> str:
        return self.line(record)

    def line(self, record: logging.LogRecord, left_out: int = 0) -> str:
        """left_out: so many lines of the same kind were not written before this one."""
        record.asctime = self.formatTime(record, self.datefmt)
        text = self._source + printable(record.getMessage(), LINE_CHARS)
        lines = [f"{record.asctime} {record.levelname:<8} {text}"]
        if record.exc_info:
            lines += [f"    {line}" for line in traceback_of(self, record)]
        more = f" ({left_out} more of these before)" if left_out else ""
        return "\n".join(map(self._redaction.log_line, lines)) + more

    def remark(self, text: str) -> str:
        """A line of the log on itself."""
        return text


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message; call, agent, door and trace_id, where the line is
    about a call; error, where the line has one; worker, where there are several; left_out."""

    def __init__(self, redaction: Redaction = NO_REDACTION, source: str = "") -> None:
        super().__init__()
        self._redaction = redaction
        self._source = source

    def format(self, record: logging.LogRecord) -> str:
        return self.line(record)

    def line(self, record: logging.LogRecord, left_out: int = 0) -> str:
        """left_out: so many lines of the same kind were not written before this one."""
        told = self._head(record.created, record.levelname, record.name)
        told["message"] = self._redacted(record.getMessage())
        if (call := call_of(record)) is not None:
            told |= {"call": printable(call.call), "agent": printable(call.agent), "door": printable(call.door)}
            told |= {"trace_id": call.trace_id} if call.trace_id else {}
        if record.exc_info and record.exc_info[0] is not None:
            told["error"] = {
                "type": record.exc_info[0].__name__,
                "message": self._redacted(str(record.exc_info[1])),
                "trace": [self._redaction.log_line(line) for line in traceback_of(self, record)],
            }
        if left_out:
            told["left_out"] = left_out
        return json.dumps(told, ensure_ascii=False)

    def remark(self, text: str) -> str:
        """A line of the log on itself."""
        return json.dumps({**self._head(time.time(), "WARNING", __name__), "message": text}, ensure_ascii=False)

    def _head(self, created_s: float, level: str, logger: str) -> dict[str, object]:
        at = datetime.fromtimestamp(created_s, UTC).isoformat(timespec="milliseconds")
        head: dict[str, object] = {"time": at.replace("+00:00", "Z"), "level": level, "logger": printable(logger)}
        return head | ({"worker": self._source} if self._source else {})

    def _redacted(self, text: str) -> str:
        return self._redaction.log_line(printable(text, LINE_CHARS))


Format = LineFormatter | JsonFormatter


def traceback_of(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    """The last lines of a record's traceback."""
    assert record.exc_info
    trace = formatter.formatException(record.exc_info).splitlines()
    return [printable(line, LINE_CHARS) for line in trace[-TRACE_LINES:]]


def format_for(form: LogFormat, redaction: Redaction = NO_REDACTION, source: str = "") -> Format:
    """source: which of several processes writes."""
    return (JsonFormatter if form == "json" else LineFormatter)(redaction, source)
