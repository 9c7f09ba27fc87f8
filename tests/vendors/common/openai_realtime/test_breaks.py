"""A connection to OpenAI Realtime that breaks, and what the next one begins with."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import numpy as np
import pytest

from bargein import protocols as c
from bargein.errors import BargeinError, VendorLost
from bargein_simulators.chat_wire import ServedToolCall
from tests.vendors.common.openai_realtime.kit import Talk, said, simulator, talk


def users(t: Talk) -> list[str]:
    """The user's words as the newest session has them, however they came."""
    return [item.text for item in t.session.items.values() if item.wire.get("role") == "user"]


def made(t: Talk) -> list[dict[str, Any]]:
    """The items that we put into the newest session."""
    return [event["item"] for event in t.sent("conversation.item.create")]


def kinds(t: Talk, kind: str) -> list[dict[str, Any]]:
    """What the newest session told of a kind."""
    return [event for _, event in t.session.sent if event["type"] == kind]


async def told(t: Talk, mark: str) -> None:
    """Until the newest session has taken all that we sent so far."""
    t.line.order({"type": "conversation.item.delete", "item_id": mark})
    await t.until(lambda: any(event["item_id"] == mark for event in t.sent("conversation.item.delete")))


async def test_a_connection_lost_as_the_user_speaks_costs_no_word_and_the_conversation_is_restored() -> None:
    before: list[c.ConversationItem] = [
        c.UserSaid(1, "who are you"),
        c.AgentSaid(1, "I am", "a guide", ended="cut"),
        c.UserBackchannel("mm-hmm"),
        c.ToolResult("call_1", "look", "{}", "sunny"),
    ]
    async with talk(simulator(), items=before) as t:
        await t.until(lambda: t.line._live)
        t.sim.faults.append("drop_speech")
        t.speaks()
        await t.until(lambda: any(isinstance(h, c.STTRestored) for h in t.heard))
        assert len(t.sim.sessions) == 2
        assert await said(t.line.answer((), spoken=True)) == "You said what is the first."
        made = [event["item"] for event in t.sent("conversation.item.create")]
        kinds = [item.get("role") or item["type"] for item in made]
        assert kinds == ["user", "assistant", "system", "system", "function_call", "function_call_output"]
        assert made[1]["content"] == [{"type": "output_text", "text": "I am"}]


async def test_a_connection_lost_in_the_middle_of_a_reply_fails_it_and_the_next_is_made() -> None:
    long = "One two three four five six seven eight nine ten, and then eleven and twelve."
    async with talk(simulator(respond=lambda _, __: long, speed=8.0)) as t:
        await t.until(lambda: t.line._live)
        t.sim.faults.append("drop")
        with pytest.raises(VendorLost):
            await said(t.line.answer(("go on",), spoken=False))
        assert await said(t.line.answer(("go on",), spoken=False)) == long


@pytest.mark.parametrize("fault", ["garbage", "expire"])
async def test_nonsense_or_the_end_of_the_hour_only_means_another_session(fault: str) -> None:
    async with talk(simulator(faults=deque([fault])), items=[c.UserSaid(1, "hello")]) as t:
        assert await said(t.line.answer((), spoken=False)) == "You said hello."
        assert len(t.sim.sessions) == 2


# ------------------------------------------------------------------------------------------- the turn it answers


@pytest.fixture
def slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the server takes to find a turn, it is waited for."""
    monkeypatch.setattr("bargein.vendors.common.openai_realtime.connection.COMMIT_S", 8.0)


async def answer_one(t: Talk) -> None:
    """A first turn, spoken, answered and, where anybody does, read."""
    await t.until(lambda: t.line._live)
    t.speaks()
    assert await said(t.line.answer((), spoken=True)) == "You said one."
    if t.session.config["audio"]["input"]["transcription"] and t.sim.transcript_ms < 1_000:
        await t.until(lambda: "one" in t.text)


@pytest.mark.usefixtures("slow_machine")
@pytest.mark.parametrize("mode", ["server_vad", "ours", "vendor"])
@pytest.mark.parametrize("transcription_model", [None, "gpt-transcribe"])
async def test_a_turn_whose_answer_was_lost_unheard_is_answered_and_not_the_one_before(
    mode: str, transcription_model: str | None
) -> None:
    sim = simulator(script=deque(["one", "two", "two"]))
    async with talk(sim, turn_detection=mode, transcription_model=transcription_model) as t:
        await answer_one(t)
        sim.transcript_ms = 60_000
        await break_in_answer(t)
        assert users(t) == ["two"]


@pytest.mark.usefixtures("slow_machine")
@pytest.mark.parametrize("mode", ["server_vad", "ours"])
async def test_turns_that_nobody_has_read_are_said_once_more_each_for_itself(mode: str) -> None:
    sim = simulator(script=deque(["one", "two", "one", "two"]), transcript_ms=60_000)
    async with talk(sim, turn_detection=mode) as t:
        await answer_one(t)
        await break_in_answer(t)
        assert users(t) == ["one", "two"]


async def break_in_answer(t: Talk) -> None:
    """A second turn, and the connection breaks before the answer to it sounds."""
    t.sim.faults.append("slow")
    t.speaks("interruption-4.wav")
    answer = asyncio.create_task(said(t.line.answer((), spoken=True)))
    await t.until(lambda: len(kinds(t, "response.created")) == 2)
    await t.breaks()
    assert await answer == "You said two."
    assert len(t.sim.sessions) == 2


@pytest.mark.usefixtures("slow_machine")
async def test_a_turn_whose_words_are_known_is_not_said_once_more() -> None:
    sim = simulator(script=deque(["one", "two", "three"]))
    async with talk(sim) as t:
        await answer_one(t)
        sim.faults.append("slow")
        t.speaks("interruption-4.wav")
        answer = asyncio.create_task(said(t.line.answer((), spoken=True)))
        await t.until(lambda: len(kinds(t, "response.created")) == 2 and "two" in t.text)
        t.items += [c.UserSaid(1, "one"), c.AgentSaid(1, "You said one."), c.UserSaid(2, "two")]
        await t.breaks()
        assert await answer == "You said two."
        assert users(t) == ["one", "two"]


async def test_a_turn_that_is_over_while_there_is_no_connection_is_answered_on_the_next() -> None:
    sim = simulator(script=deque(["one", "two"]))
    async with talk(sim, turn_detection="ours") as t:
        await answer_one(t)
        await t.until(lambda: "one" in t.text)
        t.session.close(1011)
        await t.until(lambda: not t.line._live)
        t.speaks("interruption-4.wav")
        assert await said(t.line.answer((), spoken=True)) == "You said two."


async def test_words_that_nobody_has_read_are_read_on_the_next_connection_without_another_turn() -> None:
    sim = simulator(script=deque(["one", "one"]), transcript_ms=60_000)
    async with talk(sim, turn_detection="ours") as t:
        await answer_one(t)
        sim.transcript_ms = 0
        await t.breaks()
        await t.until(lambda: "one" in t.text)


# ------------------------------------------------------------------------------------------------ what was said


async def sounding(t: Talk) -> c.Response:
    """A reply that was made, and sounds when the connection breaks."""
    await t.until(lambda: t.line._live)
    reply = t.line.say("Good morning to you all.")
    assert await said(reply) == "Good morning to you all."
    t.items.append(c.AgentSaid(1, "", ended="sounding"))
    await t.breaks()
    assert made(t) == []
    return reply


async def test_a_reply_that_is_cut_after_a_break_is_told_anew_with_what_was_heard_of_it() -> None:
    async with talk(simulator()) as t:
        reply = await sounding(t)
        reply.cancel()
        cut = c.AgentSaid(1, "Good morning", "to you all.", ended="cut")
        t.items[-1] = cut
        reply.truncate(500, cut)
        await told(t, "mark")
        assert t.sent("conversation.item.truncate") == []
        heard, note = made(t)
        assert (heard["role"], heard["content"][0]["text"]) == ("assistant", "Good morning")
        assert '"to you all."' in note["content"][0]["text"]
        assert not [e for _, e in t.session.sent if e["type"] == "error" and e["error"]["param"] == "previous_item_id"]


async def test_a_reply_that_another_voice_says_over_a_break_is_told_once() -> None:
    async with talk(simulator()) as t:
        reply = await sounding(t)
        reply.cancel()
        whole = c.AgentSaid(1, "Good morning to you all.")
        t.items[-1] = whole
        reply.truncate(1_500, whole, by_fallback=True)
        await said(t.line.say("Yes."))
        texts = [item["content"][0]["text"] for item in made(t) if item.get("role") == "assistant"]
        assert texts == ["Good morning to you all."]


@pytest.mark.parametrize("ended", ["completed", "failed"])
async def test_a_reply_that_sounds_to_its_end_after_a_break_is_told_before_the_next_turn(ended: Any) -> None:
    async with talk(simulator()) as t:
        await sounding(t)
        t.items[-1] = c.AgentSaid(1, "Good morning to you all.", ended=ended)
        t.speaks()
        await said(t.line.answer((), spoken=True))
        roles = [item.wire.get("role") for item in t.session.items.values()]
        assert roles == ["assistant", "user", "assistant"]
        assert [item["content"][0]["text"] for item in made(t)] == ["Good morning to you all."]


async def test_of_a_reply_that_goes_on_after_a_break_only_its_beginning_is_told_anew() -> None:
    rounds = deque[Any]([["Let me see.", ServedToolCall("look")], "It is sunny.", "Fine."])
    async with talk(simulator(respond=lambda _, __: rounds.popleft())) as t:
        await t.until(lambda: t.line._live)
        reply, text = t.line.answer(("how is it",), spoken=False), ""
        async for piece in reply.audio():
            if isinstance(piece, c.SpeechChunk):
                text += piece.text
                continue
            t.items.append(c.AgentSaid(1, "", ended="sounding"))
            await t.breaks()
            t.line.push_tool_result(c.ToolResult(piece.calls[0].id, "look", "{}", "sunny"))
            reply.continue_response()
        assert text == "Let me see. It is sunny."
        assert [item["type"] for item in made(t)] == ["function_call", "function_call_output"]
        t.items[-1] = c.AgentSaid(1, text)
        assert await said(t.line.answer(("thanks",), spoken=False)) == "Fine."
        assert [item["content"][0]["text"] for item in made(t)[2:]] == ["thanks", "Let me see."]


# -------------------------------------------------------------------------------------------------------- tools


async def test_a_tool_that_ran_when_the_connection_broke_is_answered_once() -> None:
    async with talk(simulator()) as t:
        await t.until(lambda: t.line._live)
        t.items.append(c.ToolResult("call_1", "book", "{}", None))
        await t.breaks()
        t.line.push_tool_result(c.ToolResult("call_1", "book", "{}", "booked for two"))
        t.line.push_tool_result(c.ToolResult("call_2", "look", "{}", "sunny"))
        await told(t, "mark")
        call, runs, note, call_2, output_2 = made(t)
        assert [call["call_id"], runs["call_id"]] == ["call_1"] * 2
        assert "booked for two" in note["content"][0]["text"], "it has an output already"
        assert [call_2["type"], output_2["type"]] == ["function_call", "function_call_output"], "unknown there till now"


async def test_a_tool_that_failed_late_is_told_as_failed() -> None:
    async with talk(simulator()) as t:
        await t.until(lambda: t.line._live)
        t.line.push_tool_result(c.ToolResult("call_1", "book", "{}", None))
        t.line.push_tool_result(c.ToolResult("call_1", "book", "{}", "no table", error=True))
        await told(t, "mark")
        assert "Error: no table" in made(t)[-1]["content"][0]["text"]


# ---------------------------------------------------------------------------------------------- what never comes


async def test_a_response_that_never_comes_is_asked_for_on_another_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bargein.vendors.common.openai_realtime.connection.PATIENCE_S", 0.1)
    async with talk(simulator(faults=deque(["mute"]))) as t:
        assert await said(t.line.say("Good morning.")) == "Good morning."
        assert len(t.sim.sessions) == 2


async def test_a_response_that_was_cancelled_and_never_ends_does_not_keep_the_next_from_being_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bargein.vendors.common.openai_realtime.connection.PATIENCE_S", 0.1)
    long = "One two three four five six seven eight nine ten, and then eleven and twelve."
    async with talk(simulator(faults=deque(["no_done"]), respond=lambda _, __: long, speed=8.0)) as t:
        await t.until(lambda: t.line._live)
        reply = t.line.answer(("go on",), spoken=False)
        async for piece in reply.audio():
            if len(piece.pcm):  # type: ignore[union-attr]
                break
        reply.cancel()
        assert await said(t.line.say("Good morning.")) == "Good morning."
        assert len(t.sim.sessions) == 2


async def test_a_server_that_answers_in_time_is_never_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bargein.vendors.common.openai_realtime.connection.PATIENCE_S", 1.0)
    async with talk(simulator(first_audio_ms=1_300)) as t:
        assert await said(t.line.say("Good morning.")) == "Good morning.", "it was born at once"
        assert len(t.sim.sessions) == 1


# ------------------------------------------------------------------------------------------------- what is wrong


async def test_a_number_beyond_all_numbers_only_means_another_session() -> None:
    async with talk(simulator()) as t:
        await t.until(lambda: t.line._live)
        t.session.send_event(
            {"type": "input_audio_buffer.speech_started", "audio_start_ms": 1e308, "item_id": "item_x"}
        )
        await t.until(lambda: len(t.sim.sessions) == 2)
        assert await said(t.line.say("Good morning.")) == "Good morning."


async def test_after_a_fault_of_ours_nobody_waits_for_a_connection() -> None:
    class Broken(list[c.ConversationItem]):
        def __iter__(self) -> Any:
            raise KeyError("a fault of our own")

    async with talk(simulator()) as t:
        await t.until(lambda: t.line._live)
        t.known = Broken()
        waiting = asyncio.create_task(said(t.line.say("Good morning.")))
        t.session.close(1011)
        async with asyncio.timeout(5):
            with pytest.raises(BargeinError, match="KeyError"):
                await waiting
        assert isinstance(t.failed, KeyError)
        assert not t.line.connected


# ------------------------------------------------------------------------------------------------- the sideband


async def test_what_is_ordered_while_the_sideband_is_away_is_told_when_it_is_back() -> None:
    async with talk(simulator(), webrtc=True) as t:
        await t.until(lambda: t.line._live)
        t.line.push_tool_result(c.ToolResult("call_1", "book", "{}", None))
        await told(t, "first")
        t.sim.faults.append("garbage")
        t.session.send("input_audio_buffer.cleared")
        await t.until(lambda: not t.line._live)
        t.line.push_tool_result(c.ToolResult("call_1", "book", "{}", "booked for two"))
        t.line.dismiss(500, 100, c.UserBackchannel("mm-hmm"))
        t.line.dismiss(500, 100, None)
        t.line.turn_started(0)  # what was kept back must not clear its sound
        await t.until(lambda: t.line._live)
        await told(t, "second")
        assert len(t.sim.sessions) == 1
        call, runs, result, note = made(t)
        assert [call["type"], runs["type"]] == ["function_call", "function_call_output"]
        assert "booked for two" in result["content"][0]["text"]
        assert '"mm-hmm"' in note["content"][0]["text"]
        assert t.sent("input_audio_buffer.clear") == []


async def test_a_turn_over_webrtc_that_ends_in_a_break_is_committed_after_it() -> None:
    async with talk(simulator(script=deque(["one"])), webrtc=True) as t:
        await t.until(lambda: t.line._live)
        t.session.user.push_audio(np.zeros(24_000, np.int16))
        t.sim.faults.append("garbage")
        t.session.send("input_audio_buffer.cleared")
        await t.until(lambda: not t.line._live)
        t.line.push_audio(np.zeros(16_000, np.int16))
        t.line.turn_started(1_000)
        assert await said(t.line.answer((), spoken=True)) == "You said one."
        assert len(t.sent("input_audio_buffer.commit")) == 1
