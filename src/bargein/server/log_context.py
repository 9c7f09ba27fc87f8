"""Which call a line of the log is about."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

OF_A_CALL = "Call %s"  # so begins each line about a call, with the call's id


@dataclass(frozen=True, slots=True)
class LoggedCall:
    """What a line says of its call."""

    call: str
    agent: str = ""
    door: str = ""
    """What the call came by: browser, twilio, sip, ..."""
    trace_id: str = ""
    """The call's trace, where calls are traced."""


_CURRENT: ContextVar[LoggedCall | None] = ContextVar("_CURRENT", default=None)
_LIVE: dict[str, LoggedCall] = {}


@contextmanager
def logged_call(call: LoggedCall) -> Iterator[None]:
    """Lines from the block, and from the tasks of a call that runs in it, are about this call."""
    token = _CURRENT.set(call)
    _LIVE[call.call] = call
    try:
        yield
    finally:
        if _LIVE.get(call.call) is call:
            del _LIVE[call.call]
        _CURRENT.reset(token)


def call_of(record: logging.LogRecord) -> LoggedCall | None:
    """The call that a line names, else the one whose task writes the line. None: it is about no call."""
    if isinstance(record.msg, str) and record.msg.startswith(OF_A_CALL) and isinstance(record.args, tuple):
        call = str(record.args[0]) if record.args else ""
        return _LIVE.get(call) or LoggedCall(call)
    return _CURRENT.get()
