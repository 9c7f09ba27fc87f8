"""An LLM with a TTS: what it is asked, when, and what becomes of a reply that was prepared."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from bargein import notices as n
from bargein import protocols as c
from bargein.agent import Agent
from bargein.audio.pcm import Pcm
from bargein.call.input.turns import Turn
from bargein.call.output.reply import Reply, ReplyContent, SpeechSource
from bargein.call.record.conversation import Conversation
from bargein.call.responders.chat import ChatResponder
from bargein.protocols import UserSaid
from tests.call.kit import Scene, ScriptedLLM, ToneTTS, scene
from tests.call.parts import Parts, settle
from tests.call.scripted_stt import ScriptedStreamingSTT
from tests.call.scripted_tool import ScriptedTool

STORY = "once there was a fox who lived by a river and sang to the moon every night of the year"


class AudioLLM(ScriptedLLM):
    """An LLM that hears the user's audio itself."""

    hears_audio = True


class World:
    """A responder alone. text: the words of every turn; confirmed: set when it is known what was heard."""

    def __init__(self, llm: ScriptedLLM | None = None, text: str | None = "what are owls") -> None:
        self.parts = Parts()
        self.conversation = Conversation()
        self.text = text
        self.known_text = ""
        self.expects_words = False
        self.confirmed = asyncio.Event()
        self.confirmed.set()
        self.results = 0
        self.llm = llm or ScriptedLLM("owls are birds")
        agent = Agent(
            name="a", llm=self.llm, tts=ToneTTS(), instructions="Be short.", tools=(ScriptedTool("book", "commit"),)
        )
        assert agent.tts is not None
        self.responder = ChatResponder(
            self.parts.context,
            agent,
            self.llm,
            agent.tts,
            self.conversation,
            self,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            self.results_waiting,
        )

    def results_waiting(self) -> None:
        self.results += 1

    # Ledger
    async def wait_confirmed(self) -> None:
        await self.confirmed.wait()

    # Turns
    async def words(self, turn: Turn, *, spoken: bool) -> str | None:
        return self.text

    def known(self, turn: Turn, until_ms: float = 0.0) -> str:
        return self.known_text

    def audio(self, turn: Turn) -> Pcm:
        return Pcm(np.zeros(160, np.int16), 16_000)

    async def answer(self, turn: Turn, *, spoken: bool = True) -> str | None:
        reply = self.responder.new_reply(1, turn.id)
        return await said(await self.responder.answer(reply, turn, spoken=spoken))


async def said(content: ReplyContent) -> str | None:
    if content is None:
        return None
    if isinstance(content, SpeechSource):
        return "".join([chunk.text async for chunk in content.audio])
    return "".join([text async for text in content])


# ---------------------------------------------------------------------------------------------------- answers


async def test_the_llm_is_asked_with_the_turns_words_and_they_are_on_record() -> None:
    world = World()
    assert await world.answer(Turn(1, 0.0, c.SaidOver(1, "hello"))) == "owls are birds "
    (prompt,) = world.llm.prompts
    over = c.SaidOver(1, "hello")
    assert (prompt.instructions, prompt.items, prompt.audio) == (
        "Be short.",
        (UserSaid(1, "what are owls", over),),
        None,
    )
    assert [tool.name for tool in prompt.tools] == ["book"]
    assert world.conversation.items == [UserSaid(1, "what are owls", over)]
    assert world.parts.notices == [n.Transcript("user", "what are owls", final=True, turn=1, over="hello")]


async def test_a_sound_without_words_is_not_answered() -> None:
    world = World(text="")
    assert await world.answer(Turn(1, 0.0, None)) is None
    assert world.conversation.items == []


async def test_the_llm_is_not_asked_before_it_is_known_what_was_heard() -> None:
    world = World()
    world.confirmed.clear()
    answering = asyncio.create_task(world.answer(Turn(1, 0.0, None)))
    await settle()
    assert world.llm.prompts == []
    world.confirmed.set()
    assert await answering == "owls are birds "


async def test_a_caller_whose_words_cannot_be_read_hears_an_apology() -> None:
    world = World(text=None)
    world.expects_words = True
    apology = await world.answer(Turn(1, 0.0, None))
    assert apology is not None
    assert apology.startswith("Sorry, I cannot make out any words")
    assert world.llm.prompts == []


async def test_without_any_stt_the_llm_is_asked_all_the_same() -> None:
    world = World(text=None)
    assert await world.answer(Turn(1, 0.0, None)) == "owls are birds "


async def test_these_very_words_are_text_for_the_tts_and_no_words_are_nothing() -> None:
    world, reply = World(), Reply(1, "say", 0.0)
    assert await said(await world.responder.source_of("good evening")(reply)) == "good evening"
    assert reply.text == "good evening"
    assert await world.responder.source_of("")(Reply(2, "say", 0.0)) is None


async def test_a_result_that_came_late_is_said_once_and_not_if_a_prompt_had_it() -> None:
    world = World(ScriptedLLM("you have table 7", "owls are birds"))
    reply = Reply(2, "say", 0.0)
    assert await world.responder.say_tool_results(reply) is None
    world.responder._on_late_result(c.ToolResult("a", "book", "{}", "table 7"))
    assert world.results == 1
    assert await said(await world.responder.say_tool_results(reply)) == "you have table 7 "
    assert await world.responder.say_tool_results(reply) is None
    world.responder._on_late_result(c.ToolResult("b", "book", "{}", "table 8"))
    await world.answer(Turn(1, 0.0, None))
    assert await world.responder.say_tool_results(reply) is None


def test_an_llm_needs_to_know_nothing_of_turns_noises_and_cuts() -> None:
    world = World()
    world.responder.turn_started(0.0)
    world.responder.dismiss(0.0, 10.0, None)
    world.responder.words_came()
    world.responder.stopped(Reply(1, "reply", 0.0), sounded=True)
    assert (world.llm.prompts, world.conversation.items, world.parts.notices) == ([], [], [])


# ------------------------------------------------------------------------------------- an LLM that hears audio


async def test_an_llm_that_hears_audio_gets_it_and_does_not_wait_for_words() -> None:
    world = World(AudioLLM("owls are birds"), text=None)
    assert await world.answer(Turn(1, 0.0, None)) == "owls are birds "
    (prompt,) = world.llm.prompts
    assert prompt.audio is not None
    assert prompt.items == (UserSaid(1, None),)
    await world.parts.end()


async def test_its_words_enter_the_conversation_when_they_come() -> None:
    world = World(AudioLLM("owls are birds"), text="read in one piece")
    await world.answer(Turn(1, 0.0, None))
    assert world.conversation.items == [UserSaid(1, None)]
    await settle()
    assert world.conversation.items == [UserSaid(1, "read in one piece")]
    world.known_text = "what are hawks"
    await world.answer(Turn(2, 0.0, None))
    world.known_text = "what are hawks then"
    world.responder.words_came()
    assert world.conversation.items[-1] == UserSaid(2, "what are hawks then")


async def test_a_turn_without_speech_or_text_is_silent_for_it_too() -> None:
    world = World(AudioLLM("never asked"))
    assert await world.answer(Turn(1, 0.0, None), spoken=False) is None
    world.known_text = "4"
    assert await world.answer(Turn(1, 0.0, None, ["4"]), spoken=False) == "never asked "
    assert world.llm.prompts[0].audio is None


# --------------------------------------------------------------------------------------------------- prepared


async def asked(s: Scene, stt: ScriptedStreamingSTT, text: str, turn: int = 0) -> None:
    """The user asks something while the agent is silent, in one breath."""
    await s.pass_ms(512, speech=0.9)
    stt.recognize("started", text.split()[0], turn=turn, ago_ms=480)
    await s.pass_ms(512, speech=0.9)
    stt.recognize("words", text, turn=turn, ago_ms=1000)
    await s.pass_ms(320)


async def test_a_turn_whose_words_are_not_known_yet_is_prepared_by_an_llm_that_hears_and_by_no_other() -> None:
    hearing = World(AudioLLM("owls are birds"))
    hearing.responder.prepare(Turn(1, 0.0, None))
    reading = World()
    reading.responder.prepare(Turn(1, 0.0, None))
    await settle()
    assert (len(hearing.llm.prompts), len(reading.llm.prompts)) == (1, 0)
    for world in (hearing, reading):
        world.responder.discard_prepared("taken back")
        await world.parts.end()


async def test_a_reply_for_another_turn_is_a_new_one() -> None:
    world = World()
    world.responder.prepare(Turn(1, 0.0, None))
    assert world.responder.new_reply(3, 2).id == 3
    world.responder.discard_prepared("taken back")
    world.responder.discard_prepared("taken back")
    assert world.responder.prepared_stats.forgotten == 1
    await world.parts.end()


async def test_a_probable_end_makes_the_reply_and_none_of_it_sounds_before_the_turn_is_over() -> None:
    stt, tts = ScriptedStreamingSTT(), ToneTTS()
    async with scene("owls are birds", streaming_stt=stt, tts=tts) as s:
        await asked(s, stt, "what are owls")
        stt.recognize("eager_end", "what are owls", ago_ms=1_300)
        await s.pass_ms(320)
        assert tts.spoken == 3, "it is made"
        assert s.client.heard == {}, "and does not sound"
        assert s.state == "listening"
        stt.recognize("ended", "what are owls", ago_ms=1_600)
        await s.settle()
        await s.pass_ms(40)
        assert s.client.heard[1], "it sounds at once"
        await s.until(lambda: s.state == "idle")
        assert len(s.llm.prompts) == 1
        assert s.call.conversation.items == [c.UserSaid(1, "what are owls"), c.AgentSaid(1, "owls are birds")]
        assert ("prepared", "used") in s.notes.causes
        assert s.call.status().ahead["used"] == 1


async def test_a_user_who_goes_on_gets_another_reply_and_the_waste_is_counted() -> None:
    stt = ScriptedStreamingSTT()
    async with scene("owls are birds", "hawks are birds too", streaming_stt=stt) as s:
        await asked(s, stt, "what are owls")
        stt.recognize("eager_end", "what are owls", ago_ms=1_300)
        await s.pass_ms(192)
        await s.pass_ms(512, speech=0.9)
        stt.recognize("resumed", "what are owls and", ago_ms=2_000)
        await s.pass_ms(320)
        stt.recognize("ended", "what are owls and hawks", ago_ms=2_400)
        await s.until(lambda: s.state == "idle")
        assert s.call.conversation.items[-2:] == [
            c.UserSaid(1, "what are owls and hawks"),
            c.AgentSaid(1, "hawks are birds too"),
        ]
        assert s.call.status().ahead == {
            "used": 0,
            "forgotten": 1,
            "wasted_chars": len("owls are birds "),
            "wasted_ms": 600.0,
        }
        assert s.notes.counts["prepared_waste_ms"] == 600


async def test_other_words_at_the_end_than_were_prepared_for_are_answered_themselves() -> None:
    stt = ScriptedStreamingSTT()
    async with scene("wrong", "right", streaming_stt=stt) as s:
        await asked(s, stt, "what are owls")
        stt.recognize("eager_end", "what are owls", ago_ms=1_300)
        await s.pass_ms(96)
        stt.recognize("ended", "what are cows", ago_ms=1_400)
        await s.until(lambda: s.state == "idle")
        assert s.call.conversation.items == [c.UserSaid(1, "what are cows"), c.AgentSaid(1, "right")]
        assert ("prepared", "other words") in s.notes.causes


async def test_a_reply_that_was_prepared_can_be_cut_to_the_word_like_any_other() -> None:
    stt = ScriptedStreamingSTT()
    async with scene(STORY, "stopped", streaming_stt=stt) as s:
        await asked(s, stt, "tell me a story")
        stt.recognize("eager_end", "tell me a story", ago_ms=1_300)
        await s.pass_ms(96)
        stt.recognize("ended", "tell me a story", ago_ms=1_400)
        await s.until(lambda: s.words(1) >= 5)
        await s.pass_ms(320, speech=0.95)
        stt.recognize("started", "wait", turn=1, ago_ms=300)
        await s.settle()
        said = s.call.conversation.items[1]
        assert isinstance(said, c.AgentSaid)
        words = s.words(1)
        assert (said.ended, said.text) == ("cut", " ".join(STORY.split()[:words]))
        assert said.unheard == " ".join(STORY.split()[words:])
        assert s.llm.closed == 1


async def test_a_tts_that_fails_ahead_fails_when_it_is_needed_and_the_caller_hears_an_apology() -> None:
    stt, tts = ScriptedStreamingSTT(), ToneTTS(fail_after=0)
    fallback = ToneTTS()
    async with scene("owls", streaming_stt=stt, tts=tts, fallback_tts=fallback) as s:
        await asked(s, stt, "what are owls")
        stt.recognize("eager_end", "what are owls", ago_ms=1_300)
        await s.pass_ms(96)
        assert [x for x in s.client.notices if isinstance(x, n.Problem)] == []
        stt.recognize("ended", "what are owls", ago_ms=1_400)
        await s.until(lambda: s.state == "idle")
        assert [x.code for x in s.client.notices if isinstance(x, n.Problem)] == ["voice_lost"]
        assert fallback.spoken > 0, "the apology is said by the fallback TTS"


@pytest.mark.parametrize("stage", ["before the first token", "between chunks", "after the last was made"])
async def test_an_interruption_at_any_stage_of_the_reply_is_answered(stage: str) -> None:
    stt, pause = ScriptedStreamingSTT(), asyncio.Event()
    text = "a short one" if stage == "after the last was made" else STORY
    llm = ScriptedLLM(text, "the new answer", pause=pause)
    async with scene(llm=llm, streaming_stt=stt) as s:
        await asked(s, stt, "what are owls")
        stt.recognize("ended", "what are owls", ago_ms=1_400)
        await s.settle()
        if stage == "before the first token":
            await s.pass_ms(320)
            assert (s.state, s.client.heard) == ("thinking", {})
        else:
            pause.set()
            await s.until(lambda: s.words(1) >= 2)
        await s.pass_ms(320, speech=0.95)
        stt.recognize("started", "and hawks", turn=1, ago_ms=300)
        await s.settle()
        assert s.state == "listening"
        pause.set()
        heard = len(s.client.heard.get(1, []))
        await s.pass_ms(320)
        stt.recognize("ended", "and hawks", turn=1, ago_ms=700)
        await s.until(
            lambda: s.state == "idle" and len(s.client.order) == (1 if stage == "before the first token" else 2)
        )
        assert len(s.client.heard.get(1, [])) == heard, "nothing of it sounds after the cut"
        assert s.call.conversation.items[-1] == c.AgentSaid(2, "the new answer")
        said = [i.text for i in s.call.conversation.items if isinstance(i, c.UserSaid)]
        assert " ".join(filter(None, said)) == "what are owls and hawks"
        assert llm.closed == 2, "no LLM goes on for a reply that was cut"
