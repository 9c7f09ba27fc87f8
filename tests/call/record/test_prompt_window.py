"""How much of a conversation an LLM is given: within its bound, always the newest, tools with their results."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import pytest

from bargein.audio.pcm import Pcm
from bargein.call.record.prompt_window import PROMPT_TOKENS, PromptWindow, item_tokens, newest, tokens_of
from bargein.protocols import AgentSaid, ConversationItem, Prompt, ToolResult, ToolSpec, UserSaid
from bargein.vendors.common.messages import as_messages
from tests.call.kit import ScriptedLLM


def talk(turns: int, words: int = 40) -> list[ConversationItem]:
    """A greeting; then turns, of which each fifth calls a tool."""
    items: list[ConversationItem] = [AgentSaid(1, "hello")]
    for turn in range(1, turns + 1):
        items.append(UserSaid(turn, f"turn {turn} " + "word " * words))
        if turn % 5 == 0:
            items.append(ToolResult(f"call-{turn}", "look", '{"day": "monday"}', "three rooms " * 10))
        items.append(AgentSaid(turn + 1, "answer " * words))
    return items


def window(most: int | None = None, llm: object = None, summarize: Any = None) -> PromptWindow:
    def spawn(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return asyncio.create_task(work, name=name)

    return PromptWindow(llm or ScriptedLLM(), most, summarize, spawn)  # type: ignore[arg-type]


def size(prompt: Prompt) -> int:
    """Characters of all that is sent."""
    return len(str(as_messages(prompt))) + len(str([dict(tool.parameters) for tool in prompt.tools]))


@pytest.mark.parametrize("most", [None, 600, 2_000, 8_000])
def test_a_call_of_hours_has_prompts_of_a_bound(most: int | None) -> None:
    kept, spec = window(most), ToolSpec("look", "Looks", {"type": "object", "properties": {}})
    items = talk(1_500)
    for turns in range(10, len(items), 97):
        prompt = kept.fit(Prompt("Be short.", items[:turns], tools=(spec,)))
        assert size(prompt) < (most or PROMPT_TOKENS) * 4 + 2_000
        assert prompt.instructions == "Be short."
        assert prompt.tools == (spec,)
        assert prompt.items[-1] == items[turns - 1], "the newest is always there"
        assert not prompt.left_out or isinstance(prompt.items[0], UserSaid), "turns are left out whole"
        assert list(prompt.items) == items[turns - len(prompt.items) : turns], "without a gap"


def test_a_short_conversation_is_given_whole() -> None:
    prompt = Prompt("Be short.", tuple(talk(5)))
    assert window().fit(prompt) == prompt


def test_prompts_begin_alike_for_some_turns() -> None:
    kept, items = window(2_000), talk(200)
    begins = {
        kept.fit(Prompt("", items[: n + 1])).items[0] for n, item in enumerate(items) if isinstance(item, UserSaid)
    }
    assert len(begins) < 80, "of 200"


def test_the_llms_own_context_counts_where_it_is_smaller() -> None:
    class Small(ScriptedLLM):
        context_tokens = 2_000

    assert window(llm=Small()).most_tokens == 1_100
    assert window(1_000, llm=Small()).most_tokens == 1_000
    assert window().most_tokens == PROMPT_TOKENS


@pytest.mark.parametrize("result", ["x" * 400_000, "字" * 200_000])
def test_a_single_turn_that_is_too_much_is_shortened_in_its_middle(result: str) -> None:
    items: list[ConversationItem] = [UserSaid(1, "what is there?"), ToolResult("a", "look", "{}", result)]
    prompt = window(2_000).fit(Prompt("Be short.", items))
    used = prompt.items[1]
    assert isinstance(used, ToolResult)
    assert used.id == "a"
    assert "characters are left out" in (used.result or "")
    assert sum(map(item_tokens, prompt.items)) < 2_000


def test_the_end_of_a_long_turn_is_heard() -> None:
    prompt = window(1_000).fit(Prompt("", (UserSaid(1, None),), audio=Pcm.silence(300_000, 16_000)))
    assert prompt.audio is not None
    assert prompt.audio.ms < 40_000


def test_a_server_that_takes_less_is_given_less_for_the_rest_of_the_call() -> None:
    kept, prompt = window(), Prompt("", tuple(talk(100)))
    lengths = []
    for _ in range(5):
        shown = kept.fit(prompt)
        lengths.append(len(shown.items))
        kept.shorten(shown)
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[-1] < lengths[0] / 8
    assert len(kept.fit(prompt).items) <= lengths[-1]


async def test_what_is_left_out_is_summarized_where_the_agent_can() -> None:
    asked: list[tuple[str, int]] = []

    async def summarize(summary: str, items: Sequence[ConversationItem]) -> str:
        asked.append((summary, len(items)))
        return f"{len(asked)} summaries"

    kept, items = window(1_000, summarize=summarize), talk(60)
    for n in range(1, len(items)):
        kept.fit(Prompt("Be short.", items[:n]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert len(asked) > 2
    assert asked[1][0] == "1 summaries"
    assert f"{len(asked)} summaries" in as_messages(kept.fit(Prompt("Be short.", items)))[0]["content"]
    assert kept.fit(Prompt("Be short.", items)).left_out


async def test_a_summary_that_fails_costs_no_call() -> None:
    async def summarize(summary: str, items: Sequence[ConversationItem]) -> str:
        raise RuntimeError("no")

    kept = window(600, summarize=summarize)
    for _ in range(3):
        kept.fit(Prompt("", tuple(talk(50))))
        await asyncio.sleep(0)
    assert kept.fit(Prompt("", tuple(talk(50)))).summary == ""


def test_a_new_session_of_a_realtime_model_is_told_the_newest() -> None:
    items = talk(500)
    told = newest(items, 3_000)
    assert sum(map(item_tokens, told)) <= 3_000
    assert told[-1] == items[-1]
    assert isinstance(told[0], UserSaid)


def test_estimates_are_on_the_safe_side() -> None:
    assert tokens_of("The quick brown fox jumps over the lazy dog.") >= 10
    assert tokens_of("敏捷的棕色狐狸") >= 7
