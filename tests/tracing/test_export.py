"""What a server exports by OTLP: the traces of its calls and its metrics; and a collector that is at fault."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from opentelemetry import trace as api
from prometheus_client.parser import text_string_to_metric_families

from bargein.errors import Unavailable
from bargein.server.app import VoiceApp
from bargein.tracing import quiet_log
from bargein.tracing.opening import process_tracing
from bargein.tracing.process import ThisProcess
from tests.server.kit import World, settings, tone_agent, world
from tests.tracing.kit import Collector, Spans, collector

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collector() as made:
        yield aim(monkeypatch, made)


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collector(hangs=True) as made:
        yield aim(monkeypatch, made)


def aim(monkeypatch: pytest.MonkeyPatch, at: Collector) -> Collector:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", at.url)
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    return at


@asynccontextmanager
async def traced_world() -> AsyncIterator[World]:
    async with world(settings(otel=True, node="n1"), tone_agent("tone", "Hello there")) as here:
        yield here


async def one_call(here: World, **headers: str) -> str:
    async with here.client(additional_headers=headers) as client:
        await client.until("state", state="speaking")
        await client.send({"type": "hangup"})
        await client.closed()
        assert await here.nobody_left()
        return str(client.messages[0]["call_id"])


async def test_a_call_reaches_the_collector_in_the_trace_of_its_request(good: Collector) -> None:
    async with traced_world() as here:
        call_id = await one_call(here, traceparent=PARENT)
        page = (await here.http.get("/metrics")).text
    spans = {span.name: span for span in good.spans}
    call = spans["call"]
    assert (call.trace_id.hex(), call.parent_span_id.hex()) == (TRACE, SPAN)
    assert {span.trace_id for span in good.spans} == {call.trace_id}
    assert spans["reply"].parent_span_id == call.span_id
    told = {each.key: each.value.string_value for each in call.attributes}
    assert (told["bargein.call"], told["bargein.door"], told["gen_ai.agent.name"]) == (call_id, "browser", "tone")
    (resource, *_) = good.resources
    assert resource["service.name"] == "bargein"
    assert (resource["service.instance.id"], resource["deployment.environment"]) == ("n1", "test")
    same_metrics(page, good)


def same_metrics(page: str, sent: Collector) -> None:
    """The collector has every metric of the page, by its name; and its values."""
    names = [family.name for family in text_string_to_metric_families(page)]
    families = {name for name in names if not name.endswith("_created")}  # when, which OTLP tells of each point
    by_name = {metric.name: metric for metric in sent.metrics}
    assert set(by_name) == families
    (calls,) = by_name["bargein_calls"].sum.data_points
    assert (calls.as_double, by_name["bargein_calls"].sum.is_monotonic) == (1, True)
    (first,) = by_name["bargein_first_audio_ms"].histogram.data_points
    assert {each.key: each.value.string_value for each in first.attributes} == {"cause": "greeting"}
    assert (first.count, sum(first.bucket_counts), len(first.bucket_counts)) == (1, 1, len(first.explicit_bounds) + 1)
    assert first.sum > 0
    assert not first.HasField("min")


async def test_a_collector_that_hangs_keeps_neither_a_call_nor_the_end(
    hanging: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "600")  # `world` waits 15 s for the end
    async with traced_world() as here:
        await one_call(here)
        await asyncio.to_thread(hanging.asked.wait, 5)
        await one_call(here)  # while the exporter waits
    assert not hanging.go.is_set()
    assert hanging.spans == []


async def test_a_collector_that_refuses_is_told_of_once_a_minute(
    good: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    good.answer = 403
    with caplog.at_level(logging.WARNING):
        async with traced_world() as here:
            await one_call(here)
            await asyncio.to_thread(good.asked.wait, 5)
            await one_call(here)
    lines = [record.getMessage() for record in caplog.records if record.name == quiet_log.log.name]
    assert len(lines) == 1
    assert lines[0].startswith("Traces or metrics are lost: ")


async def test_nothing_is_made_where_no_traces_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("a span was made")

    monkeypatch.setattr("bargein.tracing.maker.SpanMaker.__init__", never)
    async with world(settings(), tone_agent("tone", "Hello there")) as here:
        await one_call(here, traceparent=PARENT)
        assert here.hub.telemetry is None
    assert not any("TraceHeaders" in str(each) for each in VoiceApp(settings()).user_middleware)


async def test_a_program_that_traces_already_gets_the_calls_in_its_own_traces(
    good: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = Spans()
    monkeypatch.setattr(api, "get_tracer_provider", lambda: spans.provider)
    async with traced_world() as here:
        await one_call(here)
    assert {"call", "reply"} <= {span.name for span in spans.exporter.get_finished_spans()}
    assert good.spans == [], "the program exports them itself"


async def test_the_server_of_the_command_exports_what_tools_trace_themselves(
    good: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[api.TracerProvider] = []
    monkeypatch.setattr(api, "set_tracer_provider", found.append)
    with process_tracing(on=True, process=ThisProcess("n1", "0")):
        (provider,) = found
        with provider.get_tracer("mine").start_as_current_span("look into my table"):
            pass
    assert [span.name for span in good.spans] == ["look into my table"]


def test_without_the_extra_the_server_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bargein.tracing.telemetry", None)
    with pytest.raises(Unavailable, match=r"bargein\[otel\]"), process_tracing(on=True, process=ThisProcess("n1", "0")):
        pass
