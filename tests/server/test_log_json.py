"""The log as JSON: one object a line, with its call."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bargein.clock import ManualClock
from bargein.recorder.redaction import Redaction
from bargein.server.log_context import LoggedCall, logged_call
from bargein.server.log_formats import LINE_CHARS, JsonFormatter
from bargein.server.log_lines import LineQueue
from tests.server.kit import Echo, settings, tone_agent, world


def record(message: str, *args: object, error: BaseException | None = None) -> logging.LogRecord:
    trace = (type(error), error, error.__traceback__) if error is not None else None
    return logging.LogRecord("bargein.call", logging.WARNING, "", 0, message, args, trace)


def told(made: logging.LogRecord, redaction: Redaction | None = None, source: str = "") -> dict[str, Any]:
    line = JsonFormatter(redaction or Redaction(), source).format(made)
    assert line.isprintable(), "one line, and no escape sequences"
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_line_is_one_object_with_time_level_logger_and_message() -> None:
    made = record("it's %s", "a\n\x1b[2J\x9b")
    made.created = 1_790_000_000.5
    assert told(made) == {
        "time": "2026-09-21T14:13:20.500Z",
        "level": "WARNING",
        "logger": "bargein.call",
        "message": r"it's a\n\x1b[2J\x9b",
    }
    assert told(made, source="worker 2")["worker"] == "worker 2"


def test_a_line_tells_its_call_by_its_words_or_by_its_task() -> None:
    with logged_call(LoggedCall("c1", "hotel", "sip", "ab12")), logged_call(LoggedCall("c2", "hotel", "browser")):
        named, of_the_task = told(record("Call %s: over", "c1")), told(record("A vendor is late"))
    assert (named["call"], named["agent"], named["door"], named["trace_id"]) == ("c1", "hotel", "sip", "ab12")
    assert (of_the_task["call"], of_the_task["door"]) == ("c2", "browser")
    assert "trace_id" not in of_the_task
    assert "call" not in told(record("A vendor is late"))
    assert told(record("Call %s: over", "c9"))["call"] == "c9", "a call that is over"


def test_an_error_has_its_type_its_message_and_a_bounded_trace() -> None:
    error = ValueError("bad\n" + "x" * 100_000)
    found = told(record("A call failed", error=error))["error"]
    assert found["type"] == "ValueError"
    assert found["message"].startswith(r"bad\nxxx")
    assert len(found["message"]) == LINE_CHARS
    assert all(len(line) <= LINE_CHARS for line in found["trace"])


def test_what_is_redacted_in_text_is_redacted_here() -> None:
    hidden = Redaction(digits=True, numbers=True)
    made = record("Call %s: +4930123456 said 12345", "20261127-0244-ab", error=ValueError("code 9876"))
    found = told(made, hidden)
    assert found["call"] == "20261127-0244-ab"
    assert "30123456" not in json.dumps(found)
    assert "12345" not in json.dumps(found)
    assert found["error"]["message"] == "code ####"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_every_line_of_the_queue_is_json_its_own_remarks_too(pipe: tuple[int, int]) -> None:
    read, write = pipe
    with os.fdopen(os.dup(write), "w") as stream:
        queue = LineQueue(stream, clock=(clock := ManualClock()), form=JsonFormatter())
        log = logging.Logger("test")
        log.addHandler(queue)
        for n in range(401):
            clock.advance(10_000 if n == 400 else 0)
            log.warning("Invalid request %d", n)
        log.warning("%d", "no number")  # a bad log call
        queue.close()
    lines = [json.loads(line) for line in os.read(read, 1_000_000).decode().splitlines()]
    assert len(lines) == 202
    assert lines[200]["left_out"] == 200
    assert lines[201]["message"] == "A log line of test could not be made"


async def test_the_lines_of_a_servers_calls_name_their_call(tmp_path: Path) -> None:
    """Also those that a vendor's own code writes in a task that the call has made."""
    found: list[dict[str, Any]] = []

    class Listed(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(json.loads(JsonFormatter().format(record)))

    class Talkative(Echo):
        async def reply(self, prompt: Any) -> Any:
            logging.getLogger("their.sdk").warning("asked for an answer")
            async for delta in super().reply(prompt):
                yield delta

    agent = tone_agent("tone")
    object.__setattr__(agent, "llm", Talkative())
    handler = Listed()
    logging.getLogger("their.sdk").addHandler(handler)
    try:
        async with world(settings(tmp_path), agent) as here, here.client() as client, here.client() as other:
            await other.say("hello")
            await client.speaking()
            await asyncio.sleep(0)
    finally:
        logging.getLogger("their.sdk").removeHandler(handler)
    ids = {str(each.messages[0]["call_id"]) for each in (client, other)}
    assert {(line["call"], line["agent"], line["door"]) for line in found} == {(i, "tone", "browser") for i in ids}
