"""Models and voices that fail: no caller waits in silence, and no words are lost that another voice can say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import numpy as np
import pytest

from bargein import notices as n
from bargein import protocols as c
from bargein.agent import FILLERS, Greeting
from bargein.audio.pcm import Pcm
from bargein.errors import VendorLost
from bargein.floor import Policy
from tests.call.kit import RATE, WORD_MS, Scene, ScriptedLLM, ToneTTS, scene
from tests.call.scripted_realtime import ScriptedRealtime, ScriptedResponse

LOST = VendorLost("OpenAI could not answer (rate_limit_exceeded)", advice="Wait a little")
SORRY = "Sorry, I lost my thread. Could you say that again?"


class MuteTTS(ToneTTS):
    """Speaks for its words in digital silence, or with a noise far below what is heard."""

    def __init__(self, level: int = 0) -> None:
        super().__init__()
        self.level = level

    async def speak(self, text: AsyncIterator[str]) -> AsyncIterator[c.SpeechChunk]:
        async for chunk in super().speak(text):
            yield c.SpeechChunk(Pcm(np.full(len(chunk.pcm), self.level, np.int16), RATE), chunk.text, chunk.words)


class NothingTTS(ToneTTS):
    """Takes the text, and ends without any audio."""

    async def speak(self, text: AsyncIterator[str]) -> AsyncIterator[c.SpeechChunk]:
        async for _ in text:
            pass
        chunks: tuple[c.SpeechChunk, ...] = ()
        for chunk in chunks:
            yield chunk


class DeafTTS(ToneTTS):
    """Takes the text, and never answers."""

    async def speak(self, text: AsyncIterator[str]) -> AsyncIterator[c.SpeechChunk]:
        async for _ in text:
            pass
        await asyncio.Event().wait()
        yield c.SpeechChunk(Pcm.silence(1, RATE))


class DeadLLM(ScriptedLLM):
    async def reply(self, prompt: c.Prompt) -> AsyncIterator[c.TextDelta | c.ToolCall]:
        self.prompts.append(prompt)
        pieces: tuple[c.TextDelta, ...] = ()
        for piece in pieces:
            yield piece
        raise VendorLost("The model is gone", advice="Look")


class NeverLLM(ScriptedLLM):
    async def reply(self, prompt: c.Prompt) -> AsyncIterator[c.TextDelta | c.ToolCall]:
        self.prompts.append(prompt)
        await asyncio.Event().wait()
        yield c.TextDelta("never")


class WordsWithoutSound(ScriptedRealtime):
    """Its transcript comes, and audio that cannot be heard (or none at all)."""

    def __init__(self, *texts: str, silent_ms: int = 0) -> None:
        super().__init__(*texts)
        self.silent_ms = silent_ms

    def _respond(self, text: str) -> ScriptedResponse:
        self.responses.append(_Unheard(self, text))
        return self.responses[-1]


class _Unheard(ScriptedResponse):
    async def audio(self) -> AsyncIterator[c.SpeechChunk | c.ToolCalls]:
        assert isinstance(self.model, WordsWithoutSound)
        self.started = True
        for text in self.rounds:
            yield c.SpeechChunk(Pcm.silence(0, RATE), text, ahead=True)
        for _ in range(self.model.silent_ms // 20):
            yield c.SpeechChunk(Pcm.silence(20, RATE), ahead=True)


def said(s: Scene) -> list[str]:
    """What the caller heard, reply by reply."""
    told: dict[int, str] = {}
    for notice in s.client.notices:
        if isinstance(notice, n.WordsAdded) and notice.reply_id in s.client.order:
            told[notice.reply_id] = told.get(notice.reply_id, "") + notice.text
    return [told.get(reply, "").strip() for reply in s.client.order]


async def ask(s: Scene) -> None:
    """The user says something, and the answer, or what stands for it, is over."""
    before = s.call.floor.turn.id
    await s.pass_ms(640, speech=0.95)
    await s.until(lambda: s.call.floor.turn.id > before and s.state == "idle", 40_000)


# ---------------------------------------------------------------------------------------------- the model is away


async def test_a_realtime_model_that_refuses_everything_is_never_met_with_silence() -> None:
    model, fallback = ScriptedRealtime(), ToneTTS()
    model.error = LOST
    async with scene(realtime=model, fallback_tts=fallback, greeting="Hello there") as s:
        await s.until(lambda: s.client.order == [1] and s.state == "idle")
        assert said(s) == ["Hello there"], "the greeting's words are known"
        await ask(s)
        assert said(s)[-1] == SORRY
        await ask(s)
        assert said(s)[-1] == SORRY
        await ask(s)
        assert "end this call" in said(s)[-1], "after several it says so"
        assert s.call.over is not None
        assert "3 replies in a row were lost" in s.call.over
    assert [what for what, *_ in model.calls].count("say") == 1, (
        "a model that has just failed is not asked to apologize"
    )


async def test_a_model_that_works_again_ends_the_row_of_losses() -> None:
    model = ScriptedRealtime()
    async with scene(realtime=model, fallback_tts=ToneTTS()) as s:
        for _ in range(3):
            model.error = LOST
            await ask(s)
            await ask(s)
            model.error = None
            model.texts = ["here I am"]
            await ask(s)
            assert said(s)[-1] == "here I am"
        assert s.call.over is None


async def test_without_a_fallback_the_call_ends_instead_of_staying_silent() -> None:
    model = ScriptedRealtime()
    model.error = LOST
    async with scene(realtime=model) as s:
        await ask(s)
        await ask(s)
        await s.until(lambda: s.call.over is not None)


async def test_an_apology_that_is_talked_over_does_not_make_the_next_failure_silent() -> None:
    async with scene(llm=DeadLLM(), policy=Policy().with_({"alone_ms": 0, "max_failures": 0})) as s:
        await s.pass_ms(640, speech=0.95)
        await s.until(lambda: s.words(s.call.floor.reply.id) == 2)
        await s.pass_ms(640, speech=0.95)  # over the apology
        await s.until(lambda: s.state == "idle")
        assert [words for words in said(s) if words] == [SORRY, SORRY]


async def test_a_caller_is_handed_on_when_the_agent_cannot_go_on() -> None:
    numbers: list[str] = []

    class Control:
        async def transfer(self, to: str) -> None:
            numbers.append(to)

        async def hang_up(self) -> None: ...

    policy = Policy().with_({"alone_ms": 0, "max_failures": 1})
    on_failure = c.Transfer("+4930123456")
    async with scene(llm=DeadLLM(), policy=policy, on_failure=on_failure, control=Control()) as s:
        await s.pass_ms(640, speech=0.95)
        await s.until(lambda: s.call.over is not None)
        assert numbers == ["+4930123456"]
        assert "put you through" in said(s)[-1]


async def test_a_caller_who_cannot_be_handed_on_is_not_left_in_silence() -> None:
    policy = Policy().with_({"alone_ms": 0, "max_failures": 1})
    async with scene(llm=DeadLLM(), policy=policy, on_failure=c.Transfer("+4930123456")) as s:
        await s.pass_ms(640, speech=0.95)
        await s.until(lambda: s.call.over is not None)
        assert "gave up" in (s.call.over or "")


async def test_a_model_that_answers_with_nothing_is_a_failed_reply() -> None:
    async with scene(realtime=ScriptedRealtime(""), fallback_tts=ToneTTS()) as s:
        await ask(s)
        assert said(s) == [SORRY]


# ---------------------------------------------------------------------------------------------- the voice is away


@pytest.mark.parametrize(
    "voice",
    [ToneTTS(silent=True), MuteTTS(), MuteTTS(level=20), NothingTTS(), DeafTTS()],
    ids=["refuses", "digital silence", "under -60 dBFS", "no audio", "never answers"],
)
async def test_words_whose_voice_fails_are_spoken_by_the_fallback_in_the_same_reply(voice: ToneTTS) -> None:
    async with scene("the sea is calm", tts=voice, fallback_tts=ToneTTS(), greeting=GREETING) as s:
        await s.until(lambda: s.client.order == [1] and s.state == "idle")
        assert said(s) == ["This call is recorded. Hello there"], "the legal part is never dropped"
        began = s.clock.now_ms()
        await ask(s)
        assert [text for text in said(s)[1:] if text not in FILLERS["en"]] == ["the sea is calm"]
        assert s.clock.now_ms() - began < 7_000
        assert s.call.floor.failures == 0
        assert [item.text for item in s.call.conversation.items if isinstance(item, c.AgentSaid)] == [
            "This call is recorded. Hello there",
            "the sea is calm",
        ]


GREETING = Greeting("Hello there", protected="This call is recorded.")


@pytest.mark.parametrize("silent_ms", [0, 400, 6_000])
async def test_a_realtime_model_that_gives_words_and_no_sound_did_not_say_them(silent_ms: int) -> None:
    model = WordsWithoutSound("the sea is calm", silent_ms=silent_ms)
    async with scene(realtime=model, fallback_tts=ToneTTS()) as s:
        await ask(s)
        assert said(s) == ["the sea is calm"]
        assert [x.code for x in s.client.notices if isinstance(x, n.Problem)] == ["model_lost"]
        assert model.responses[0].said == c.AgentSaid(1, "the sea is calm")
        assert model.responses[0].by_fallback


async def test_a_realtime_model_is_told_that_the_fallback_was_cut_and_not_its_own_audio() -> None:
    model = WordsWithoutSound(
        "the sea is calm and the moon is up and the boats are all in the harbour", silent_ms=6_000
    )
    async with scene(realtime=model, fallback_tts=ToneTTS()) as s:
        await s.pass_ms(640, speech=0.95)
        await s.until(lambda: s.state == "speaking", 10_000)
        await s.pass_ms(960)
        await s.pass_ms(512, speech=0.95)
        await s.settle()
        told = model.responses[0]
        assert told.said is not None
        assert (told.said.ended, told.by_fallback) == ("cut", True)
        assert told.said.text.startswith("the sea")


async def test_silence_in_place_of_words_is_not_recorded_as_heard_without_a_fallback_either() -> None:
    async with scene("the sea is calm", tts=MuteTTS()) as s:
        await ask(s)
        assert s.client.order == []
        assert not [item for item in s.call.conversation.items if isinstance(item, c.AgentSaid)]


async def test_a_voice_may_begin_with_a_breath() -> None:
    class Breath(ToneTTS):
        async def speak(self, text: AsyncIterator[str]) -> AsyncIterator[c.SpeechChunk]:
            yield c.SpeechChunk(Pcm.silence(600, RATE))
            async for chunk in super().speak(text):
                yield c.SpeechChunk(chunk.pcm, chunk.text)

    async with scene("one two", tts=Breath(), fallback_tts=ToneTTS()) as s:
        await ask(s)
        assert len(s.client.heard[1]) * 1000 / RATE == 600 + 2 * WORD_MS


async def test_model_and_voice_both_away_are_answered_for_within_a_bound() -> None:
    async with scene(llm=NeverLLM(), tts=DeafTTS(), fallback_tts=ToneTTS()) as s:
        await s.pass_ms(640, speech=0.95)
        began = s.clock.now_ms()
        await s.until(lambda: bool(s.client.order), 20_000)
        # the policy's answer_timeout_ms, VOICE_MS, and the quiet that ends the turn
        assert s.clock.now_ms() - began < 10_000 + 3_000 + 1_000


# ------------------------------------------------------------------------------------------------------- the log


async def test_an_outage_is_in_the_log_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "bargein.call.record.outages")
    llm, tts = ScriptedLLM("a b", "c d", "e f"), ToneTTS(silent=True)
    async with scene(llm=llm, tts=tts, fallback_tts=ToneTTS()) as s:
        await ask(s)
        await ask(s)
        tts.silent = False
        await ask(s)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert told[0] == "Call c1: voice_lost: The tone TTS is gone. Try again"
    assert told[1].startswith("Call c1: the voice is back after ")


async def test_a_model_that_never_answers_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "bargein.call.record.outages")
    async with scene(llm=NeverLLM()) as s:
        await ask(s)
    assert ["model_lost" in record.getMessage() for record in caplog.records] == [True]
