"""Our metrics by OTLP, under the same names as Prometheus reads them. Nothing is measured twice: all values are read
where Prometheus would read them, once each interval, and sent by a thread."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import threading
import time
from collections.abc import Iterable, Sequence

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.samples import Sample

log = logging.getLogger(__name__)

SCOPE = InstrumentationScope("bargein")
INTERVAL = "OTEL_METRIC_EXPORT_INTERVAL"  # ms
INTERVAL_MS = 60_000.0
CUMULATIVE = AggregationTemporality.CUMULATIVE


class MetricsPush:
    """`run` reads the metrics in the event loop, as the page for Prometheus does; a thread sends them. An exporter that
    is slow gets the newest values only."""

    def __init__(self, exporter: MetricExporter, resource: Resource, registry: CollectorRegistry) -> None:
        self._exporter = exporter
        self._resource = resource
        self._registry = registry
        self._began_ns = time.time_ns()
        self._newest: tuple[int, list[Family]] | None = None
        self._changed = threading.Condition()
        self._ending = False
        self._thread = threading.Thread(target=self._send, name="metrics by OTLP", daemon=True)
        self._thread.start()

    async def run(self) -> None:
        """Until it is cancelled; then the last values are read."""
        try:
            while True:
                await asyncio.sleep(_interval_s())
                self._read()
        finally:
            self._read()

    def close(self) -> None:
        """Send what waits. May wait for the collector."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join()
        self._exporter.shutdown()

    def _read(self) -> None:
        families = list(self._registry.collect())
        with self._changed:
            self._newest = (time.time_ns(), families)
            self._changed.notify()

    def _send(self) -> None:
        while True:
            with self._changed:
                while self._newest is None and not self._ending:
                    self._changed.wait()
                newest, self._newest = self._newest, None
            if newest is None:
                return
            try:
                self._exporter.export(as_otlp(newest[1], self._resource, self._began_ns, newest[0]))
            except Exception:
                log.exception("Metrics could not be sent")


def as_otlp(families: Iterable[Family], resource: Resource, began_ns: int, now_ns: int) -> MetricsData:
    """Prometheus's families as OTLP's metrics."""
    metrics = [_metric(family, began_ns, now_ns) for family in families]
    scope = ScopeMetrics(SCOPE, [metric for metric in metrics if metric is not None], "")
    return MetricsData([ResourceMetrics(resource, [scope], "")])


def _metric(family: Family, began_ns: int, now_ns: int) -> Metric | None:
    samples = family.samples
    if family.type == "histogram":
        points = [_histogram(rows, began_ns, now_ns) for rows in _by_labels(samples).values()]
        return Metric(family.name, family.documentation, "", Histogram(points, CUMULATIVE))
    if family.type == "counter":
        totals = [sample for sample in samples if sample.name.endswith("_total")]
        numbers = [NumberDataPoint(s.labels, began_ns, now_ns, s.value) for s in totals]
        return Metric(family.name, family.documentation, "", Sum(numbers, CUMULATIVE, is_monotonic=True))
    if family.type == "gauge":
        numbers = [NumberDataPoint(s.labels, began_ns, now_ns, s.value) for s in samples]
        return Metric(family.name, family.documentation, "", Gauge(numbers))
    return None


def _by_labels(samples: Sequence[Sample]) -> dict[tuple[tuple[str, str], ...], list[Sample]]:
    found: dict[tuple[tuple[str, str], ...], list[Sample]] = {}
    for sample in samples:
        key = tuple(sorted((name, value) for name, value in sample.labels.items() if name != "le"))
        found.setdefault(key, []).append(sample)
    return found


def _histogram(rows: Sequence[Sample], began_ns: int, now_ns: int) -> HistogramDataPoint:
    """Prometheus counts each bucket with all below; OTLP counts each alone."""
    upto = sorted((float(row.labels["le"]), row.value) for row in rows if row.name.endswith("_bucket"))
    counts = [value - before for (_, value), before in zip(upto, [0.0, *(v for _, v in upto)], strict=False)]
    total = next(row.value for row in rows if row.name.endswith("_sum"))
    return HistogramDataPoint(
        attributes={name: value for name, value in rows[0].labels.items() if name != "le"},
        start_time_unix_nano=began_ns,
        time_unix_nano=now_ns,
        count=int(upto[-1][1]),
        sum=total,
        bucket_counts=[int(count) for count in counts],
        explicit_bounds=[bound for bound, _ in upto if not math.isinf(bound)],
        min=None,  # type: ignore[arg-type]  # Prometheus does not know them; OTLP need not
        max=None,  # type: ignore[arg-type]
    )


def _interval_s() -> float:
    try:
        return max(float(os.environ.get(INTERVAL, INTERVAL_MS)), 1.0) / 1000
    except ValueError:
        return INTERVAL_MS / 1000
