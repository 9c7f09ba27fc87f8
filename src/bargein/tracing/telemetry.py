"""OpenTelemetry's SDK around our calls: one tracer for all calls of the process, and its metrics by OTLP.

The standard variables rule where and how (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, OTEL_TRACES_SAMPLER,
OTEL_BSP_MAX_QUEUE_SIZE, OTEL_RESOURCE_ATTRIBUTES, ...). Where the program has set a tracer provider of its own, that
one is used, and its owner exports and closes it.

Spans are exported by the SDK's thread from its bounded queue. A collector that hangs, refuses or is slow costs spans,
and one line of the log each minute.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from opentelemetry import trace as api
from opentelemetry.context import Context, get_current
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import extract
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Tracer
from prometheus_client import CollectorRegistry

from bargein.agent import Agent
from bargein.floor import Policy
from bargein.protocols import Journal
from bargein.recorder.redaction import Redaction
from bargein.tracing.call_spans import CallSpans
from bargein.tracing.carried import CARRIED, carried_by
from bargein.tracing.metrics_push import MetricsPush
from bargein.tracing.process import ThisProcess
from bargein.tracing.quiet_log import collector_log

SCOPE = "bargein"
CLOSE_S = 0.7  # for what still waits to be exported when the server ends, and once more when its process does
GIVEN_UP_S = 0.2  # for a thread that waits for nothing any more


class CallTracer:
    """Telemetry's shape. content: as in SpanMaker."""

    def __init__(self, tracer: Tracer, content: Redaction | None) -> None:
        self._tracer = tracer
        self._content = content

    def call(
        self,
        journal: Journal,
        *,
        call_id: str,
        agent: Agent,
        policy: Policy,
        door: str,
        facts: Mapping[str, str],
        remembered: bytes | None = None,
    ) -> CallSpans:
        carrier = carried_by(remembered) if remembered else CARRIED.get()
        parent: Context = extract(carrier, get_current()) if carrier else get_current()
        return CallSpans(
            self._tracer,
            journal,
            call_id=call_id,
            agent=agent,
            policy=policy,
            door=door,
            facts=facts,
            content=self._content,
            parent=parent,
        )


@dataclass(frozen=True, slots=True)
class Sending:
    """Something that sends to the collector in a thread of its own."""

    end: Callable[[], object]
    """Sends what waits. May wait for the collector."""
    give_up: Callable[[], object]
    """Waits for nothing."""


@asynccontextmanager
async def open_telemetry(
    content: Redaction | None, process: ThisProcess, registry: CollectorRegistry
) -> AsyncIterator[CallTracer]:
    """Tracer and metrics' export while the block lasts. The end waits CLOSE_S at most."""
    with collector_log():
        resource = resource_of(process)
        provider, sending = api.get_tracer_provider(), list[Sending]()
        if not isinstance(provider, TracerProvider) and _exports("TRACES"):
            provider, spans = provider_for(resource)
            sending.append(spans)
        collecting = None
        if _exports("METRICS"):
            exporter = OTLPMetricExporter()
            push = MetricsPush(exporter, resource, registry)
            sending.append(Sending(push.close, exporter.shutdown))
            collecting = asyncio.create_task(push.run(), name="metrics by OTLP")
        try:
            yield CallTracer(provider.get_tracer(SCOPE, process.version), content)
        finally:
            if collecting is not None:
                collecting.cancel()
                await asyncio.wait([collecting])
            await asyncio.to_thread(_end_within, CLOSE_S, *sending)


@contextmanager
def whole_process(process: ThisProcess) -> Iterator[None]:
    """Every tracer of the process exports as ours does, while the block lasts."""
    with collector_log():
        if isinstance(api.get_tracer_provider(), TracerProvider) or not _exports("TRACES"):
            yield
            return
        provider, spans = provider_for(resource_of(process))
        api.set_tracer_provider(provider)
        try:
            yield
        finally:
            _end_within(CLOSE_S, spans)


def provider_for(resource: Resource) -> tuple[TracerProvider, Sending]:
    """A provider that exports by OTLP over HTTP."""
    provider, exporter = TracerProvider(resource=resource, shutdown_on_exit=False), OTLPSpanExporter()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider, Sending(provider.shutdown, exporter.shutdown)


def resource_of(process: ThisProcess) -> Resource:
    """What is said of this process. The owner's own words (OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES) stand."""
    ours = {"service.name": "bargein", "service.version": process.version, "service.instance.id": process.node}
    return Resource.create({**ours, **OTELResourceDetector().detect().attributes})


def _exports(signal: str) -> bool:
    """Whether the standard variables let a signal be exported."""
    off = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return not off and os.environ.get(f"OTEL_{signal}_EXPORTER", "otlp").strip().lower() != "none"


def _end_within(most_s: float, *sending: Sending) -> None:
    """End all of them at once, in threads, and wait so long for them. Then no request is tried again."""
    threads = [(each, threading.Thread(target=each.end, daemon=True, name="end of OTLP")) for each in sending]
    until_s = time.monotonic() + most_s
    for _, thread in threads:
        thread.start()
    for each, thread in threads:
        thread.join(max(0.0, until_s - time.monotonic()))
        if thread.is_alive():
            each.give_up()
            thread.join(GIVEN_UP_S)
