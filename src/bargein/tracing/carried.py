"""The trace context of the request that a call came by, as its headers told (W3C Trace Context)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextvars import ContextVar

HEADERS = ("traceparent", "tracestate", "baggage")
CHARS = 1000  # of one header

CARRIED: ContextVar[Mapping[str, str]] = ContextVar("CARRIED", default={})  # noqa: B039  # it is never changed
"""Of the request that is being answered. A task that the request makes has it, too."""


def carried_by(memory: bytes) -> dict[str, str]:
    """The headers in what a server remembered of a call."""
    lines = memory.decode("latin-1").split("\n")
    return carried((name, value) for name, _, value in (line.partition(":") for line in lines))


def memory_of(headers: Mapping[str, str]) -> bytes:
    """What another server reads by `carried_by`."""
    return "\n".join(f"{name}:{value}" for name, value in headers.items()).encode("latin-1", "replace")


def carried(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The headers that tell of a trace, in small letters."""
    return {low: value for name, value in headers if (low := name.lower()) in HEADERS and len(value) <= CHARS}
