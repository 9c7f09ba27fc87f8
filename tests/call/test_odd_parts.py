"""Models, voices and tools that do what no protocol forbids: the caller never waits in silence for them, and no call of
a tool is taken for another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

from bargein import collect_digits
from bargein import notices as n
from bargein import protocols as c
from bargein.audio.pcm import Pcm
from tests.call.kit import RATE, Scene, ScriptedLLM, ToneTTS, scene
from tests.call.scripted_realtime import ScriptedRealtime
from tests.call.scripted_tool import ScriptedTool

SORRY = "Sorry, I lost my thread. Could you say that again?"


async def ask(s: Scene) -> None:
    await s.pass_ms(640, speech=0.95)
    await s.pass_ms(960)


def said(s: Scene) -> list[str]:
    return [item.text for item in s.call.conversation.items if isinstance(item, c.AgentSaid)]


def results(items: object) -> list[tuple[str, str | None]]:
    assert isinstance(items, list | tuple)
    return [(item.tool, item.result) for item in items if isinstance(item, c.ToolResult)]


# ------------------------------------------------------------------------------------------- ids of calls of tools


class CountsAnew(ScriptedLLM):
    """Gives every call of a tool the same id, as servers do that count anew in each answer."""

    async def reply(self, prompt: c.Prompt) -> AsyncIterator[c.TextDelta | c.ToolCall]:
        async for piece in super().reply(prompt):
            yield c.ToolCall("call_0", piece.tool, piece.arguments) if isinstance(piece, c.ToolCall) else piece


async def test_calls_of_the_same_id_in_two_turns_keep_their_own_results() -> None:
    tool = ScriptedTool("look", "read", "one")
    async with scene(llm=CountsAnew("!look", "it is one", "!look", "it is two"), tools=(tool,)) as s:
        await ask(s)
        await s.until(lambda: said(s) == ["it is one"])
        tool.result = "two"
        await ask(s)
        await s.until(lambda: said(s) == ["it is one", "it is two"])
        assert results(s.call.conversation.items) == [("look", "one"), ("look", "two")]
        assert results(s.llm.prompts[-1].items) == [("look", "one"), ("look", "two")]
        ids = [item.id for item in s.llm.prompts[-1].items if isinstance(item, c.ToolResult)]
        assert len(set(ids)) == 2


async def test_calls_of_the_same_id_in_one_answer_keep_their_own_results() -> None:
    tools = (ScriptedTool("one", "read", "1"), ScriptedTool("two", "read", "2"))
    async with scene(llm=CountsAnew("!one !two", "both"), tools=tools) as s:
        await ask(s)
        await s.until(lambda: said(s) == ["both"])
        assert results(s.llm.prompts[-1].items) == [("one", "1"), ("two", "2")]


async def test_a_call_that_never_began_is_told_so_though_its_id_was_there_before() -> None:
    tool = ScriptedTool("book", "commit")
    async with scene(llm=CountsAnew("!book", "it is done", "now I book the other one !book"), tools=(tool,)) as s:
        await ask(s)
        await s.until(lambda: said(s) == ["it is done"])
        await ask(s)
        await s.until(lambda: s.words(2) == 1)
        await s.pass_ms(640, speech=0.95)
        await s.until(lambda: s.state == "idle")
        (_, first), (_, second) = results(s.call.conversation.items)
        assert first == "done"
        assert second is not None
        assert second.startswith("not done")


# ---------------------------------------------------------------------------------------------- answers of nothing


class SilentAfterTools(ScriptedLLM):
    """Calls a tool, and has nothing to say about it."""

    async def reply(self, prompt: c.Prompt) -> AsyncIterator[c.TextDelta | c.ToolCall]:
        self.prompts.append(prompt)
        if len(self.prompts) == 1:
            yield c.ToolCall("1", "look", "{}")


@pytest.mark.parametrize(
    "llm", [SilentAfterTools(), ScriptedLLM(*["!look"] * 9), ScriptedLLM("\U0001f44d"), ScriptedLLM("...")]
)
async def test_an_answer_of_nothing_is_a_failed_reply(llm: ScriptedLLM) -> None:
    async with scene(llm=llm, tools=(ScriptedTool("look", "read"),)) as s:
        await ask(s)
        await s.until(lambda: said(s)[-1:] == [SORRY], 5_000)


@pytest.mark.parametrize("text", ["!look|", "|".join(["!look"] * 9)])
async def test_a_realtime_model_that_calls_tools_and_says_nothing_has_failed(text: str) -> None:
    model = ScriptedRealtime(text)
    async with scene(realtime=model, tools=(ScriptedTool("look", "read"),), fallback_tts=ToneTTS()) as s:
        await ask(s)
        await s.until(lambda: said(s)[-1:] == [SORRY], 5_000)


async def test_a_model_may_call_for_digits_or_for_the_end_without_a_word() -> None:
    async with scene("!collect_digits", "", tools=(collect_digits,)) as s:
        await ask(s)
        await s.until(lambda: len(s.llm.prompts) == 2)
        await s.pass_ms(960)
        assert said(s) == []
    async with scene("!bye", tools=(ScriptedTool("bye", "terminal", c.HangUp()),)) as s:
        await ask(s)
        await s.until(lambda: s.call.over is not None)
        assert said(s) == []


# -------------------------------------------------------------------------------------- parts that cancel themselves


class CancelsItself(ScriptedTool):
    async def run(self, arguments: str) -> str:
        self.begun.append(arguments)
        task = asyncio.ensure_future(asyncio.sleep(3600))
        task.cancel()
        await task
        return "never"


@pytest.mark.parametrize("effect", ["read", "commit", "terminal"])
async def test_a_tool_that_awaits_a_cancelled_task_has_failed(effect: c.Effect) -> None:
    async with scene("!look", "that went wrong", tools=(CancelsItself("look", effect),)) as s:
        await ask(s)
        await s.until(lambda: said(s) == ["that went wrong"], 5_000)
        ((_, result),) = results(s.call.conversation.items)
        assert result is not None
        assert "cancelled from within" in result


class CancelledLLM(ScriptedLLM):
    async def reply(self, prompt: c.Prompt) -> AsyncIterator[c.TextDelta | c.ToolCall]:
        for self.texts in ([], []):
            raise asyncio.CancelledError
        yield c.TextDelta("")


class CancelledTTS(ToneTTS):
    async def speak(self, text: AsyncIterator[str]) -> AsyncIterator[c.SpeechChunk]:
        async for _ in text:
            raise asyncio.CancelledError
        yield c.SpeechChunk(Pcm.silence(1, RATE))


async def test_a_model_that_cancels_itself_is_a_failed_reply() -> None:
    async with scene(llm=CancelledLLM()) as s:
        await ask(s)
        await s.until(lambda: said(s) == [SORRY], 5_000)


async def test_a_voice_that_cancels_itself_is_replaced() -> None:
    async with scene("fine day", tts=CancelledTTS(), fallback_tts=ToneTTS()) as s:
        await ask(s)
        await s.until(lambda: said(s) == ["fine day"], 5_000)


# --------------------------------------------------------------------------------- a voice that is silent for words


class FallsSilent(ToneTTS):
    """Is heard for some words, then gives silence. whole: all of it in one chunk. pause_ms: between its words."""

    def __init__(self, words: int, *, timed: bool = True, whole: bool = False, pause_ms: int = 0) -> None:
        super().__init__(timed=timed)
        self.words, self.whole, self.pause_ms = words, whole, pause_ms

    async def speak(self, text: AsyncIterator[str]) -> AsyncIterator[c.SpeechChunk]:
        chunks: list[c.SpeechChunk] = []
        async for chunk in super().speak(text):
            loud = len(chunks) < self.words
            samples = chunk.pcm.samples if loud else np.zeros(len(chunk.pcm), np.int16)
            chunks.append(c.SpeechChunk(Pcm(samples, RATE), chunk.text, chunk.words))
            if not self.whole:
                yield chunks[-1]
            if self.pause_ms:
                yield c.SpeechChunk(Pcm.silence(self.pause_ms, RATE), "", () if self.timed else None)
        if self.whole:
            pcm = Pcm(np.concatenate([chunk.pcm.samples for chunk in chunks]), RATE)
            words = tuple(word for chunk in chunks for word in chunk.words or ())
            yield c.SpeechChunk(pcm, "".join(chunk.text for chunk in chunks), words)


@pytest.mark.parametrize(("timed", "whole"), [(True, False), (True, True), (False, False)])
async def test_words_in_the_middle_of_a_reply_that_are_silence_were_not_said(timed: bool, whole: bool) -> None:
    text = " ".join(f"w{k}" for k in range(40))
    async with scene(text, tts=FallsSilent(5, timed=timed, whole=whole), fallback_tts=ToneTTS()) as s:
        await ask(s)
        await s.until(lambda: said(s)[-1:] == [SORRY])
        assert 5 <= len(said(s)[0].split()) <= 9
        assert [x.code for x in s.client.notices if isinstance(x, n.Problem)] == ["voice_lost"]


async def test_a_voice_may_be_silent_for_seconds_between_its_words() -> None:
    voice = FallsSilent(99, timed=False, pause_ms=3_000)
    async with scene("one two three", tts=voice, fallback_tts=ToneTTS()) as s:
        await ask(s)
        await s.until(lambda: said(s) == ["one two three"])
        assert not [x for x in s.client.notices if isinstance(x, n.Problem)]
