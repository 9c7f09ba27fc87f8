"""Replies in the making: what is said, with which TTS, and what happens when one is stopped or lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

from bargein import notices as n
from bargein.audio.pcm import Pcm
from bargein.call.output.playout import Playout
from bargein.call.output.reply import Reply, ReplyContent, ReplySource, SpeechSource
from bargein.call.output.speaker import Speaker
from bargein.call.output.text_streams import one
from bargein.clock import ManualClock
from bargein.errors import VendorLost
from bargein.floor import ReplyEnded, ReplyFailed, ReplyProtected
from bargein.protocols import SpeechChunk
from tests.call.kit import RATE, FakeClient, ToneTTS, scene
from tests.call.parts import Parts, settle, spoken


class World:
    """A speaker with a real playout, to a client that does not play."""

    def __init__(self, tts: ToneTTS | None, fallback: ToneTTS | None = None) -> None:
        self.parts = Parts()
        self.playout = Playout(self.parts.replies, FakeClient(ManualClock(0)), self.parts.notes, 100)
        self.speaker = Speaker(self.parts.context, self.parts.replies, self.playout, tts, fallback)

    async def begin(self, content: ReplyContent | Exception, reply: Reply | None = None) -> Reply:
        reply = reply or Reply(1, "reply", 0.0)
        self.speaker.begin(reply, source(content))
        await settle()
        return reply

    def problems(self) -> list[str]:
        return [x.code for x in self.parts.notices if isinstance(x, n.Problem)]


def source(content: ReplyContent | Exception) -> ReplySource:
    async def give(reply: Reply) -> ReplyContent:
        if isinstance(content, Exception):
            raise content
        return content

    return give


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World(ToneTTS())
    yield world
    await world.parts.end()


def made_ms(reply: Reply) -> float:
    assert reply.track is not None
    return reply.track.made * 1000 / RATE


# ------------------------------------------------------------------------------------------------------ saying


async def test_a_text_is_spoken_and_the_client_gets_its_words_with_their_times(world: World) -> None:
    reply = await world.begin(one("hello there"))
    assert world.parts.replies.live is reply
    assert made_ms(reply) == 400
    assert world.parts.notices == [
        n.ReplyBegins(1, "reply", interruptible=True),
        n.WordsAdded(1, "hello ", ((0, 200, 0, 5),), exact=True),
        n.WordsAdded(1, "there ", ((200, 400, 6, 11),), exact=True),
    ]
    assert world.parts.kicks == 1, "the first audio does not wait for the ticker"
    assert reply.track is not None
    assert reply.track.complete


async def test_audio_that_is_there_already_needs_no_tts() -> None:
    async def audio() -> AsyncIterator[SpeechChunk]:
        yield spoken("hello there")

    world = World(None)
    reply = await world.begin(SpeechSource(audio(), RATE))
    assert made_ms(reply) == 400


async def test_words_without_times_get_estimated_ones() -> None:
    world = World(ToneTTS(timed=False))
    await world.begin(one("hello there"))
    added = [x for x in world.parts.notices if isinstance(x, n.WordsAdded)]
    assert added
    assert not any(x.exact for x in added)
    assert sum(len(x.words) for x in added) == 2
    await world.parts.end()


async def test_nothing_to_say_ends_the_reply_at_once(world: World) -> None:
    await world.begin(None)
    assert world.parts.events == [ReplyEnded(0, 1)]
    assert world.parts.replies.live is None


async def test_a_protected_reply_is_announced_as_such(world: World) -> None:
    await world.begin(one("this call is recorded"), Reply(1, "greeting", 0.0, protected=None))
    assert world.parts.events == [ReplyProtected(0, 1, protected=True)]
    assert n.ReplyBegins(1, "greeting", interruptible=False) in world.parts.notices


async def test_a_tts_that_gives_a_minute_at_once_waits_for_the_playout() -> None:
    async def audio() -> AsyncIterator[SpeechChunk]:
        yield SpeechChunk(Pcm(np.full(60 * RATE, 900, np.int16), RATE), "long")

    world = World(None)
    reply = await world.begin(SpeechSource(audio(), RATE))
    assert made_ms(reply) == 2_800
    await world.parts.end()


# ---------------------------------------------------------------------------------------------------- stopping


async def test_a_reply_that_is_stopped_makes_no_more_and_its_model_stops_at_once(world: World) -> None:
    closed: list[str] = []

    class Response:
        def cancel(self) -> None:
            closed.append("response")

    async def text() -> AsyncIterator[str]:
        try:
            yield "hello "
            await asyncio.Event().wait()
        finally:
            closed.append("text")

    reply = Reply(1, "reply", 0.0, response=Response())  # type: ignore[arg-type]
    await world.begin(text(), reply)
    assert world.speaker.stop() is reply
    assert reply.cut
    assert closed == ["response"], "at once, and not when its task is cancelled"
    assert world.parts.replies.live is None
    await settle()
    assert closed == ["response", "text"]
    assert world.problems() == []


async def test_stopping_twice_and_stopping_nothing_is_harmless(world: World) -> None:
    assert world.speaker.stop() is None
    await world.begin(one("hello"))
    world.speaker.stop()
    assert world.speaker.stop() is None


async def test_the_next_reply_waits_until_the_one_before_has_stopped(world: World) -> None:
    go = asyncio.Event()

    async def stubborn() -> AsyncIterator[str]:
        try:
            yield "hello "
            await asyncio.Event().wait()
        finally:
            await go.wait()

    await world.begin(stubborn())
    world.speaker.stop()
    second = await world.begin(one("and then"), Reply(2, "reply", 0.0))
    assert second.track is None
    go.set()
    await settle()
    assert made_ms(second) == 400


async def test_a_source_that_comes_back_after_its_reply_was_stopped_gets_no_track(world: World) -> None:
    late, live = Reply(1, "reply", 0.0), Reply(2, "reply", 0.0)
    world.parts.replies.begin(live)
    world.playout.begin(live, RATE)
    world.playout.begin(late, RATE)
    assert late.track is None
    assert world.playout.track is live.track


# ------------------------------------------------------------------------------------------------------ losing


async def test_a_model_that_fails_before_any_audio_fails_the_reply(world: World) -> None:
    reply = Reply(1, "reply", 0.0, llm_lost=True)
    await world.begin(VendorLost("gone", advice="Look"), reply)
    assert [type(e) for e in world.parts.events] == [ReplyFailed]
    assert world.problems() == ["model_lost"]
    assert world.parts.notes.causes == [("vendor_errors", "model_lost")]
    assert world.parts.replies.live is None


async def test_a_tts_that_fails_in_the_middle_is_heard_as_far_as_it_came() -> None:
    world = World(ToneTTS(fail_after=1))
    reply = await world.begin(one("hello there"))
    assert world.problems() == ["voice_lost"]
    assert world.parts.events == [], "its audio is played first"
    assert reply.track is not None
    assert (reply.track.complete, reply.track.failure) == (True, "The tone TTS is gone")


async def test_a_fault_of_our_own_says_where_to_look_and_no_more(world: World) -> None:
    await world.begin(RuntimeError("a secret"))
    (problem,) = [x for x in world.parts.notices if isinstance(x, n.Problem)]
    assert (problem.code, problem.message) == ("internal", "RuntimeError while making a reply")
    assert "secret" not in problem.advice


async def test_the_fallback_apologizes_and_only_while_the_tts_is_lost() -> None:
    tts, fallback = ToneTTS(silent=True), ToneTTS()
    world = World(tts, fallback)
    await world.begin(one("hello"))
    await world.begin(one("sorry"), Reply(2, "reprompt", 0.0))
    assert (tts.spoken, fallback.spoken) == (0, 2)
    assert (tts.closed, fallback.closed) == (1, 2), "the TTS was not tried for the apology"
    tts.silent = False
    await world.begin(one("hello again"), Reply(3, "reply", 0.0))
    assert (tts.spoken, fallback.spoken) == (2, 2)
    await world.begin(one("are you there"), Reply(4, "reprompt", 0.0))
    assert (tts.spoken, fallback.spoken) == (5, 2), "the TTS works again"
    await world.parts.end()


async def test_without_any_tts_a_text_cannot_be_said() -> None:
    world = World(None)
    await world.begin(one("hello"))
    assert world.problems() == ["voice_lost"]


async def test_in_a_call_a_dead_tts_does_not_end_it() -> None:
    async with scene("a b c", tts=ToneTTS(silent=True)) as s:
        s.call.say("hello")
        await s.settle()
        await s.until(lambda: s.state == "idle")
        assert s.call.over is None
        assert s.client.order == []
