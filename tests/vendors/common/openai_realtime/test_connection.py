"""A call's line to OpenAI Realtime, against the simulated vendor, on real sockets and with recorded speech."""

from __future__ import annotations

import asyncio
from collections import deque

import numpy as np
import pytest

from bargein import protocols as c
from bargein.audio.mulaw import Mulaw
from bargein.errors import Unavailable, UsageError, VendorLost, VendorRefused
from bargein.vendors.common.openai_realtime.prompts import instructions
from bargein.vendors.openai.realtime import OpenAIRealtime
from tests.sounds import load
from tests.vendors.common.openai_realtime.kit import KEY, said, simulator, talk

# --------------------------------------------------------------------------------------------------- the session


async def test_the_session_is_ours_its_turns_are_found_but_neither_interrupt_nor_answer() -> None:
    async with talk(simulator()) as t:
        await t.until(lambda: t.sim.sessions and t.sent("session.update"))
        session = t.sent("session.update")[0]["session"]
        detection = session["audio"]["input"]["turn_detection"]
        assert (detection["create_response"], detection["interrupt_response"]) == (False, False)
        assert detection["silence_duration_ms"] == 500, "never the server's own default"
        assert session["instructions"] == instructions("Be short.")
        assert session["instructions"].startswith("Be short.\n\n# When you are interrupted")
        assert [tool["name"] for tool in session["tools"]] == ["look"]
        assert session["audio"]["output"]["format"] == {"type": "audio/pcm", "rate": 24_000}


async def test_a_telephones_sound_is_mulaw_both_ways_and_never_transcoded() -> None:
    async with talk(simulator(), rate=8_000, mulaw=True) as t:
        reply = t.line.say("Good morning.")
        pieces = [piece async for piece in reply.audio() if isinstance(piece, c.SpeechChunk)]
        session = t.sent("session.update")[0]["session"]
        assert session["audio"]["input"]["format"] == session["audio"]["output"]["format"] == {"type": "audio/pcmu"}
        assert all(isinstance(piece.pcm, Mulaw) for piece in pieces)
        assert sum(piece.pcm.ms for piece in pieces) > 500


@pytest.mark.parametrize(
    ("mode", "want"),
    [("ours", None), ("semantic_vad", ("semantic_vad", False, False)), ("vendor", ("server_vad", True, True))],
)
async def test_who_finds_the_turns_can_be_chosen(mode: str, want: tuple[str, bool, bool] | None) -> None:
    async with talk(simulator(), turn_detection=mode) as t:
        await t.until(lambda: t.sim.sessions and t.sent("session.update"))
        told = t.sent("session.update")[0]["session"]["audio"]["input"]["turn_detection"]
        assert want == (told and (told["type"], told["create_response"], told["interrupt_response"]))


def test_numbers_that_cannot_be_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ({"turn_detection": "mine"}, {"threshold": 2}, {"speed": 9}, {"max_output_tokens": 0}):
        with pytest.raises(UsageError):
            OpenAIRealtime(api_key=KEY, **wrong)
    monkeypatch.setattr("bargein.vendors.common.openai_realtime.model.INSTALLED", False)
    with pytest.raises(Unavailable, match=r"bargein\[openai\]"):
        OpenAIRealtime(api_key=KEY)


# ---------------------------------------------------------------------------------------------------- the turns


@pytest.mark.parametrize("mode", ["server_vad", "semantic_vad", "ours", "vendor"])
@pytest.mark.parametrize("rate", [8_000, 16_000])
async def test_the_user_is_heard_answered_and_written_down(mode: str, rate: int) -> None:
    async with talk(simulator(), rate=rate, mulaw=rate == 8_000, turn_detection=mode) as t:
        await t.until(lambda: t.line._live)
        t.speaks()
        if mode != "ours":
            await t.until(lambda: any(e["type"].endswith("committed") for _, e in t.session.sent))
        assert await said(t.line.answer((), spoken=True)) == "You said what is the first."
        await t.until(lambda: "what is the first" in t.text)
        expected = {"ours": 1}.get(mode, 0)
        assert len(t.sent("input_audio_buffer.commit")) == expected
        last = [h for h in t.heard if isinstance(h, c.TurnUpdate)][-1]
        assert -200 <= last.from_ms <= 1_000
        assert last.until_ms <= t.fed_ms + 100


async def test_where_the_server_has_heard_no_speech_the_turn_is_committed_all_the_same() -> None:
    async with talk(simulator()) as t:
        await t.until(lambda: t.line._live)
        t.says((np.sin(np.arange(16_000) / 9) * 400).astype(np.int16))  # our floor was sure that it is somebody
        t.line.turn_started(1_000)
        assert await said(t.line.answer((), spoken=True)) == "You said what is the first."
        assert len(t.sent("input_audio_buffer.commit")) == 1


async def test_only_the_turns_sound_goes_up_where_we_find_the_turns() -> None:
    async with talk(simulator(), turn_detection="ours") as t:
        await t.until(lambda: t.line._live)
        t.says(np.zeros(16_000 * 20, np.int16))
        t.speaks()
        await said(t.line.answer((), spoken=True))
        assert t.session.user.vad.now_ms < 5_000


async def test_typed_words_are_an_item_of_their_own() -> None:
    async with talk(simulator()) as t:
        await t.until(lambda: t.line._live)
        assert await said(t.line.answer(("what is it",), spoken=False)) == "You said what is it."
        assert t.sent("input_audio_buffer.commit") == []


async def test_what_was_no_turn_is_taken_back_whether_it_is_an_item_already_or_only_becomes_one() -> None:
    for late in (False, True):
        async with talk(simulator()) as t:
            await t.until(lambda t=t: t.line._live)
            if late:
                t.says(load("interruption-1.wav").samples[:16_000])
                t.line.dismiss(1_000, 0, None)
                t.says(np.zeros(16_000, np.int16))
            else:
                t.speaks("backchannel-1.wav", turn=False)
                await t.until(lambda t=t: any(e["type"].endswith("committed") for _, e in t.session.sent))
                t.line.dismiss(t.fed_ms, 500, c.UserBackchannel("mm-hmm"))
            await t.until(lambda t=t: bool(t.session.deleted))
            assert not [i for i in t.session.items.values() if i.wire.get("role") == "user"]


async def test_a_backchannel_stays_as_a_note() -> None:
    async with talk(simulator()) as t:
        await t.until(lambda: t.line._live)
        t.line.dismiss(500, 100, c.UserBackchannel("mm-hmm"))
        await t.until(lambda: bool(t.sent("conversation.item.create")))
        item = t.sent("conversation.item.create")[0]["item"]
        assert item["role"] == "system"
        assert '"mm-hmm"' in item["content"][0]["text"]


# ---------------------------------------------------------------------------------------------------- the replies


async def test_a_cut_is_truncated_to_what_was_heard_and_the_server_agrees_on_the_words() -> None:
    long = "One two three four five six seven eight nine ten, and then eleven and twelve."
    async with talk(simulator(respond=lambda _, __: long, speed=8.0)) as t:
        await t.until(lambda: t.line._live)
        reply = t.line.answer(("go on",), spoken=False)
        ms = 0.0
        async for piece in reply.audio():
            assert isinstance(piece, c.SpeechChunk)
            ms += piece.pcm.ms
            if ms > 1_500:
                reply.cancel()
                break
        reply.truncate(1_200, c.AgentSaid(1, "One two three", "four five", ended="cut"))
        await t.until(lambda: any(i.truncated_ms is not None for i in t.session.items.values()))
        (item,) = [i for i in t.session.items.values() if i.truncated_ms is not None]
        assert item.truncated_ms == 1_200
        assert item.heard().startswith("One two")
        assert len(t.sent("response.cancel")) == 1
        assert not [e for _, e in t.session.sent if e["type"] == "error"]


async def test_word_times_come_when_an_item_is_whole() -> None:
    async with talk(simulator()) as t:
        reply = t.line.say("Good morning to you all, my friends.")
        words = [p.words async for p in reply.audio() if isinstance(p, c.SpeechChunk) and p.words]
        (placed,) = words
        assert len(placed) == 7
        assert placed[-1].end_ms > 1_000


async def test_a_tools_result_is_told_and_later_news_of_it_as_a_note() -> None:
    async with talk(simulator()) as t:
        await t.until(lambda: t.line._live)
        t.line.push_tool_result(c.ToolResult("call_9", "book", "{}", None))
        t.line.push_tool_result(c.ToolResult("call_9", "book", "{}", "booked for two"))
        assert await said(t.line.say_tool_results())
        call, first, second = (event["item"] for event in t.sent("conversation.item.create"))
        assert (call["type"], call["call_id"], call["name"]) == ("function_call", "call_9", "book"), "unknown there"
        assert (first["type"], first["call_id"]) == ("function_call_output", "call_9")
        assert "booked for two" in second["content"][0]["text"]


# -------------------------------------------------------------------------------------------------- what fails


async def test_a_wrong_key_is_refused_for_good_and_named_nowhere() -> None:
    async with talk(simulator(api_key="another")) as t:
        await t.until(lambda: t.refused is not None)
        with pytest.raises(VendorRefused, match="401") as caught:
            await said(t.line.answer((), spoken=True))
        assert KEY not in str(caught.value)
        assert "OPENAI_API_KEY" in caught.value.advice


async def test_a_voice_that_does_not_exist_is_refused() -> None:
    async with talk(simulator(), voice="nobody") as t:
        await t.until(lambda: t.refused is not None)
        assert "voice" in str(t.refused)


async def test_a_server_that_fails_at_first_is_called_again() -> None:
    async with talk(simulator(faults=deque(["500", "429"]))) as t:
        assert await said(t.line.say("Good morning.")) == "Good morning."
        assert [type(h).__name__ for h in t.heard][:2] == ["STTLost", "STTRestored"]


@pytest.mark.parametrize("fault", ["rate_limit", "fail"])
async def test_a_response_that_fails_is_an_error_and_the_line_goes_on(fault: str) -> None:
    async with talk(simulator(faults=deque([fault]))) as t:
        with pytest.raises(VendorLost):
            await said(t.line.answer(("hello",), spoken=False))
        assert await said(t.line.answer(("hello",), spoken=False)) == "You said hello."
        assert len(t.sim.sessions) == 1


async def test_the_end_of_the_call_ends_the_session() -> None:
    sim = simulator()
    async with talk(sim) as t:
        await t.until(lambda: bool(sim.sessions))
    async with asyncio.timeout(3):
        await sim.sessions[-1].over.wait()
