"""Tools of Gemini Live: called, answered, cancelled before and after they ran; no cancelled call is ever answered."""

from __future__ import annotations

import asyncio

import numpy as np

from bargein import protocols as c
from bargein.vendors.google.live.tool_calls import LiveToolCalls
from bargein_simulators.chat_wire import ServedToolCall
from tests.vendors.google.kit import LiveTalk, live_simulator, live_talk, said


def result(call: c.ToolCall, text: str = "sunny") -> c.ToolResult:
    return c.ToolResult(call.id, call.tool, call.arguments, text)


async def with_tools(t: LiveTalk, reply: c.Response, *, before: asyncio.Event | None = None) -> str:
    """The reply's text, its tools run as the call runs them. before: waited for, before the results."""
    text = ""
    async with asyncio.timeout(8):
        async for piece in reply.audio():
            if isinstance(piece, c.ToolCalls):
                if before is not None:
                    await before.wait()
                for call in piece.calls:
                    reply.continue_response()
                    t.line.push_tool_result(result(call))
            else:
                text += piece.text
    return text


def simulator() -> object:
    sim = live_simulator()
    sim.respond = lambda said, _: said.replace("Result:", "It is")
    sim.tool_calls.append(ServedToolCall("look", '{"where": "here"}'))
    return sim


async def test_the_model_goes_on_with_the_result_and_no_audio_goes_up_meanwhile() -> None:
    async with live_talk(simulator()) as t:  # type: ignore[arg-type]
        await t.up()
        t.speaks()
        ready = asyncio.Event()
        reply = asyncio.create_task(with_tools(t, t.line.answer((), spoken=True), before=ready))
        await t.until(lambda: t.line._tools.waiting)
        before = t.session.audio_ms
        t.says(np.ones(16_000, np.int16))
        ready.set()
        assert await reply == "It is sunny"
        assert t.session.audio_ms == before
        assert t.sent("toolResponse")[0]["functionResponses"][0]["response"] == {"output": "sunny"}
        assert len(t.sim.sessions) == 1


async def test_a_turn_that_begins_while_a_tool_runs_is_heard_and_the_result_is_told_in_it() -> None:
    async with live_talk(simulator()) as t:  # type: ignore[arg-type]
        await t.up()
        t.speaks()
        reply = t.line.answer((), spoken=True)
        audio = reply.audio()
        calls = await anext(audio)
        assert isinstance(calls, c.ToolCalls)
        assert calls.calls[0].arguments == '{"where": "here"}'
        t.speaks()  # the call cuts the reply a moment later
        reply.cancel()
        await audio.aclose()  # type: ignore[attr-defined]
        t.line.push_tool_result(result(calls.calls[0], "booked"))  # an effect that no cut takes back
        t.line.push_tool_result(result(calls.calls[0], "booked twice"))
        assert await said(t.line.answer((), spoken=True)) == "and the second"
        assert len(t.sim.sessions) == 1, "neither audio nor an answer came at the wrong time"
        assert ["booked" in note for note in t.sent("text")] == [True, True]


async def test_a_call_that_the_server_cancels_after_it_ran_changes_nothing() -> None:
    async with live_talk(simulator()) as t:  # type: ignore[arg-type]
        await t.up()
        t.sim.faults.append("cancel_tool")
        t.speaks()
        assert await with_tools(t, t.line.answer((), spoken=True)) == "It is sunny"
        assert len(t.sim.sessions) == 1


async def test_a_call_that_the_server_cancels_while_it_runs_is_never_answered_and_its_result_is_told() -> None:
    async with live_talk(simulator()) as t:  # type: ignore[arg-type]
        await t.up()
        t.speaks()
        ready = asyncio.Event()
        reply = asyncio.create_task(with_tools(t, t.line.answer((), spoken=True), before=ready))
        await t.until(lambda: t.line._tools.waiting)
        ids = list(t.session._waiting)
        t.session._waiting.clear()
        await t.session.send({"toolCallCancellation": {"ids": ids}})
        await t.until(lambda: not t.line._tools.waiting)
        ready.set()
        t.sim.respond = lambda *_: "Here it is."
        assert await reply == "Here it is."
        assert t.sent("toolResponse") == []
        assert "sunny" in str(t.sent("clientContent"))


async def test_a_connection_that_breaks_while_a_tool_runs_costs_neither_its_result_nor_a_second_call() -> None:
    async with live_talk(simulator()) as t:  # type: ignore[arg-type]
        await t.up()
        t.speaks()
        ready = asyncio.Event()
        reply = asyncio.create_task(with_tools(t, t.line.answer((), spoken=True), before=ready))
        await t.until(lambda: t.line._tools.waiting)
        t.session.close(1011)
        await t.until(lambda: len(t.sim.sessions) == 2 and t.line._live)
        t.sim.respond = lambda *_: "Here it is."
        ready.set()
        assert await reply == "Here it is."
        assert "sunny" in str(t.sent("clientContent"))
        assert t.sent("toolResponse") == []


async def test_a_call_of_a_reply_that_was_cut_is_refused_and_a_late_result_is_said() -> None:
    async with live_talk(simulator()) as t:  # type: ignore[arg-type]
        await t.up()
        t.sim.first_audio_ms = 100
        t.speaks()
        reply = t.line.answer((), spoken=True)
        reading = asyncio.create_task(said(reply))
        await t.until(lambda: t.sent("activityEnd"))
        reply.cancel()
        await reading
        await t.until(lambda: t.sent("toolResponse"))
        assert "not done" in str(t.sent("toolResponse"))
        late = c.ToolResult("elsewhere", "look", "{}", "rain")
        t.line.push_tool_result(late)
        t.sim.respond = lambda *_: "It rains."
        assert await said(t.line.say_tool_results()) == "It rains."
        assert "rain" in str(t.sent("clientContent")[-1])


def test_several_calls_are_answered_at_once_and_cancelled_ones_not_at_all() -> None:
    sent: list[dict[str, object]] = []
    tools = LiveToolCalls(sent.append)
    first, second, third = tools.called({"functionCalls": [{"id": i, "name": "look", "args": {}} for i in "abc"]})
    assert tools.result(result(first))
    assert not sent
    tools.cancelled(["b", "unknown"])
    assert tools.result(result(third))
    responses = sent[0]["toolResponse"]["functionResponses"]  # type: ignore[index]
    assert [response["id"] for response in responses] == ["a", "c"]
    assert not tools.result(result(second)), "the model is to be told in words"
    assert tools.broken
    assert not tools.waiting
