"""Cuts of Gemini Live's replies: what the model is told, and that no late audio of a cut reply is ever heard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from itertools import pairwise

import pytest

from bargein import protocols as c
from bargein.errors import VendorLost
from bargein.vendors.google.live.generations import SETTLE_S, Generations
from bargein.vendors.google.live.response import GeminiResponse, LiveRequest
from tests.vendors.google.kit import LiveTalk, live_simulator, live_talk, said

LONG = "One two three four five six seven eight nine ten, and then eleven and twelve and thirteen."


async def begun(reply: c.Response) -> AsyncIterator[c.SpeechChunk | c.ToolCalls]:
    """The reply's audio, from its first sound on."""
    audio = reply.audio()
    async for piece in audio:
        if isinstance(piece, c.SpeechChunk) and len(piece.pcm):
            break
    return audio


async def cut(t: LiveTalk, *, speed: float = 4) -> None:
    """A reply that is cut in its middle, as the call does it."""
    t.sim.respond = lambda *_: LONG
    t.sim.speed = speed
    t.speaks()
    reply = t.line.answer((), spoken=True)
    audio = await begun(reply)
    reply.cancel()
    reply.truncate(700, c.AgentSaid(1, "One two", " three four five", ended="cut"))
    async with asyncio.timeout(8):
        assert [piece async for piece in audio] == []


@pytest.mark.parametrize("fault", [None, "no_end", "only_complete"])
async def test_a_cut_is_told_inside_of_the_next_turn_and_its_late_audio_is_dropped(
    fault: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bargein.vendors.google.live.generations.SETTLE_S", 0.05)
    async with live_talk(live_simulator(first_audio_ms=100)) as t:
        await t.up()
        await cut(t)
        if fault:
            t.sim.faults.append(fault)  # type: ignore[arg-type]
        t.sim.respond = lambda said, _: f"You said {said}."
        t.speaks()
        assert await said(t.line.answer((), spoken=True)) == "You said and the second."
        assert t.sim.faults == t.sim.faults.__class__()
        user = [turn for turn in t.session.turns if turn.role == "user"][-1]
        assert len(user.notes) == 1
        assert 'up to "One two"' in user.notes[0]
        assert "three four five" in user.notes[0]
        order = [next(iter(m["realtimeInput"])) for m in t.session.received if "realtimeInput" in m]
        assert order == ["activityStart", "activityEnd", "activityStart", "text", "activityEnd"]
        assert t.sent("clientContent") == [], "nothing asks for an answer but the turn"


async def test_typed_words_take_the_note_along_and_interrupt() -> None:
    async with live_talk(live_simulator()) as t:
        await t.up()
        await cut(t)
        t.sim.respond = lambda said, _: f"You said {said}."
        assert await said(t.line.answer(("stop it",), spoken=False)) == "You said stop it."
        parts = t.sent("clientContent")[0]["turns"][0]["parts"]
        assert ['up to "One two"' in part["text"] for part in parts] == [True, False]


async def test_a_note_that_comes_in_the_midst_of_the_turn_goes_up_at_once() -> None:
    async with live_talk(live_simulator()) as t:
        await t.up()
        t.sim.respond, t.sim.speed = lambda *_: LONG, 4
        t.speaks()
        reply = t.line.answer((), spoken=True)
        audio = await begun(reply)
        reply.cancel()
        t.speaks()  # the call knows a little later what was heard
        await t.until(lambda: len(t.sent("activityStart")) == 2)
        reply.truncate(300, None)
        reply.truncate(300, None)
        await said(t.line.answer((), spoken=True))
        notes = t.sent("text")
        assert len(notes) == 1
        assert "before any of your words were heard" in notes[0]
        await audio.aclose()  # type: ignore[attr-defined]


async def test_what_the_fallback_said_is_told_as_the_models_words() -> None:
    async with live_talk(live_simulator()) as t:
        await t.up()
        reply = t.line.say("Hello.")
        await said(reply)
        reply.truncate(900, c.AgentSaid(1, "Hello."), by_fallback=True)
        t.speaks()
        await said(t.line.answer((), spoken=True))
        assert [note for note in t.sent("text") if '"Hello."' in note]


async def test_a_reply_that_was_heard_whole_needs_no_note() -> None:
    async with live_talk(live_simulator()) as t:
        await t.up()
        reply = t.line.say("Hello.")
        await said(reply)
        reply.truncate(900, c.AgentSaid(1, "Hello."))
        t.speaks()
        await said(t.line.answer((), spoken=True))
        assert t.sent("text") == []


async def test_a_cut_before_the_first_sound_says_nothing_and_the_next_turn_is_answered() -> None:
    async with live_talk(live_simulator(first_audio_ms=150)) as t:
        await t.up()
        t.speaks()
        reply = t.line.answer((), spoken=True)
        async with aclosing(reply.audio()) as audio:  # type: ignore[type-var]
            reading = asyncio.ensure_future(anext(audio))
            await t.until(lambda: t.sent("activityEnd"))
            reply.cancel()
            reading.cancel()
            await asyncio.wait([reading])
        reply.truncate(0, None)
        t.speaks()
        assert await said(t.line.answer((), spoken=True)) == "You said and the second."
        assert t.sent("text") == []


async def test_the_words_of_a_cut_reply_have_estimated_times() -> None:
    async with live_talk(live_simulator()) as t:
        await t.up()
        t.sim.respond, t.sim.speed = lambda *_: LONG, 4
        t.speaks()
        reply = t.line.answer((), spoken=True)
        audio = await begun(reply)
        for _ in range(12):
            await anext(audio)
        words = reply.words()
        assert words
        assert LONG[words[0].begin : words[0].end] == "One"
        assert all(a.start_ms <= b.start_ms for a, b in pairwise(words))
        await audio.aclose()  # type: ignore[attr-defined]


@pytest.mark.parametrize("fault", ["phantom", "stall", "silent"])
async def test_an_interruption_without_a_cause_and_a_silent_model(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bargein.vendors.google.live.connection.PATIENCE_S", 1.0)
    async with live_talk(live_simulator()) as t:
        await t.up()
        t.sim.faults.append(fault)  # type: ignore[arg-type]
        t.speaks()
        reply = t.line.answer((), spoken=True)
        if fault == "silent":  # nothing came: asked for once more, on a new connection, with the same audio
            assert await said(reply) == "You said and the second."
            assert len(t.sim.sessions) == 2
            assert t.session.activity_ms == t.sim.sessions[0].activity_ms
        elif fault == "phantom":  # what came is what the caller hears, and what Gemini believes
            assert (await said(reply)).startswith("You said")
            assert len(t.sim.sessions) == 1
        else:
            with pytest.raises(VendorLost):
                await said(reply)
        t.speaks()
        assert "You said" in await said(t.line.answer((), spoken=True))


class Clock:
    now_s = 0.0


class NoHooks:
    pace = 60.0

    def __getattr__(self, name: str) -> object:
        return lambda *_, **__: None


def sound(text: str = "x") -> dict[str, object]:
    blob = {"mimeType": "audio/pcm;rate=24000", "data": "AAAA"}
    return {"modelTurn": {"parts": [{"inlineData": blob}]}, "outputTranscription": {"text": text}}


@pytest.mark.parametrize(
    ("late", "text"),
    [
        ([sound("old"), {"interrupted": True}, {"turnComplete": True}, sound("new")], "new"),
        ([sound("old"), {"turnComplete": True}, sound("new")], "new"),
        ([{"interrupted": True}, sound("new")], "new"),
        ([{"interrupted": True}, sound("new"), {"turnComplete": True}], "new"),
        ([sound("old"), {**sound("old"), "interrupted": True}, sound("new")], "new"),
    ],
)
async def test_late_output_of_a_cut_reply_is_told_by_the_end_that_the_server_names(
    late: list[dict[str, object]], text: str
) -> None:
    old, new = (GeminiResponse(NoHooks(), LiveRequest()) for _ in range(2))  # type: ignore[arg-type]
    made = Generations(lambda: Clock.now_s)
    made.asked(old)
    made.take(sound())
    old.cancel()
    made.interrupts()
    made.asked(new)
    for content in late:
        assert made.take(content) == ""
    assert new.text == text
    assert new.over == (late[-1].get("turnComplete") is not None)


async def test_where_the_server_names_no_end_the_output_is_the_new_replys_after_a_while() -> None:
    clock = Clock()
    old, new = (GeminiResponse(NoHooks(), LiveRequest()) for _ in range(2))  # type: ignore[arg-type]
    made = Generations(lambda: clock.now_s)
    made.asked(old)
    old.cancel()
    made.interrupts()
    made.asked(new)
    made.take(sound("a"))
    assert (new.text, made.settles_in_s) == ("", SETTLE_S)
    clock.now_s = SETTLE_S
    made.take(sound("b"))
    assert (new.text, made.settles_in_s) == ("ab", None)
