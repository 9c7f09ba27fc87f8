"""Tools that take long, and calls of tools whose reply is cut: when a tool begins, what fills its time, what the model
is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bargein import notices as n
from bargein import protocols as c
from bargein.errors import VendorLost
from bargein.floor import Policy
from tests.call.kit import SOON, Scene, ScriptedLLM, ToneTTS, scene
from tests.call.scripted_realtime import ScriptedRealtime
from tests.call.scripted_tool import ScriptedTool

LONG = " ".join(f"w{k}" for k in range(60))  # 12 s
FILLER = "One moment, please."


class SlowTool(ScriptedTool):
    """A tool that names its own timeout."""

    def __init__(self, name: str, effect: c.Effect, *, timeout_s: float) -> None:
        super().__init__(name, effect, waits=True)
        self.timeout_s = timeout_s


def kinds(s: Scene) -> list[str]:
    """The kinds of the replies that sounded, in order."""
    known = {x.reply_id: x.kind for x in s.client.notices if isinstance(x, n.ReplyBegins)}
    return [known[reply] for reply in s.client.order]


async def ask(s: Scene) -> None:
    await s.pass_ms(640, speech=0.95)
    await s.pass_ms(960)


def tool_results(s: Scene) -> list[c.ToolResult]:
    return [item for item in s.call.conversation.items if isinstance(item, c.ToolResult)]


@asynccontextmanager
async def either(realtime: bool, *texts: str, tools: tuple[c.Tool, ...], policy: Policy = SOON) -> AsyncIterator[Scene]:
    """The same call with an LLM, or with a realtime model: an answer, "|", and what follows the tools."""
    if realtime:
        async with scene(realtime=ScriptedRealtime(*texts), fallback_tts=ToneTTS(), tools=tools, policy=policy) as s:
            yield s
    else:
        rounds = [part for text in texts for part in text.split("|")]
        async with scene(llm=ScriptedLLM(*rounds), tools=tools, policy=policy) as s:
            yield s


BOTH = pytest.mark.parametrize("realtime", [False, True], ids=["chat", "realtime"])


# ------------------------------------------------------------------------------------------------ when a tool begins


@BOTH
async def test_a_read_begins_when_it_is_called_and_not_when_the_words_before_it_were_played(realtime: bool) -> None:
    tool = ScriptedTool("look", "read")
    async with either(realtime, f"{LONG} !look|and that is all", tools=(tool,)) as s:
        await ask(s)
        await s.until(lambda: len(tool.begun) == 1, 1_500)
        assert s.words(1) < 8
        await s.until(lambda: s.state == "idle")
        assert s.words(1) == 64, "the reply goes on where the model went on"


@BOTH
async def test_a_commit_begins_once_the_words_before_it_were_heard(realtime: bool) -> None:
    tool = ScriptedTool("book", "commit")
    async with either(realtime, "I book it now !book|and that is all", tools=(tool,)) as s:
        await ask(s)
        await s.until(lambda: s.words(1) == 3)
        assert tool.begun == []
        await s.until(lambda: len(tool.begun) == 1, 600)
        await s.until(lambda: s.state == "idle")
        assert s.words(1) == 8


async def test_two_reads_run_beside_each_other_and_before_the_commit_that_waits() -> None:
    one, two, book = (
        ScriptedTool("one", "read", waits=True),
        ScriptedTool("two", "read"),
        ScriptedTool("book", "commit"),
    )
    async with scene(llm=ScriptedLLM(f"{LONG} !one !book !two", "done"), tools=(one, book, two)) as s:
        await ask(s)
        await s.pass_ms(320)
        assert (len(one.begun), two.done, len(book.begun)) == (1, 1, 0)
        one.go.set()
        await s.until(lambda: s.state == "idle", 30_000)
        results = [item for item in s.llm.prompts[-1].items if isinstance(item, c.ToolResult)]
        assert [(result.tool, result.error) for result in results] == [("one", False), ("book", False), ("two", False)]


# ---------------------------------------------------------------------------------------- calls of a reply that is cut


@BOTH
@pytest.mark.parametrize("effect", ["commit", "terminal"])
async def test_a_call_whose_reply_was_cut_first_gets_a_result_that_says_so(realtime: bool, effect: c.Effect) -> None:
    tool = ScriptedTool("act", effect)
    async with either(realtime, f"{LONG} !act", "next", tools=(tool,)) as s:
        await ask(s)
        await s.until(lambda: s.words(1) == 2)
        await s.pass_ms(640, speech=0.95)
        await s.pass_ms(960)
        assert tool.begun == []
        (result,) = tool_results(s)
        assert (result.tool, result.error) == ("act", True)
        assert "not done" in (result.result or "")
        if realtime:
            told = [call for call in s.call.agent.realtime.calls if call[0] == "tool_result"]  # type: ignore[union-attr]
            assert told[-1][1:] == ("act", result.result, True)
        else:
            assert result in s.llm.prompts[-1].items


@BOTH
async def test_a_read_that_a_cut_cancels_has_one_result(realtime: bool) -> None:
    tool = ScriptedTool("look", "read", waits=True)
    async with either(realtime, f"{LONG} !look", "next", tools=(tool,)) as s:
        await ask(s)
        await s.until(lambda: s.words(1) == 2)
        await s.pass_ms(640, speech=0.95)
        await s.pass_ms(960)
        assert tool.cancelled == 1
        (result,) = tool_results(s)
        assert "cancelled" in (result.result or "")
        if realtime:
            told = [call for call in s.call.agent.realtime.calls if call[0] == "tool_result"]  # type: ignore[union-attr]
            assert told == [("tool_result", "look", result.result, True)]


async def test_a_call_of_a_reply_whose_voice_dies_gets_a_result() -> None:
    tool = ScriptedTool("leave", "terminal")
    async with scene("a b c d !leave", tts=ToneTTS(fail_after=2), tools=(tool,)) as s:
        await ask(s)
        await s.until(lambda: s.state == "idle")
        assert tool.begun == []
        assert ["not done" in (result.result or "") for result in tool_results(s)] == [True]


# ----------------------------------------------------------------------------------------------- a tool that takes long


@BOTH
async def test_a_tool_may_take_its_own_timeout_and_fillers_are_said_meanwhile(realtime: bool) -> None:
    tool = SlowTool("look", "read", timeout_s=30)
    async with either(realtime, "!look|three rooms are free", tools=(tool,)) as s:
        await ask(s)
        began = s.clock.now_ms()
        await s.pass_ms(28_000)
        assert tool.cancelled == 0
        assert kinds(s) == ["filler", "filler", "filler"], "a bound on them"
        assert s.state == "thinking"
        tool.go.set()
        await s.until(lambda: s.state == "idle")
        assert kinds(s) == ["filler", "filler", "filler", "reply"]
        assert s.words(s.client.order[-1]) == 4
        assert s.clock.now_ms() - began < 31_000
        answers = [item.text for item in s.call.conversation.items if isinstance(item, c.AgentSaid)]
        assert answers == ["three rooms are free"], "a filler is no answer"
        if not realtime:
            assert FILLER not in str(s.llm.prompts)


async def test_a_tool_that_outlasts_its_timeout_makes_the_reply_late() -> None:
    tool = SlowTool("look", "read", timeout_s=15)
    async with scene(llm=ScriptedLLM("!look", "found"), tools=(tool,), policy=SOON.with_({"filler_ms": None})) as s:
        await ask(s)
        await s.pass_ms(14_000)
        assert s.state == "thinking"
        await s.pass_ms(4_000)
        assert tool.cancelled == 1
        assert kinds(s) == ["reprompt"]


async def test_no_filler_where_the_tool_is_quick_or_the_model_has_just_spoken() -> None:
    tool = SlowTool("look", "read", timeout_s=30)
    async with scene(llm=ScriptedLLM("let me see !look", "found it"), tools=(tool,)) as s:
        await ask(s)
        await s.pass_ms(9_000)
        tool.go.set()
        await s.until(lambda: s.state == "idle")
        assert kinds(s) == ["reply"]
        assert s.words(1) == 5


async def test_the_answer_waits_for_the_fillers_word_and_nothing_of_it_is_lost() -> None:
    tool = SlowTool("look", "read", timeout_s=30)
    async with scene(llm=ScriptedLLM("!look", "three rooms are free"), tools=(tool,)) as s:
        await ask(s)
        await s.until(lambda: bool(s.client.order))
        tool.go.set()
        await s.until(lambda: s.state == "idle")
        assert kinds(s) == ["filler", "reply"]
        assert [s.words(reply) for reply in s.client.order] == [1, 4]


@BOTH
async def test_a_filler_is_interrupted_like_any_reply_and_the_tool_with_it(realtime: bool) -> None:
    tool = SlowTool("look", "read", timeout_s=30)
    async with either(realtime, "!look|never mind then", "never mind then", tools=(tool,)) as s:
        await ask(s)
        await s.until(lambda: bool(s.client.order))
        await s.pass_ms(640, speech=0.95)
        await s.until(lambda: s.state == "idle")
        assert tool.cancelled == 1
        assert kinds(s) == ["filler", "reply"]
        assert s.words(s.client.order[-1]) == 3
        said = [item.text for item in s.call.conversation.items if isinstance(item, c.AgentSaid)]
        assert said == ["never mind then"]


async def test_a_cough_over_a_filler_holds_it_and_costs_nothing() -> None:
    tool = SlowTool("look", "read", timeout_s=30)
    async with scene(llm=ScriptedLLM("!look", "three rooms are free"), tools=(tool,), policy=Policy()) as s:
        await ask(s)
        await s.until(lambda: bool(s.client.order))
        await s.pass_ms(384)
        await s.pass_ms(96, speech=0.95)
        tool.go.set()
        await s.until(lambda: s.state == "idle")
        assert [s.words(reply) for reply in s.client.order] == [3, 4]


async def test_a_commit_behind_a_cut_filler_goes_on_and_its_result_is_said() -> None:
    tool = SlowTool("book", "commit", timeout_s=30)
    async with scene(llm=ScriptedLLM("!book", "yes", "it is booked"), tools=(tool,)) as s:
        await ask(s)
        await s.until(lambda: bool(s.client.order))
        await s.pass_ms(640, speech=0.95)
        await s.until(lambda: s.state == "idle")
        tool.go.set()
        await s.until(lambda: len(s.client.order) == 3 and s.state == "idle")
        assert tool.cancelled == 0
        assert kinds(s) == ["filler", "reply", "say"]


async def test_a_model_that_fails_behind_a_filler_is_apologized_for_after_it() -> None:
    tool = SlowTool("look", "read", timeout_s=30)

    class Once(ScriptedLLM):
        async def reply(self, prompt: c.Prompt) -> AsyncIterator[c.TextDelta | c.ToolCall]:
            if self.prompts:
                raise VendorLost("The model is gone", advice="Look")
            async for delta in super().reply(prompt):
                yield delta

    async with scene(llm=Once("!look"), tools=(tool,)) as s:
        await ask(s)
        await s.until(lambda: bool(s.client.order))
        tool.go.set()
        await s.until(lambda: s.state == "idle")
        assert kinds(s) == ["filler", "reprompt"]


async def test_an_agent_of_a_language_without_fillers_says_no_english_ones() -> None:
    tool = SlowTool("look", "read", timeout_s=30)
    async with scene(llm=ScriptedLLM("!look", "tre rum"), tools=(tool,), language="sv") as s:
        await ask(s)
        await s.pass_ms(12_000)
        tool.go.set()
        await s.until(lambda: s.state == "idle")
        assert kinds(s) == ["reply"]


async def test_fillers_are_the_agents_own() -> None:
    tool = SlowTool("look", "read", timeout_s=30)
    async with scene(
        llm=ScriptedLLM("!look", "drei Zimmer"), tools=(tool,), language="de", fillers=["Moment bitte"]
    ) as s:
        await ask(s)
        await s.pass_ms(4_000)
        tool.go.set()
        await s.until(lambda: s.state == "idle")
        assert kinds(s) == ["filler", "reply"]
        added = [x for x in s.client.notices if isinstance(x, n.WordsAdded) and x.reply_id == s.client.order[0]]
        assert [x.text for x in added] == ["Moment ", "bitte "]


async def test_a_tool_that_names_none_as_its_timeout_has_the_usual_one() -> None:
    tool = ScriptedTool("look", "read")
    tool.timeout_s = None  # type: ignore[attr-defined]
    async with scene(llm=ScriptedLLM("!look", "found"), tools=(tool,)) as s:
        await ask(s)
        await s.until(lambda: s.words(1) == 1)
        assert tool.done == 1
