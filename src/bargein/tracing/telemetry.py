"""OpenTelemetry's SDK around our calls: one tracer for all calls of the process, and its metrics by OTLP.

The standard variables rule where and how (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, OTEL_TRACES_SAMPLER,
OTEL_BSP_MAX_QUEUE_SIZE, OTEL_RESOURCE_ATTRIBUTES, ...). Where the program has set a tracer provider of its own, that
one is used, and its owner exports and closes it.

Spans are exported by the SDK's thread from its bounded queue. A collector that hangs, refuses or is slow costs spans,
and one line of the log each minute.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

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
CLOSE_S = 1.5  # for what still waits to be exported when the server ends


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


@asynccontextmanager
async def open_telemetry(
    content: Redaction | None, process: ThisProcess, registry: CollectorRegistry
) -> AsyncIterator[CallTracer]:
    """Tracer and metrics' export while the block lasts. The end waits CLOSE_S at most."""
    with collector_log():
        resource = resource_of(process)
        given = api.get_tracer_provider()
        own = None if isinstance(given, TracerProvider) or not _exports("TRACES") else provider_for(resource)
        push = MetricsPush(OTLPMetricExporter(), resource, registry) if _exports("METRICS") else None
        collecting = None if push is None else asyncio.create_task(push.run(), name="metrics by OTLP")
        try:
            yield CallTracer((own or given).get_tracer(SCOPE, process.version), content)
        finally:
            if collecting is not None:
                collecting.cancel()
                await asyncio.wait([collecting])
            ends: list[Callable[[], object]] = [] if push is None else [push.close]
            ends += [] if own is None else [own.shutdown]
            await asyncio.to_thread(_end_within, ends, CLOSE_S)


@contextmanager
def whole_process(process: ThisProcess) -> Iterator[None]:
    """Every tracer of the process exports as ours does, while the block lasts."""
    with collector_log():
        if isinstance(api.get_tracer_provider(), TracerProvider) or not _exports("TRACES"):
            yield
            return
        provider = provider_for(resource_of(process))
        api.set_tracer_provider(provider)
        try:
            yield
        finally:
            _end_within([provider.shutdown], CLOSE_S)


def provider_for(resource: Resource) -> TracerProvider:
    """A provider that exports by OTLP over HTTP."""
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def resource_of(process: ThisProcess) -> Resource:
    """What is said of this process. The owner's own words (OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES) stand."""
    ours = {"service.name": "bargein", "service.version": process.version, "service.instance.id": process.node}
    return Resource.create({**ours, **OTELResourceDetector().detect().attributes})


def _exports(signal: str) -> bool:
    """Whether the standard variables let a signal be exported."""
    off = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return not off and os.environ.get(f"OTEL_{signal}_EXPORTER", "otlp").strip().lower() != "none"


def _end_within(ends: list[Callable[[], object]], most_s: float) -> None:
    """Call all of them at once, in threads, and wait so long for them."""
    threads = [threading.Thread(target=_quietly, args=(end,), daemon=True, name="end of OTLP") for end in ends]
    until_s = time.monotonic() + most_s
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until_s - time.monotonic()))


def _quietly(end: Callable[[], object]) -> None:
    try:
        end()
    except Exception as error:
        logging.getLogger(__name__).warning("OpenTelemetry did not end in good order: %s", error)
