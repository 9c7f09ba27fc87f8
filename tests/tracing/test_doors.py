"""Where a call's trace begins: in the trace of the request that it came by, at every door; and what a trace leaves."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from opentelemetry import trace as api

from bargein.server import serve
from bargein.server.trace_headers import carry_trace
from bargein.tracing.carried import CARRIED, CHARS, carried, carried_by, memory_of
from tests.server.kit import settings, tone_agent, world
from tests.server.telephone.test_twilio import stream
from tests.server.test_kept_calls import lost
from tests.server.two_nodes import node, shared_stores
from tests.tracing.kit import Spans
from tests.tracing.test_export import PARENT, SPAN, TRACE, one_call


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Spans:
    """The program's own tracer provider: what the server's calls tell it."""
    made = Spans()
    monkeypatch.setattr(api, "get_tracer_provider", lambda: made.provider)
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    return made


def parent_of(spans: Spans) -> tuple[str, str]:
    call = spans.one("call")
    assert call.parent is not None
    return format(call.parent.trace_id, "032x"), format(call.parent.span_id, "016x")


@pytest.mark.parametrize("server", ["picows", "asgi"])
@pytest.mark.parametrize("told", ["header", "parameter"])
async def test_a_telephones_stream(told: str, server: str, spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "FAST", server == "picows")
    headers = {"traceparent": PARENT} if told == "header" else {}
    parameters = {"traceparent": PARENT} if told == "parameter" else {}
    async with world(settings(otel=True, keep_s=0), tone_agent("tone", "Hello there")) as here:
        async with stream(here, additional_headers=headers) as phone:
            await phone.start("CA1", parameters)
            await phone.until("media")
        await here.nobody_left()
    assert parent_of(spans) == (TRACE, SPAN)
    assert (spans.one("call").attributes or {})["bargein.door"] == "twilio AC1"


def test_what_another_server_remembers_goes_on_in_the_same_trace() -> None:
    assert carried_by(memory_of({"traceparent": PARENT, "tracestate": "a=b"})) == {
        "traceparent": PARENT,
        "tracestate": "a=b",
    }
    assert carried_by(b"\xff\x00nonsense") == {}


def test_other_headers_and_endless_ones_are_not_carried() -> None:
    found = carried([("Traceparent", PARENT), ("cookie", "secret"), ("baggage", "x" * (CHARS + 1))])
    assert found == {"traceparent": PARENT}


async def test_where_no_traces_are_wanted_no_header_is_looked_at() -> None:
    async with world(settings()) as here:
        carry_trace(here.hub, {"traceparent": PARENT})
        assert CARRIED.get() == {}


async def test_a_trace_that_is_over_leaves_nothing_behind(spans: Spans, tmp_path: Path) -> None:
    """As an ended call: without the help of Python's collector of circles."""
    async with world(settings(tmp_path, otel=True), tone_agent("tone", "Hello there")) as here:
        await one_call(here)
        gc.collect()
        gc.disable()
        try:
            await one_call(here)
            kinds = [type(each) for each in gc.get_objects()]
        finally:
            gc.enable()
    left = {kind.__name__ for kind in kinds if str(kind.__module__).startswith("bargein.tracing.")}
    assert left == {"CallTracer", "ThisProcess", "_OncePerMinute"}, "the server's own"


async def test_a_call_that_goes_on_at_another_server_stays_in_its_trace(
    spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = shared_stores(monkeypatch)
    agent = tone_agent(greeting="one two three four five six seven eight nine ten " * 3)
    async with node("a", agent, otel=True, keep_s=1.0) as a, node("b", agent, otel=True, keep_s=1.0) as b:
        async with a.client() as first:
            await first.until("state", state="speaking")
            assert await a.hub.fleet.remembered(str(first.messages[0]["call_id"]))
            again = await lost(first)
        stores.cut("a")
        async with b.client(again | {"follows": True}) as second:
            assert second.messages[0]["restored"] is True
            await second.send({"type": "hangup"})
            await second.closed()
        await b.nobody_left()
        await a.nobody_left()
    one, other = spans("call")
    assert one.context is not None
    assert other.parent is not None
    assert (other.parent.trace_id, other.parent.span_id) == (one.context.trace_id, one.context.span_id)
