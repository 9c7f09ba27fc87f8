"""A traced call in moved time, and a collector that decodes what it is sent."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from bargein import protocols as c
from bargein.agent import Agent
from bargein.floor import Policy
from bargein.recorder.redaction import Redaction
from bargein.tracing.call_spans import CallSpans
from tests.call.kit import Notes, Scene, ToneTTS, scene


class Spans:
    """What was exported."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("test")

    def __call__(self, name: str) -> list[ReadableSpan]:
        """The spans of this name, or whose name begins so, in the order of their beginnings."""
        found = [s for s in self.exporter.get_finished_spans() if s.name == name or s.name.startswith(f"{name} ")]
        return sorted(found, key=lambda span: span.start_time or 0)

    def one(self, name: str) -> ReadableSpan:
        (span,) = self(name)
        return span

    def text(self) -> str:
        """All that the spans tell."""
        return "\n".join(span.to_json() for span in self.exporter.get_finished_spans())


def told(span: ReadableSpan, name: str) -> Any:
    """An attribute."""
    return (span.attributes or {}).get(name)


def ms(span: ReadableSpan, since: ReadableSpan) -> tuple[float, float]:
    """When a span began and ended, on the clock of the call."""
    assert span.start_time is not None
    assert span.end_time is not None
    assert since.start_time is not None
    return (span.start_time - since.start_time) / 1e6, (span.end_time - since.start_time) / 1e6


def is_in(span: ReadableSpan, parent: ReadableSpan) -> bool:
    return span.parent is not None and parent.context is not None and span.parent.span_id == parent.context.span_id


@asynccontextmanager
async def traced(
    *texts: str, content: Redaction | None = None, notes: c.Journal | None = None, **given: Any
) -> AsyncIterator[tuple[Scene, Spans]]:
    """A call with its trace. The spans are whole after the block."""
    spans = Spans()
    shape: dict[str, Any] = {"realtime": given["realtime"]} if given.get("realtime") else {}
    agent = Agent(
        name="test",
        **(shape or {"llm": given.get("llm") or _Named(), "tts": ToneTTS()}),
        stt=given.get("streaming_stt"),
        fallback_stt=given.get("stt"),
    )
    trace = CallSpans(
        spans.tracer,
        notes or Notes(),
        call_id="c1",
        agent=agent,
        policy=Policy(),
        door="browser",
        facts={"from": "+4930123456"},
        content=content,
    )
    async with scene(*texts, trace=trace, journal=trace, **given) as s:
        yield s, spans


class _Named:
    name = "scripted llm"

    async def reply(self, prompt: c.Prompt) -> AsyncIterator[c.TextDelta]:
        yield c.TextDelta("")


@dataclass
class Collector:
    """An OTLP collector on this machine."""

    url: str = ""
    spans: list[Any] = field(default_factory=list)
    metrics: list[Any] = field(default_factory=list)
    resources: list[dict[str, str]] = field(default_factory=list)
    answer: int = 200
    go: threading.Event = field(default_factory=threading.Event)
    """Cleared: the collector takes a request, and never answers."""
    asked: threading.Event = field(default_factory=threading.Event)

    def take(self, path: str, body: bytes) -> None:
        if path.endswith("/traces"):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resources.append({a.key: a.value.string_value for a in resource.resource.attributes})
                self.spans += [span for scope in resource.scope_spans for span in scope.spans]
        else:
            for of in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                self.metrics += [metric for scope in of.scope_metrics for metric in scope.metrics]


@contextmanager
def collector(*, hangs: bool = False, answer: int = 200) -> Iterator[Collector]:
    """hangs: it takes requests and never answers them."""
    made = Collector(answer=answer)
    if not hangs:
        made.go.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            made.asked.set()
            made.go.wait()
            if made.answer == 200:
                made.take(self.path, body)
            self.send_response(made.answer)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.go.set()
        server.shutdown()
        server.server_close()
        thread.join()
