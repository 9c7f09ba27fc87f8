"""Opens what calls are traced with, where the owner wants traces."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from typing import Protocol

from prometheus_client import CollectorRegistry

from bargein.agent import Agent
from bargein.errors import Unavailable
from bargein.floor import Policy
from bargein.protocols import CallTrace, Journal
from bargein.recorder.redaction import Redaction
from bargein.tracing.process import ThisProcess


class TracedJournal(Journal, CallTrace, Protocol):
    """A call's journal, which makes the call's trace as it goes."""

    trace_id: str
    """In hexadecimal, as traces are looked up."""

    def current(self) -> AbstractContextManager[None]:
        """The call's span is the current one in the block, and in every task of a call that runs in the block."""
        ...

    def memory(self) -> bytes:
        """What another server needs to go on with the trace."""
        ...


class Telemetry(Protocol):
    """Makes the traces of a process's calls."""

    def call(
        self,
        journal: Journal,
        *,
        call_id: str,
        agent: Agent,
        policy: Policy,
        door: str,
        facts: Mapping[str, str],
        remembered: bytes | None,
    ) -> TracedJournal:
        """The trace of one call, which begins in the trace of the request that the call came by, if that has one.

        journal: gets all that the call tells, too. remembered: `memory` of the call's trace on another server.
        """
        ...


@asynccontextmanager
async def open_tracing(
    *, on: bool, content: bool, redaction: Redaction, process: ThisProcess, registry: CollectorRegistry
) -> AsyncIterator[Telemetry | None]:
    """Traces and metrics while the block lasts. None: the owner wants none, and nothing is imported or made.

    content: the words of calls stand in their spans, redacted. registry: the metrics. Raises
    Unavailable where OpenTelemetry is not installed.
    """
    if not on:
        yield None
        return
    with _installed():
        from bargein.tracing.telemetry import open_telemetry  # noqa: PLC0415  # a base install has no OpenTelemetry
    async with open_telemetry(redaction if content else None, process, registry) as telemetry:
        yield telemetry


@contextmanager
def process_tracing(*, on: bool, process: ThisProcess) -> Iterator[None]:
    """For a process that is ours: what tools trace by OpenTelemetry's own API is exported as calls are, while the block
    lasts. Raises Unavailable as `open_tracing` does."""
    if not on:
        yield
        return
    with _installed():
        from bargein.tracing.telemetry import whole_process  # noqa: PLC0415
    with whole_process(process):
        yield


@contextmanager
def _installed() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        missing = f"Calls cannot be traced: the package {error.name} is not installed"
        raise Unavailable(missing, advice="Install the extra: pip install 'bargein[otel]'") from error
