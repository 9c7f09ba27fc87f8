"""A call that listens with a streaming STT: its turns, its words, and what happens while the vendor is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

from bargein import floor as f
from bargein import notices as n
from bargein import protocols as c
from bargein.audio.pcm import Samples
from bargein.call.input.stt_stream import SURELY_MS, STTStream
from bargein.errors import VendorRefused
from tests.call.kit import Scene, ScriptedLLM, ScriptedSTT, scene
from tests.call.parts import Parts, settle
from tests.call.scripted_stt import ScriptedStreamingSTT

STORY = "once there was a fox who lived by a river and sang to the moon every night of the year"


def did(s: Scene, *kinds: type[f.Action]) -> list[str]:
    return [type(a).__name__ for a in s.notes.actions if isinstance(a, kinds)]


async def asked(s: Scene, stt: ScriptedStreamingSTT, text: str, turn: int = 0) -> None:
    """The user asks something at rest, in one breath."""
    await s.pass_ms(512, speech=0.9)
    stt.recognize("started", text.split()[0], turn=turn, ago_ms=480)
    await s.pass_ms(512, speech=0.9)
    stt.recognize("words", text, turn=turn, ago_ms=1000)
    await s.pass_ms(320)


# ----------------------------------------------------------------------------------------------- interrupting


async def test_our_own_vad_holds_first_and_the_start_of_a_turn_cuts() -> None:
    stt = ScriptedStreamingSTT()
    async with scene("yes", greeting=STORY, streaming_stt=stt) as s:
        await s.until(lambda: s.words(1) >= 4)
        await s.pass_ms(64, speech=0.95)
        assert s.state == "barge_in", "the hold does not wait for a vendor"
        await s.pass_ms(256, speech=0.95)
        assert s.state == "barge_in"
        stt.recognize("started", "tell me", ago_ms=300)
        await s.settle()
        assert s.state == "listening"
        cut = next(a for a in s.notes.actions if isinstance(a, f.Cut))
        assert cut.barge_in.source is f.Source.TURN
        sources = [x.source for x in s.client.notices if isinstance(x, n.BargeInHappened)]
        assert sources == ["turn"]


async def test_a_sound_in_which_the_stt_finds_no_word_is_resumed() -> None:
    stt = ScriptedStreamingSTT()
    async with scene(greeting=STORY, streaming_stt=stt) as s:
        await s.until(lambda: s.words(1) >= 4)
        await s.pass_ms(256, speech=0.95)
        assert s.state == "barge_in"
        await s.pass_ms(192)
        await s.pass_ms(320)
        stt.recognize("progress")
        await s.settle()
        assert s.state == "speaking", "it has listened beyond the sound, and found nothing"
        await s.until(lambda: s.state == "idle")
        assert s.call.conversation.items == [c.AgentSaid(1, STORY)]


async def test_a_backchannel_is_resumed_and_belongs_to_no_later_turn() -> None:
    stt = ScriptedStreamingSTT()
    async with scene("sure", greeting=STORY, streaming_stt=stt) as s:
        await s.until(lambda: s.words(1) >= 4)
        await s.pass_ms(320, speech=0.95)
        stt.recognize("started", "mm-hmm", ago_ms=300)
        await s.pass_ms(224)
        await s.settle()
        assert s.state == "speaking"
        stt.recognize("ended", "mm-hmm", ago_ms=500)
        await s.until(lambda: s.state == "idle")
        await s.pass_ms(640)
        await asked(s, stt, "tell me more", turn=1)
        stt.recognize("ended", "tell me more", turn=1, ago_ms=1300)
        await s.until(lambda: bool(s.llm.prompts))
        assert [type(i).__name__ for i in s.llm.prompts[0].items] == ["AgentSaid", "UserBackchannel", "UserSaid"]
        assert s.llm.prompts[0].items[-1] == c.UserSaid(1, "tell me more")


async def test_the_agents_own_words_in_the_transcript_are_no_interruption_in_a_call() -> None:
    stt = ScriptedStreamingSTT()
    async with scene(greeting=STORY, streaming_stt=stt) as s:
        await s.until(lambda: s.words(1) >= 6)
        await s.pass_ms(256, speech=0.95)
        assert s.state == "barge_in"
        stt.recognize("started", "there was a fox", ago_ms=250)
        await s.settle()
        assert s.state == "speaking"
        assert did(s, f.Cut) == []


# ------------------------------------------------------------------------------------------------------ turns


async def test_the_end_of_a_turn_is_the_stts_and_its_words_are_answered() -> None:
    stt = ScriptedStreamingSTT()
    async with scene("owls are birds", streaming_stt=stt) as s:
        await asked(s, stt, "what are owls")
        await s.pass_ms(1_000)
        assert s.state == "listening", "quiet alone does not end a turn while an STT announces it"
        stt.recognize("ended", "what are owls", ago_ms=2_300)
        await s.until(lambda: s.state == "idle")
        assert s.call.conversation.items == [c.UserSaid(1, "what are owls"), c.AgentSaid(1, "owls are birds")]


async def test_an_stt_that_never_ends_the_turn_does_not_keep_the_user_waiting_for_ever() -> None:
    stt = ScriptedStreamingSTT()
    async with scene("owls are birds", streaming_stt=stt) as s:
        await asked(s, stt, "what are owls")
        await s.until(lambda: s.state == "speaking", within_ms=6_000)
        assert s.llm.prompts[0].items[-1] == c.UserSaid(1, "what are owls")


async def test_what_is_said_after_such_an_answer_is_only_what_is_new() -> None:
    stt = ScriptedStreamingSTT()
    async with scene("owls are birds", "and hawks as well", streaming_stt=stt) as s:
        await asked(s, stt, "what are owls")
        await s.until(lambda: s.state == "idle" and bool(s.llm.prompts), within_ms=9_000)
        await s.pass_ms(640)
        # The STT's turn goes on, though ours was answered.
        await s.pass_ms(640, speech=0.95)
        stt.recognize("words", "what are owls and hawks", ago_ms=9_000)
        await s.pass_ms(320)
        stt.recognize("ended", "what are owls and hawks", ago_ms=9_300)
        await s.until(lambda: len(s.llm.prompts) == 2)
        assert s.llm.prompts[1].items[-1] == c.UserSaid(2, "and hawks")


async def test_an_stt_without_turns_of_their_own_give_words_and_quiet_ends_the_turn() -> None:
    stt = ScriptedStreamingSTT(turns=False)
    async with scene("owls are birds", streaming_stt=stt) as s:
        await asked(s, stt, "what are owls")
        await s.until(lambda: bool(s.llm.prompts), within_ms=1_500)
        assert s.llm.prompts[0].items[-1] == c.UserSaid(1, "what are owls")


# ----------------------------------------------------------------------------------------------- without them


async def test_while_the_vendor_is_away_quiet_ends_turns_and_its_words_are_waited_for() -> None:
    stt = ScriptedStreamingSTT()
    async with scene("owls are birds", streaming_stt=stt) as s:
        stt.inbox.put_nowait(c.STTLost("Deepgram is away", "Look"))
        await s.pass_ms(640, speech=0.95)
        await s.pass_ms(960)
        assert s.state == "thinking", "quiet has ended the turn"
        assert s.llm.prompts == []
        stt.inbox.put_nowait(c.STTRestored())
        stt.recognize("started", "what are", ago_ms=1_600)
        stt.recognize("ended", "what are owls", ago_ms=1_600)
        await s.until(lambda: s.state == "idle")
        assert s.llm.prompts[0].items[-1] == c.UserSaid(1, "what are owls")
        assert [x.code for x in s.client.notices if isinstance(x, n.Problem)] == ["ears_lost"]


async def test_a_batch_stt_takes_over_when_the_streaming_one_is_refused() -> None:
    stt = ScriptedStreamingSTT()
    async with scene("owls are birds", streaming_stt=stt, stt=ScriptedSTT("what are owls")) as s:
        stt.inbox.put_nowait(VendorRefused("Deepgram refused with 401", advice="Check DEEPGRAM_API_KEY"))
        await s.pass_ms(640, speech=0.95)
        await s.until(lambda: bool(s.llm.prompts), within_ms=2_000)
        assert s.llm.prompts[0].items[-1] == c.UserSaid(1, "what are owls")
        problem = next(x for x in s.client.notices if isinstance(x, n.Problem))
        assert problem.advice == "Check DEEPGRAM_API_KEY"


async def test_a_caller_whose_words_cannot_be_read_hears_an_apology() -> None:
    stt = ScriptedStreamingSTT()
    async with scene("never asked", streaming_stt=stt, reprompts={"deaf": "I hear no words"}) as s:
        stt.inbox.put_nowait(VendorRefused("Deepgram refused with 401", advice="Check DEEPGRAM_API_KEY"))
        await s.pass_ms(640, speech=0.95)
        await s.until(lambda: s.state == "speaking", within_ms=2_000)
        await s.until(lambda: s.state == "idle")
        assert s.call.conversation.items == [c.UserSaid(1, None), c.AgentSaid(1, "I hear no words")]
        assert s.llm.prompts == []


async def test_the_connection_is_closed_with_the_call() -> None:
    stt = ScriptedStreamingSTT()
    async with scene(streaming_stt=stt) as s:
        await s.pass_ms(64)
    assert stt.closed == 1


async def test_a_crash_of_the_stt_ends_no_call() -> None:
    stt = ScriptedStreamingSTT()
    async with scene("fine", streaming_stt=stt, llm=ScriptedLLM("fine"), stt=ScriptedSTT("hello")) as s:
        stt.inbox.put_nowait(RuntimeError("a fault of its own"))
        await s.pass_ms(640, speech=0.95)
        await s.until(lambda: bool(s.llm.prompts), within_ms=2_000)


# ----------------------------------------------------------------------------------------------- the stream alone


class World:
    """A stream alone, to a connection that the test fills. own: words that are the agent's."""

    def __init__(self, *, own: str = "") -> None:
        self.parts = Parts()
        self.own = own
        self.vendor = ScriptedStreamingSTT()
        self.vendor.open(16_000)
        self.stream = STTStream(
            self.parts.context,
            self.vendor,
            name="a vendor",
            rate=16_000,
            turns=True,
            at_ms=lambda sample: sample / 16,
            is_own=lambda text, onset_ms, until_ms: text == self.own,
        )

    async def run(self, *items: c.STTEvent | Exception) -> None:
        """What the connection gives, until it waits."""
        for item in items:
            self.vendor.inbox.put_nowait(item)
        if not self.parts.tasks:
            self.parts.context.spawn(self.stream.run(), "stt")
        await settle()


def update(kind: c.TurnUpdateKind, text: str, from_ms: float, until_ms: float, turn: int = 0) -> c.TurnUpdate:
    return c.TurnUpdate(kind, turn, text, from_ms, until_ms)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    await world.parts.end()


async def test_what_the_stt_says_is_the_floors_evidence_on_the_calls_clock(world: World) -> None:
    await world.run(
        update("started", "what", 100, 400),
        update("words", "what are", 100, 600),
        update("eager_end", "what are owls", 100, 900),
        update("resumed", "what are owls", 100, 1_000),
        update("progress", "what are owls", 100, 1_100),
        update("ended", "what are owls", 100, 1_200),
    )
    assert world.parts.events == [
        f.TurnStarted(100, "what"),
        f.Words(100, "what are"),
        f.TurnEnding(900, "what are owls"),
        f.TurnResumed(1_000),
        f.TurnEnded(900, "what are owls"),
    ]
    assert world.stream.listened_ms == 1_200


async def test_the_agents_own_words_are_judged_to_be_no_interruption() -> None:
    world = World(own="once there")
    await world.run(update("started", "once there", 100, 400))
    why = "the agent's own words, 'once there'"
    assert world.parts.events == [f.Judged(100, interrupts=False, confidence=0.9, why=why)]
    await world.parts.end()


async def test_an_utterance_belongs_to_the_turn_that_asked_for_it_first(world: World) -> None:
    await world.run(update("ended", "what are owls", 100, 900), update("started", "and", 2_000, 2_200, turn=1))
    assert world.stream.words(1, 0, 1_500) == "what are owls"
    assert world.stream.words(2, 1_500) == "and"
    await world.run(update("words", "and hawks", 2_000, 2_400, turn=1))
    assert world.stream.words(2, 1_500) == "and hawks"
    assert world.stream.words(3, 0) == ""


async def test_an_utterance_in_a_script_without_spaces_is_shared_by_the_character(world: World) -> None:
    await world.run(update("words", "你好", 100, 900))
    assert world.stream.words(1, 0) == "你好"
    await world.run(update("words", "你好，我想订票", 100, 1_500))
    assert world.stream.words(2, 0) == "我想订票"


async def test_dismissed_words_belong_to_no_turn(world: World) -> None:
    await world.run(update("ended", "mm-hmm", 100, 300), update("ended", "wait", 900, 1_200, turn=1))
    world.stream.dismiss(500)
    assert world.stream.words(1, 0) == "wait"


async def test_words_of_a_sound_come_as_soon_as_there_are_some(world: World) -> None:
    looking = asyncio.create_task(world.stream.wait_words_since(500, 900, 5))
    await world.run(update("started", "old", 100, 400))
    assert not looking.done()
    await world.run(update("started", "wait", 600, 1_000, turn=1))
    assert await looking == "wait"


async def test_a_sound_that_the_stt_has_listened_beyond_without_a_word_had_none(world: World) -> None:
    looking = asyncio.create_task(world.stream.wait_words_since(500, 900, 5))
    await world.run(update("progress", "", 0, 900 + SURELY_MS - 1))
    assert not looking.done()
    await world.run(update("progress", "", 0, 900 + SURELY_MS))
    assert await looking == ""


async def test_an_stt_that_is_away_or_late_can_say_nothing_of_a_sound(world: World) -> None:
    assert await world.stream.wait_words_since(500, 900, 0) is None
    await world.run(c.STTLost("away", "Look"))
    assert await world.stream.wait_words_since(500, 900, 5) is None


async def test_words_that_come_late_are_waited_for_also_while_the_vendor_is_away(world: World) -> None:
    waiting = asyncio.create_task(world.stream.wait_words(1, 0, 5))
    await world.run(c.STTLost("away", "Look"), update("words", "what", 100, 400))
    assert not waiting.done()
    await world.run(c.STTRestored())
    assert await waiting == "what"


async def test_words_that_do_not_come_are_not_waited_for_for_ever(world: World) -> None:
    assert await world.stream.wait_words(1, 0, 0) is None


async def test_each_change_of_the_vendor_is_passed_on_and_recorded(world: World) -> None:
    changes: list[tuple[bool, bool]] = []
    world.stream.on_connected = lambda: changes.append((world.stream.connected, world.stream.gone))
    await world.run(c.STTLost("away", "Look"), c.STTRestored(), RuntimeError("a secret"))
    assert changes == [(False, False), (True, False), (False, True)]
    problems = [(x.code, x.message) for x in world.parts.notices if isinstance(x, n.Problem)]
    assert problems == [("ears_lost", "away"), ("ears_lost", "RuntimeError in a vendor")]
    assert [facts["for_good"] for kind, facts in world.parts.notes.notes if kind == "stt"] == [False, False, True]


async def test_a_connection_that_ends_by_itself_is_gone_for_good(world: World) -> None:
    class Empty:
        def push_audio(self, samples: Samples) -> None: ...

        async def events(self) -> AsyncIterator[c.STTEvent]:
            for event in list[c.STTEvent]():
                yield event

    world.stream._connection = Empty()
    await world.run()
    assert world.stream.gone
    assert [x.message for x in world.parts.notices if isinstance(x, n.Problem)] == ["a vendor ended"]


async def test_times_after_a_gap_in_the_audio_are_right() -> None:
    world = World()
    samples = np.zeros(1_600, np.int16)
    world.stream.push_audio(0, samples)
    world.stream.push_audio(161_600, samples)
    assert world.vendor.pushed == 3_200
    await world.run(update("started", "before", 50, 90), update("started", "after", 150, 190, turn=1))
    assert [e.at_ms for e in world.parts.events if isinstance(e, f.TurnStarted)] == [50, 10_150]
    await world.parts.end()
