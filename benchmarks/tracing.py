"""What a call's trace costs: `python -m benchmarks.tracing`.

The first rows are the trace alone: all that a lively call in moved time told its journal is told to a trace, and the
processor's time is taken, of the event loop's part and of the exporter's, for each second of the call. The others are
telephones with and without `--otel`, in turns (`--calls 100`; without it, none), beside a collector that takes all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Annotated

import typer
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from rich.console import Console

import bargein.testing
from bargein import Agent, Greeting, Policy
from bargein.floor import Action, Event
from bargein.recorder.journal import NullJournal
from bargein.tracing.call_spans import CallSpans
from benchmarks import phone
from benchmarks.sounds import clips
from benchmarks.table import Check, SpreadRow, show

GOAL = "<= 500"
RUNS = 5
ROUNDS = 6  # of the caller: a turn, a backchannel and a cut each
Told = Callable[[NullJournal | CallSpans], None]


class ToldKept:
    """protocols.Journal by shape: keeps all that it is told, to be told again."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.last_ms = 0.0

    def event(self, event: Event) -> None:
        self.told.append(lambda journal: journal.event(event))

    def action(self, at_ms: float, action: Action) -> None:
        self.told.append(lambda journal: journal.action(at_ms, action))

    def note(self, at_ms: float, kind: str, **facts: object) -> None:
        self.last_ms = max(self.last_ms, at_ms)
        self.told.append(lambda journal: journal.note(at_ms, kind, **facts))

    def close(self) -> None: ...


def speaker() -> Agent:
    """Its answers are interrupted."""
    text = "There are three rooms free on Friday and two of them have a view of the lake which one do you like best"
    return Agent(
        name="bench",
        llm=bargein.testing.ScriptedLLM(*[text] * (2 * ROUNDS)),
        tts=bargein.testing.ToneTTS(),
        stt=bargein.testing.ScriptedSTT(),
        greeting=Greeting("Good evening how may I help you today"),
        policy=Policy.balanced(),
    )


async def lively_call() -> ToldKept:
    """A call in moved time."""
    kept = ToldKept()
    async with bargein.testing.call(speaker(), journal=kept) as call:
        await call.agent_says("today")
        for _ in range(ROUNDS):
            await call.user_says("have you got a room for Friday")
            await call.backchannel("mhm", over="three rooms")
            await call.user_says("wait stop that", over="two of")
        await call.hang_up()
    return kept


def tell(kept: ToldKept, spans: InMemorySpanExporter | None) -> float:
    """Tell all of it, to a trace or to nothing. Returns the processor's time, in s."""
    journal: NullJournal | CallSpans = NullJournal()
    if spans is not None:
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(spans))
        journal = CallSpans(
            provider.get_tracer("bargein"), journal, call_id="c1", agent=speaker(), policy=Policy.balanced(),
            door="browser", facts={}, content=None,
        )  # fmt: skip
    began = time.thread_time()
    for each in kept.told:
        each(journal)
    journal.close()
    return time.thread_time() - began


def exported(spans: tuple[ReadableSpan, ...]) -> float:
    """What the exporter's thread does with them, but for the network. Returns the processor's time, in s."""
    began = time.thread_time()
    encode_spans(spans).SerializePartialToString()
    return time.thread_time() - began


def rows(quick: bool) -> list[SpreadRow | Check]:
    """The trace alone. quick: fewer runs."""
    kept = asyncio.run(lively_call())
    seconds = kept.last_ms / 1000
    loop, sent, off = list[float](), list[float](), list[float]()
    number = 0
    for _ in range(2 if quick else RUNS):
        spans = InMemorySpanExporter()
        loop.append(tell(kept, spans) / seconds * 1e6)
        number = len(spans.get_finished_spans())
        sent.append(exported(spans.get_finished_spans()) / seconds * 1e6)
        off.append(tell(kept, None) / seconds * 1e6)
    whole = tuple(a - b + c for a, b, c in zip(loop, off, sent, strict=True))
    return [
        SpreadRow("a call's trace: processor, microseconds a second", whole, GOAL),
        SpreadRow("  of it the exporter's", tuple(sent)),
        SpreadRow("  spans a second", (number / seconds,)),
    ]


@contextmanager
def sink() -> Iterator[str]:
    """A collector that takes all and keeps nothing. Its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def telephones(number: int, *, times: int, seconds: float) -> list[SpreadRow | Check]:
    """So many telephones at once, with and without traces, in turns."""
    spoken = phone.at_eight(clips(None))
    found: list[SpreadRow | Check] = []
    with sink() as url:
        for name, given in (("off", {}), ("on", {"BARGEIN_OTEL": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": url})):
            run = partial(phone.calls, spoken, number, seconds, given)
            runs = [asyncio.run(run()) for _ in range(times)]
            costs = tuple(1000 * each.usage.cores / number for each in runs if each.usage is not None)
            found += [
                SpreadRow(f"{number} telephones, traces {name}: processor for each call, ms/s", costs),
                SpreadRow("  onset to silence at the ear", tuple(stop for each in runs for stop in each.stops)),
            ]
    return found


def main(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer runs")] = False,
    calls: Annotated[int, typer.Option(help="Telephones at once; 0: none")] = 0,
    times: Annotated[int, typer.Option(help="Runs of each kind")] = 2,
    seconds: Annotated[float, typer.Option(help="Length of a telephone's call")] = 30,
) -> None:
    """Measure what tracing costs on this machine."""
    measured = rows(quick)
    if calls:
        measured += telephones(calls, times=times, seconds=seconds)
    show(Console(width=140), measured)


if __name__ == "__main__":
    typer.run(main)
