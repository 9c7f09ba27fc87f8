"""What a caller is told who waits for an answer: when, in which words, how soon it sounds, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bargein import notices as n
from bargein import protocols as c
from bargein.agent import FILLERS
from bargein.errors import VendorLost
from bargein.floor import Policy
from tests.call.kit import SOON, WORD_MS, Scene, ScriptedLLM, ToneTTS, scene
from tests.call.scripted_realtime import ScriptedRealtime
from tests.call.test_slow_tools import ask, kinds


class LateLLM(ScriptedLLM):
    """Thinks until it may go on."""

    def __init__(self, *texts: str) -> None:
        super().__init__(*texts, pause=asyncio.Event())

    def go(self) -> None:
        assert self.pause is not None
        self.pause.set()

    def again(self) -> None:
        assert self.pause is not None
        self.pause.clear()


class TextTTS(ToneTTS):
    """Remembers what it was given to say, and may begin late."""

    def __init__(self, *, late: bool = False) -> None:
        super().__init__()
        self.said: list[str] = []
        self.go = asyncio.Event()
        if not late:
            self.go.set()

    async def speak(self, text: AsyncIterator[str]) -> AsyncIterator[c.SpeechChunk]:
        whole = "".join([part async for part in text])
        self.said.append(whole.strip())
        await self.go.wait()

        async def known() -> AsyncIterator[str]:
            yield whole

        async for chunk in super().speak(known()):
            yield chunk


def shown(s: Scene) -> list[str]:
    """The texts of the replies that sounded, as the client was shown them."""
    texts = dict.fromkeys(s.client.order, "")
    for x in s.client.notices:
        if isinstance(x, n.WordsAdded) and x.reply_id in texts:
            texts[x.reply_id] += x.text
    return [text.strip() for text in texts.values()]


async def test_a_caller_who_waits_for_the_model_is_told_so() -> None:
    llm = LateLLM("three rooms are free")
    async with scene(llm=llm) as s:
        await ask(s)
        await s.pass_ms(1_600)
        assert kinds(s) == []
        await s.pass_ms(1_600)
        assert kinds(s) == ["filler"]
        await s.pass_ms(1_600)
        llm.go()
        await s.until(lambda: s.state == "idle")
        assert kinds(s) == ["filler", "reply"]
        assert shown(s) == ["One moment, please.", "three rooms are free"]
        said = [item.text for item in s.call.conversation.items if isinstance(item, c.AgentSaid)]
        assert said == ["three rooms are free"], "a filler is no answer"
        assert "moment" not in str(llm.prompts)


async def test_no_filler_where_the_answer_comes_first() -> None:
    llm = LateLLM("three rooms are free")
    async with scene(llm=llm) as s:
        await ask(s)
        await s.pass_ms(1_600)
        llm.go()
        await s.until(lambda: s.state == "idle")
        assert kinds(s) == ["reply"]


async def test_a_filler_that_is_slower_than_the_answer_is_never_heard() -> None:
    llm, tts = LateLLM("three rooms are free"), TextTTS(late=True)
    async with scene(llm=llm, tts=tts) as s:
        await ask(s)
        await s.until(lambda: any("filler" in str(x) for x in s.notes.actions) or len(tts.said) == 1, 5_000)
        await s.pass_ms(1_600)
        assert s.call.floor.reply.filler
        llm.go()
        await s.pass_ms(64)
        tts.go.set()
        await s.until(lambda: s.state == "idle")
        assert kinds(s)[-1] == "reply"
        assert s.words(s.client.order[-1]) == 4


@pytest.mark.parametrize("can_pause", [True, False])
async def test_a_filler_ends_with_its_word_once_the_answer_is_there(can_pause: bool) -> None:
    llm = LateLLM("three rooms are free")
    async with scene(llm=llm, fillers=["one two three four five six seven eight"], can_pause=can_pause) as s:
        await ask(s)
        await s.until(lambda: bool(s.client.order))
        await s.pass_ms(WORD_MS * 2 + 40)
        llm.go()
        await s.until(lambda: s.state == "idle")
        assert kinds(s) == ["filler", "reply"]
        filler, answer = s.client.order
        samples = len(s.client.heard[filler])
        assert samples % (WORD_MS * 24) == 0, "it ends where a word ends"
        assert samples // (WORD_MS * 24) in (3, 4), "the word that sounded, or the one that was sent already"
        assert s.words(answer) == 4


async def test_a_filler_in_a_hold_ends_with_its_word_after_the_hold() -> None:
    llm = LateLLM("three rooms are free")
    async with scene(llm=llm, fillers=["one two three four five six seven eight"], policy=Policy()) as s:
        await ask(s)
        await s.until(lambda: bool(s.client.order))
        await s.pass_ms(384)
        await s.pass_ms(96, speech=0.95)
        assert s.state == "barge_in"
        llm.go()
        await s.until(lambda: s.state == "idle")
        assert kinds(s) == ["filler", "reply"]
        assert s.words(s.client.order[0]) < 6
        assert s.words(s.client.order[1]) == 4


async def test_a_filler_sounds_at_once_because_its_audio_is_ready() -> None:
    llm, tts = LateLLM("yes", "yes"), TextTTS()
    async with scene(llm=llm, tts=tts, fillers=["one moment"]) as s:
        await ask(s)
        await s.until(lambda: tts.said == ["one moment"], 2_400)
        assert kinds(s) == [], "it is made before it is wanted"
        tts.go.clear()  # from here on the TTS hangs
        await s.until(lambda: kinds(s) == ["filler"])
        llm.go()
        tts.go.set()
        await s.until(lambda: s.state == "idle")
        llm.again()
        await ask(s)
        await s.until(lambda: kinds(s) == ["filler", "reply", "filler"], 5_000)
        assert tts.said == ["one moment", "yes"], "and is made once"
        llm.go()
        await s.until(lambda: s.state == "idle")


async def test_a_call_that_is_quick_makes_no_fillers() -> None:
    tts = TextTTS()
    async with scene("yes", tts=tts) as s:
        await ask(s)
        await s.until(lambda: s.state == "idle")
        assert tts.said == ["yes"]


async def test_the_same_filler_never_comes_twice_in_a_row() -> None:
    llm = LateLLM(*["yes"] * 3)
    async with scene(llm=llm, fillers=["a", "a", "b", " a "]) as s:
        for _ in range(3):
            llm.again()
            await ask(s)
            before = len(s.client.order)
            await s.until(lambda seen=before: len(s.client.order) > seen)  # type: ignore[misc]
            await s.pass_ms(1_600)
            llm.go()
            await s.until(lambda: s.state == "idle")
        assert [text for text, kind in zip(shown(s), kinds(s), strict=True) if kind == "filler"] == ["a", "b", "a"]


async def test_a_lone_filler_is_said_once_a_turn() -> None:
    llm = LateLLM("yes", "yes")
    policy = SOON.with_({"filler_again_ms": 1_000})
    async with scene(llm=llm, fillers=["one moment"], policy=policy) as s:
        for turn in (1, 2):
            llm.again()
            await ask(s)
            await s.pass_ms(7_000)
            assert kinds(s).count("filler") == turn
            llm.go()
            await s.until(lambda: s.state == "idle")


async def test_a_turn_has_at_most_so_many_fillers_however_it_goes_on() -> None:
    llm = LateLLM("yes")
    policy = SOON.with_({"filler_ms": 500, "filler_again_ms": 500, "max_fillers": 2, "answer_timeout_ms": 60_000})
    async with scene(llm=llm, fillers=["a", "b", "c"], policy=policy) as s:
        await ask(s)
        await s.pass_ms(4_000)
        assert kinds(s) == ["filler", "filler"]
        await s.pass_ms(640, speech=0.95)  # the caller goes on, and is answered again
        await s.pass_ms(4_000)
        assert kinds(s) == ["filler", "filler"]
        llm.go()
        await s.until(lambda: s.state == "idle")


async def test_a_filler_does_not_make_the_answer_late() -> None:
    llm = LateLLM("yes")
    policy = SOON.with_({"filler_ms": 900, "answer_timeout_ms": 1_200, "end_of_turn_ms": 300})
    async with scene(llm=llm, fillers=["one two three four five"], policy=policy) as s:
        await ask(s)
        await s.until(lambda: bool(s.client.order))
        await s.pass_ms(640)
        llm.go()
        await s.until(lambda: s.state == "idle")
        assert kinds(s) == ["filler", "reply"]


async def test_a_model_that_never_answers_is_late_all_the_same() -> None:
    llm = LateLLM("yes")
    async with scene(llm=llm) as s:
        await ask(s)
        await s.until(lambda: "reprompt" in kinds(s), 15_000)
        assert kinds(s) == ["filler", "reprompt"]
        assert s.notes.counts.get("stalls") is None


async def test_a_caller_cuts_a_filler_and_the_answer_behind_it() -> None:
    llm = LateLLM("old answer", "new answer")
    async with scene(llm=llm) as s:
        await ask(s)
        await s.until(lambda: bool(s.client.order))
        await s.pass_ms(640, speech=0.95)
        llm.go()
        await s.until(lambda: s.state == "idle")
        assert kinds(s) == ["filler", "reply"]
        assert shown(s)[-1] == "new answer"
        assert llm.closed == 2, "the model behind the filler has stopped"


async def test_a_filler_that_cannot_be_spoken_costs_nothing() -> None:
    class Picky(TextTTS):
        async def speak(self, text: AsyncIterator[str]) -> AsyncIterator[c.SpeechChunk]:
            whole = "".join([part async for part in text])
            if "moment" in whole:
                raise VendorLost("The voice is gone", advice="Look")

            async def known() -> AsyncIterator[str]:
                yield whole

            async for chunk in super().speak(known()):
                yield chunk

    llm = LateLLM("yes")
    async with scene(llm=llm, tts=Picky()) as s:
        await ask(s)
        await s.pass_ms(4_000)
        llm.go()
        await s.until(lambda: s.state == "idle")
        assert kinds(s) == ["reply"]


async def test_a_realtime_agent_says_fillers_by_its_fallback_voice_and_the_model_never_knows() -> None:
    model = ScriptedRealtime("three rooms are free", waits=True)
    async with scene(realtime=model, fallback_tts=ToneTTS(), fillers=["one two three four five six"]) as s:
        await ask(s)
        await s.until(lambda: bool(s.client.order))
        model.go.set()
        await s.until(lambda: s.state == "idle")
        assert kinds(s) == ["filler", "reply"]
        assert s.words(s.client.order[0]) < 4, "it ends when the model answers"
        assert s.words(s.client.order[1]) == 4
        assert not [call for call in model.calls if call[0] == "say"]


@pytest.mark.parametrize("language", sorted(FILLERS))
def test_every_language_has_fillers_enough_for_a_turn(language: str) -> None:
    assert len(set(FILLERS[language])) >= Policy().idle.max_fillers


async def test_an_agent_speaks_fillers_of_its_language() -> None:
    llm = LateLLM("drei Zimmer")
    async with scene(llm=llm, language="de-AT") as s:
        await ask(s)
        await s.until(lambda: bool(s.client.order))
        await s.pass_ms(1_600)
        llm.go()
        await s.until(lambda: s.state == "idle")
        assert shown(s)[0] == FILLERS["de"][0]
