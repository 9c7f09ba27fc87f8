"""Calls of hours: no prompt grows without a bound, and a model that takes less is asked with less, at once."""

from __future__ import annotations

from collections.abc import AsyncIterator

from bargein import notices as n
from bargein import protocols as c
from bargein.errors import PromptTooLong
from bargein.vendors.common.messages import as_messages
from tests.call.kit import Scene, ScriptedLLM, scene


class SmallLLM(ScriptedLLM):
    """Refuses prompts of more than so many characters, as servers do."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most, self.refused = most, 0

    async def reply(self, prompt: c.Prompt) -> AsyncIterator[c.TextDelta | c.ToolCall]:
        if len(str(as_messages(prompt))) > self.most:
            self.refused += 1
            raise PromptTooLong("The prompt is longer than the model takes", advice="Give a smaller max_prompt_tokens")
        async for delta in super().reply(prompt):
            yield delta


async def types(s: Scene, text: str) -> None:
    s.client.inbox.put_nowait(c.Typed(text))
    await s.settle()
    await s.until(lambda: s.state == "idle")


async def test_a_long_call_is_answered_to_its_end_whatever_the_model_takes() -> None:
    llm = SmallLLM(6_000)
    async with scene(llm=llm) as s:
        for turn in range(60):
            await types(s, f"turn {turn}: " + "tell me more about it " * 20)
        assert len(s.client.order) == 60, "no turn was refused"
        assert [x for x in s.client.notices if isinstance(x, n.Problem)] == []
        assert 0 < llm.refused < 12, "what the model takes is learned"
        last = llm.prompts[-1].items[-1]
        assert isinstance(last, c.UserSaid)
        assert "turn 59" in (last.text or "")


async def test_the_agents_own_bound_counts_from_the_beginning() -> None:
    llm = SmallLLM(9_000)
    async with scene(llm=llm, max_prompt_tokens=1_500) as s:
        for turn in range(60):
            await types(s, f"turn {turn}: " + "tell me more about it " * 20)
        assert llm.refused == 0
        assert llm.prompts[-1].left_out


async def test_instructions_that_no_model_takes_are_named() -> None:
    async with scene(llm=SmallLLM(100)) as s:
        await types(s, "hello")
        problems = [x for x in s.client.notices if isinstance(x, n.Problem)]
        assert [problem.code for problem in problems] == ["model_lost"]
        assert "max_prompt_tokens" in problems[0].advice
