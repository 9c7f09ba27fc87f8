"""Pauses of the user in a call: read once, answered by what was read, made ahead, taken back."""

from __future__ import annotations

import asyncio
import math

import pytest

from bargein import floor as f
from bargein.audio.pcm import Pcm
from bargein.protocols import BatchTranscript, UserSaid
from tests.call.kit import ScriptedLLM, ScriptedSTT, scene
from tests.call.scripted_stt import ScriptedStreamingSTT


class Prosody:
    """A TurnModel that knows."""

    name = "prosody"

    def __init__(self, over: float | None) -> None:
        self.over, self.got = over, list[Pcm]()

    async def judge(self, pcm: Pcm, *, deadline_ms: float) -> float | None:
        self.got.append(pcm)
        return self.over

    async def aclose(self) -> None: ...


def said(llm: ScriptedLLM) -> list[str | None]:
    return [i.text for prompt in llm.prompts for i in prompt.items if isinstance(i, UserSaid)]


async def test_a_whole_question_is_read_once_and_answered_from_that_reading() -> None:
    stt = ScriptedSTT("What time do you open?", "a second reading")
    async with scene("at nine", stt=stt) as s:
        await s.pass_ms(800, speech=0.9)
        began = s.call.now_ms()
        await s.until(lambda: bool(s.client.order))
        assert len(stt.got) == 1, "the words of the pause are the words of the turn"
        assert said(s.llm) == ["What time do you open?"]
        assert len(s.llm.prompts) == 1, "made ahead, and used"
        assert s.call.now_ms() - began < 400
        why = next(a.why for a in s.notes.actions if isinstance(a, f.Answer))
        assert why == "quiet for 250 ms: 'What time do you open?' is a whole question"


async def test_nothing_of_a_reply_that_is_made_ahead_sounds_before_the_turn_is_over() -> None:
    async with scene("very well", stt=ScriptedSTT("I need a room for Friday.")) as s:
        await s.pass_ms(800, speech=0.9)
        await s.until(lambda: s.tts.spoken == 2)
        assert s.state == "listening"
        assert not s.client.order
        await s.until(lambda: s.client.order == [1])


async def test_a_user_who_goes_on_is_read_anew_and_answered_once() -> None:
    stt = ScriptedSTT("I need a room.", "I need a room with a view, please.")
    async with scene("too early", "here you are", stt=stt) as s:
        await s.pass_ms(800, speech=0.9)
        await s.until(lambda: len(s.llm.prompts) == 1)
        await s.pass_ms(800, speech=0.9)
        await s.until(lambda: bool(s.client.order))
        assert said(s.llm) == ["I need a room.", "I need a room with a view, please."]
        assert len(stt.got) == 2
        assert ("prepared", "taken back") in s.notes.causes
        await s.until(lambda: s.state == "idle")
        assert s.client.order == [1]


async def test_words_that_hang_are_waited_for_and_nothing_is_made_ahead() -> None:
    async with scene("yes", stt=ScriptedSTT("I would like to", "")) as s:
        await s.pass_ms(800, speech=0.9)
        await s.pass_ms(1_000)
        assert s.state == "listening"
        assert not s.llm.prompts
        await s.until(lambda: bool(s.client.order))
        assert said(s.llm) == ["I would like to"]


async def test_an_stt_that_is_late_leaves_the_quiet_as_it_was() -> None:
    async with scene("yes", stt=ScriptedSTT(None, "the second try")) as s:
        await s.pass_ms(800, speech=0.9)
        await s.until(lambda: bool(s.client.order))
        assert said(s.llm) == ["the second try"], "what could not be read in the pause is read for the answer"
        assert next(a.why for a in s.notes.actions if isinstance(a, f.Answer)) == "quiet for 700 ms"


async def test_a_word_is_enough_after_a_question_of_the_agent() -> None:
    async with scene("very well", greeting="Shall I book it?", stt=ScriptedSTT("Fine.")) as s:
        await s.until(lambda: s.state == "speaking")
        await s.until(lambda: s.state == "idle")
        await s.pass_ms(500, speech=0.9)
        await s.until(lambda: any(isinstance(e, f.TurnRead) for e in s.notes.events))
        read = next(e for e in s.notes.events if isinstance(e, f.TurnRead))
        assert (read.text, read.expects) == ("Fine.", "answer")


async def test_a_streaming_stt_without_turns_is_asked_for_the_words_it_has() -> None:
    stt = ScriptedStreamingSTT(turns=False)
    async with scene("at nine", streaming_stt=stt) as s:
        await s.pass_ms(800, speech=0.9)
        stt.recognize("started", "What time do you open?", ago_ms=800)
        await s.settle()
        await s.until(lambda: bool(s.client.order))
        assert said(s.llm) == ["What time do you open?"]
        assert "whole question" in next(a.why for a in s.notes.actions if isinstance(a, f.Answer))


async def test_a_streaming_stt_that_has_not_heard_the_end_tells_nothing() -> None:
    stt = ScriptedStreamingSTT(turns=False)
    async with scene("at nine", streaming_stt=stt) as s:
        await s.pass_ms(400, speech=0.9)
        stt.recognize("started", "What time", ago_ms=400)
        await s.pass_ms(400, speech=0.9)
        await s.until(lambda: s.state != "listening")
        assert next(a.why for a in s.notes.actions if isinstance(a, f.Answer)) == "quiet for 700 ms"


@pytest.mark.parametrize(("over", "soon"), [(1.0, True), (0.0, False), (None, False)])
async def test_prosody_moves_the_quiet_where_no_words_are_there(over: float | None, *, soon: bool) -> None:
    model = Prosody(over)
    async with scene("yes", turn_model=model) as s:
        await s.pass_ms(800, speech=0.9)
        await s.pass_ms(660)
        assert (s.state != "listening") is soon
        (pcm,) = model.got
        assert 880 < pcm.ms < 1_400, "the turn, with the quiet after it"


class BadProsody(Prosody):
    """A stranger's TurnModel, with a fault."""

    def __init__(self, fault: str) -> None:
        super().__init__(None)
        self.fault = fault

    async def judge(self, pcm: Pcm, *, deadline_ms: float) -> float | None:
        if self.fault == "raises":
            raise ValueError("no such layer")
        if self.fault == "hangs":
            await asyncio.Event().wait()
        return {"not a number": math.nan, "seven": 7.0}[self.fault]


async def test_a_turn_model_that_hangs_ends_no_call_and_costs_no_answer() -> None:
    async with scene("at nine", stt=ScriptedSTT("What time do you open?"), turn_model=BadProsody("hangs")) as s:
        await s.pass_ms(800, speech=0.9)
        await s.until(lambda: s.client.order == [1])
        assert s.call.over is None


@pytest.mark.parametrize("fault", ["raises", "not a number", "seven"])
async def test_a_turn_model_with_a_fault_ends_no_call_and_the_words_decide(fault: str) -> None:
    model = BadProsody(fault)
    async with scene(
        "at nine", "good night", stt=ScriptedSTT("What time do you open?", "Good bye."), turn_model=model
    ) as s:
        await s.pass_ms(800, speech=0.9)
        await s.until(lambda: s.client.order == [1])
        why = next(a.why for a in s.notes.actions if isinstance(a, f.Answer))
        assert "is a whole question" in why
        assert s.call.over is None


class BrokenSTT(ScriptedSTT):
    """A stranger's STT that fails in its own way."""

    async def read(self, pcm: Pcm, *, deadline_ms: float) -> BatchTranscript:
        raise ValueError("no such layer")


async def test_an_stt_that_fails_in_its_own_way_ends_no_call() -> None:
    async with scene("pardon", stt=BrokenSTT()) as s:
        await s.pass_ms(800, speech=0.9)
        await s.until(lambda: bool(s.client.order))
        assert s.call.over is None
