"""The trace of a call: its spans, their times on the call's clock, and what stands in them."""

from __future__ import annotations

import pytest
from opentelemetry import trace as api
from opentelemetry.trace import SpanKind, StatusCode

from bargein import protocols as c
from bargein.floor import Policy
from bargein.recorder.redaction import Redaction
from bargein.tracing.attributes import without_words
from tests.call.kit import SOON, Notes, ScriptedLLM, ScriptedSTT, ToneTTS
from tests.call.scripted_realtime import ScriptedRealtime
from tests.call.scripted_stt import ScriptedStreamingSTT
from tests.call.scripted_tool import ScriptedTool
from tests.tracing.kit import is_in, ms, told, traced

LONG = " ".join(f"w{k}" for k in range(30))  # 6 s
WORDS = Policy().with_({"alone_ms": 0})


async def test_a_call_is_one_trace_with_its_turn_its_reply_and_what_the_vendors_did() -> None:
    async with traced("Rooms are free") as (s, spans):
        await s.pass_ms(640, speech=0.95)
        await s.until(lambda: s.client.order == [1] and s.call.floor.live is False)
    call, turn, reply = spans.one("call"), spans.one("turn"), spans.one("reply")
    llm, tts = spans.one("chat"), spans.one("text_to_speech")
    assert call.parent is None
    assert call.kind is SpanKind.SERVER
    assert call.context is not None
    assert {each.context.trace_id for each in (turn, reply, llm, tts) if each.context} == {call.context.trace_id}
    assert is_in(turn, call)
    assert is_in(reply, call)
    assert is_in(llm, reply)
    assert is_in(tts, reply)
    assert [link.context for link in reply.links] == [turn.context], "the reply leads to the turn that it answers"
    assert told(call, "gen_ai.conversation.id") == "c1"
    assert told(call, "gen_ai.agent.name") == "test"
    assert told(call, "bargein.count.reply") == 1
    assert told(call, "bargein.end_why") == "test over"
    assert told(turn, "bargein.ended") == "answered"
    assert (told(reply, "bargein.kind"), told(reply, "bargein.ended")) == ("reply", "completed")
    assert told(reply, "bargein.first_audio_ms") == 0, "no vendor takes time here"
    assert (told(llm, "gen_ai.operation.name"), told(llm, "gen_ai.request.model")) == ("chat", "scripted llm")
    assert llm.kind is SpanKind.CLIENT
    assert told(llm, "gen_ai.provider.name") == "tests"
    assert told(llm, "gen_ai.response.time_to_first_chunk") == 0
    assert told(tts, "gen_ai.output.type") == "speech"
    began, ended = ms(turn, call)
    assert began < 64, "the pre-roll of the first speech"
    assert ms(reply, call)[0] == pytest.approx(ended), "the reply is ordered when the turn is over"


async def test_a_hold_that_was_a_cough_and_one_that_was_an_interruption() -> None:

    async with traced(greeting=LONG, policy=Policy(), stt=ScriptedSTT("", "wait stop it")) as (s, spans):
        await s.pass_ms(1000)
        await s.pass_ms(160, speech=0.95)
        await s.pass_ms(1600)
        await s.pass_ms(640)
        await s.pass_ms(1600, speech=0.95)
    call, reply = spans.one("call"), spans("reply")[0]
    first, second = spans("hold")
    assert is_in(first, reply)
    assert is_in(second, reply)
    assert [told(h, "bargein.verdict") for h in (first, second)] == ["resume", "cut"]
    resumed, cut = spans("verdict")
    assert [told(v, "bargein.verdict") for v in (resumed, cut)] == ["resume", "cut"]
    assert told(cut, "bargein.source") in ("words", "stop_phrase", "speech")
    assert 0 < told(cut, "bargein.confidence") <= 1
    assert ms(first, call)[0] > ms(resumed, call)[0] == pytest.approx(1000, abs=32), (
        "from the first sample of the sound"
    )
    assert ms(resumed, call)[1] == pytest.approx(ms(first, call)[1])
    assert told(reply, "bargein.ended") == "cut"
    assert (told(call, "bargein.count.hold"), told(call, "bargein.count.verdict")) == (2, 2)
    assert "wait" not in spans.text(), "no words of the call stand in its trace"
    assert "w3" not in spans.text()
    assert "+4930" not in spans.text()


async def test_the_words_stand_in_the_trace_where_the_owner_wants_them_and_redacted() -> None:
    hidden = Redaction(digits=True, arguments=frozenset({"pin"}))
    tool = ScriptedTool("look", "read", '{"pin": "secret", "rooms": 3}')
    llm = ScriptedLLM('I look !look:{"pin":"secret"}', "Room 4711 is free")
    async with traced(llm=llm, tools=(tool,), content=hidden, stt=ScriptedSTT("my code is 99")) as (s, spans):
        await s.pass_ms(640, speech=0.95)
        await s.until(lambda: s.client.order == [1] and s.call.floor.live is False)
    ran, reply = spans.one("execute_tool"), spans("reply")[0]
    assert told(ran, "gen_ai.tool.call.arguments") == '{"pin": "(hidden)"}'
    assert told(ran, "gen_ai.tool.call.result") == '{"pin": "(hidden)", "rooms": 0}'
    assert told(reply, "bargein.heard").endswith("Room 0000 is free")
    assert [(e.name, (e.attributes or {})["bargein.text"]) for e in spans.one("call").events] == [
        ("user", "my code is 00")
    ]
    assert "secret" not in spans.text()


async def test_a_tool_runs_inside_its_span_whoever_makes_the_replys_task() -> None:
    current: list[api.SpanContext] = []

    class Looking(ScriptedTool):
        async def run(self, arguments: str) -> str | c.HangUp | c.Transfer:
            current.append(api.get_current_span().get_span_context())
            return await super().run(arguments)

    booking = Looking("book", "read", RuntimeError("no such table"))
    async with traced(llm=ScriptedLLM("wait !book:{}", "sorry"), tools=(booking,)) as (s, spans):
        await s.pass_ms(640, speech=0.95)
        await s.until(lambda: s.client.order == [1] and s.call.floor.live is False)
    ran, reply = spans.one("execute_tool"), spans("reply")[0]
    assert current == [ran.context]
    assert is_in(ran, reply)
    assert (told(ran, "gen_ai.operation.name"), told(ran, "gen_ai.tool.name")) == ("execute_tool", "book")
    assert told(ran, "gen_ai.tool.call.id") == "call-1-book"
    assert ran.status.status_code is StatusCode.ERROR
    assert told(ran, "error.type") == "tool_error"
    assert "no such table" not in spans.text()


async def test_a_voice_that_fails_and_the_one_that_speaks_in_its_place() -> None:
    async with traced("It is free", tts=ToneTTS(silent=True), fallback_tts=ToneTTS()) as (s, spans):
        await s.pass_ms(640, speech=0.95)
        await s.until(lambda: s.client.order == [1] and s.call.floor.live is False)
    failed, spoke = spans("text_to_speech")
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.status.description == "The tone TTS is gone"
    assert spoke.status.status_code is StatusCode.UNSET
    outage = next(event for event in spans.one("call").events if event.name == "outage")
    assert (outage.attributes or {})["bargein.code"] == "voice_lost"


async def test_a_streaming_stt_has_a_span_for_the_whole_call() -> None:
    async with traced("fine", streaming_stt=ScriptedStreamingSTT()) as (s, spans):
        await s.pass_ms(320)
    call, stt = spans.one("call"), spans.one("speech_to_text")
    assert is_in(stt, call)
    assert ms(stt, call) == pytest.approx(ms(call, call))


async def test_a_realtime_models_answer_has_a_span() -> None:
    async with traced(realtime=ScriptedRealtime("It is free")) as (s, spans):
        await s.pass_ms(640, speech=0.95)
        await s.until(lambda: s.client.order == [1] and s.call.floor.live is False)
    answer = spans.one("generate_content")
    assert is_in(answer, spans("reply")[0])
    assert told(answer, "bargein.part") == "realtime"


async def test_a_call_that_ends_in_mid_reply_leaves_no_span_open() -> None:
    async with traced(greeting=LONG, policy=SOON) as (s, spans):
        await s.pass_ms(1000)
        await s.pass_ms(64, speech=0.95)
    names = {span.name for span in spans.exporter.get_finished_spans()}
    assert {"call", "reply", "text_to_speech tone"} <= names
    call = spans.one("call")
    assert all((span.end_time or 0) <= (call.end_time or 0) for span in spans.exporter.get_finished_spans())


async def test_a_trace_that_fails_costs_the_trace_and_not_the_call(caplog: pytest.LogCaptureFixture) -> None:
    async with traced("It is free", notes=(notes := Notes())) as (s, spans):
        spans.tracer.start_span = _fail  # type: ignore[method-assign, assignment]
        await s.pass_ms(640, speech=0.95)
        await s.until(lambda: s.client.order == [1] and s.call.floor.live is False)
    assert notes.closed, "the journal has all of the call"
    assert any(kind == "bye" for kind, _ in notes.notes)
    assert [r.getMessage() for r in caplog.records if "trace" in r.getMessage()] == [
        "The trace of a call failed, and is given up"
    ]


def _fail(*_: object, **__: object) -> None:
    raise RuntimeError("a processor of somebody's own")


@pytest.mark.parametrize(
    ("why", "without"),
    [
        ("said 'no thanks'", "said (words)"),
        ("the agent's own words, \"don't\"", "the agent's own words, (words)"),
        ("stop phrase in 'it\\'s \"x\"'", "stop phrase in (words)"),
        ("'I am' hangs on 'am'", "(words) hangs on (words)"),
        ("320 ms of speech", "320 ms of speech"),
    ],
)
def test_a_reason_without_its_words(why: str, without: str) -> None:
    assert without_words(why) == without
