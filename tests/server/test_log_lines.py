"""The server's log: bounded lines without control characters, and a stream that is not read stops no call."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from time import process_time

import pytest

from bargein.clock import ManualClock
from bargein.errors import ProtocolError
from bargein.server.log_formats import LINE_CHARS, TRACE_LINES, LineFormatter
from bargein.server.log_lines import LineQueue, log_lines


def line(message: str, *args: object, error: BaseException | None = None) -> str:
    trace = (type(error), error, error.__traceback__) if error is not None else None
    return LineFormatter().format(logging.LogRecord("bargein", logging.WARNING, "", 0, message, args, trace))


def test_a_line_has_its_time_its_level_and_its_text() -> None:
    at, level, text = line("Call %s: over", "c1").split(maxsplit=2)
    assert (len(at), level, text) == (8, "WARNING", "Call c1: over")


def test_what_a_client_says_writes_no_line_of_its_own_and_no_colour() -> None:
    made = line("refused: %s", "a\n12:00:00 ERROR  the server is hacked\x1b[2J")
    assert made.count("\n") == 0
    assert made.isprintable()
    assert r"\n12:00:00 ERROR  the server is hacked\x1b[2J" in made


def test_53_000_characters_cost_next_to_nothing() -> None:
    began = process_time()
    for text in ("x" * 53_000, "a=1 " * 13_000, "(" * 53_000, "http://a/" * 6000, "\n" * 53_000):
        assert len(line("%s", text)) <= LINE_CHARS + 20
    assert process_time() - began < 0.5  # of the processor; a highlighter took 17 s for the first


def test_a_traceback_is_bounded_in_both_directions() -> None:
    error = ValueError("<html>\n" * 100_000 + "x" * 1_000_000)
    lines = line("A call failed", error=error).splitlines()
    assert len(lines) == TRACE_LINES + 1
    assert all(each.isprintable() and len(each) <= LINE_CHARS + 4 for each in lines)
    assert lines[-1].startswith("    xxx")


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def taken(end: int, until: str) -> str:
    """What the log wrote, up to a text."""
    text = ""
    while until not in text:
        text += os.read(end, 65_536).decode()
    return text


def test_a_log_that_is_not_read_is_lost_and_says_how_much(pipe: tuple[int, int]) -> None:
    read, write = pipe
    with os.fdopen(os.dup(write), "w") as stream:
        queue = LineQueue(stream, most=10, clock=(clock := ManualClock()))
        log = logging.Logger("test")
        log.addHandler(queue)
        for n in range(500):  # the pipe takes 64 KiB: some 50 of these; the loop ends, so that no line waits for it
            clock.advance(1000)
            log.warning("%d %s", n, "x" * 1500)
        log.warning("the last")
        threading.Thread(target=queue.close, daemon=True).start()  # what waits is written while the pipe is read
        told, lost = "", 0
        kept: list[int] = []
        while len(kept) + lost < 501:
            told += os.read(read, 65_536).decode()
            whole = told[: told.rfind("\n") + 1].splitlines()
            kept = [int(each.split()[2]) for each in whole if "xxx" in each]
            kept += [500 for each in whole if each.endswith("the last")]
            lost = sum(int(each.split()[0]) for each in whole if "are lost" in each)
        assert kept == sorted(kept)
        assert len(kept) + lost == 501
        assert lost > 400


def test_lines_that_a_stranger_can_repeat_are_left_out_and_counted(pipe: tuple[int, int]) -> None:
    read, write = pipe
    with os.fdopen(os.dup(write), "w") as stream:
        queue = LineQueue(stream, clock=(clock := ManualClock()))
        log = logging.Logger("test")
        log.addHandler(queue)
        for n in range(1001):
            clock.advance(10_000 if n == 1000 else 0)
            log.warning("Invalid request %d", n)
        log.warning("of another kind")
        lines = taken(read, "of another kind").splitlines()
        queue.close()
    assert len(lines) == 202
    assert lines[-2].endswith("Invalid request 1000 (800 more of these before)")


def test_a_logger_for_each_connection_gives_no_line_more(pipe: tuple[int, int]) -> None:
    """As picows has: strangers wrote 1200 errors in a second."""
    read, write = pipe
    with os.fdopen(os.dup(write), "w") as stream:
        queue = LineQueue(stream, clock=ManualClock())
        logs = [logging.Logger(f"test.{connection}") for connection in range(300)]
        for log in logs:
            log.addHandler(queue)
            log.error("Broken frame")
        logs[0].error("of another kind")
        lines = taken(read, "of another kind").splitlines()
        queue.close()
    assert len(lines) == 201


def test_the_log_goes_to_stderr_while_the_server_runs_and_not_after(
    monkeypatch: pytest.MonkeyPatch, pipe: tuple[int, int]
) -> None:
    read, write = pipe
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    with os.fdopen(os.dup(write), "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        with log_lines(logging.WARNING):
            logging.getLogger("some.library").warning("of a library")
            logging.getLogger("bargein.call").info("not shown")
        assert root.handlers == []
    assert "of a library" in taken(read, "of a library")


def test_a_log_of_the_users_own_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    own = logging.NullHandler()
    monkeypatch.setattr(logging.getLogger(), "handlers", [own])
    with log_lines(logging.WARNING):
        assert logging.getLogger().handlers == [own]


def test_an_error_that_quotes_a_client_is_bounded_before_any_log() -> None:
    error = ProtocolError(f"Invalid value '{'x' * 53_000}'", advice="Send less", code="bad_message")
    assert len(str(error)) < 5000
