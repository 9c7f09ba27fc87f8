"""LLMs and TTSs that anybody wrote: what is taken, and how the rest is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bargein import Agent
from bargein.protocols import Prompt
from bargein.testing import ScriptedLLM, ScriptedSTT, ToneTTS, call


def agent(llm: object, tts: object = None) -> Agent:
    return Agent(stt=ScriptedSTT(), llm=llm, tts=tts or ToneTTS())  # type: ignore[arg-type]  # anybody's parts


class Strings:
    """An LLM that yields plain strings."""

    name = "strings"

    async def reply(self, prompt: Prompt) -> AsyncIterator[str]:
        yield "Of "
        yield "course."


class Numbers:
    """An LLM that yields what is no piece."""

    name = "numbers"

    async def reply(self, prompt: Prompt) -> AsyncIterator[int]:
        yield 42


class NotStreaming:
    """An LLM whose reply is no iterator."""

    name = "not streaming"

    def reply(self, prompt: Prompt) -> str:
        return "Of course."


class Bytes(ToneTTS):
    """A TTS that yields what is no chunk."""

    async def speak(self, text: AsyncIterator[str]) -> AsyncIterator[bytes]:  # type: ignore[override]  # the mistake
        async for _ in text:
            yield b""


async def test_an_llm_may_yield_strings() -> None:
    async with call(agent(Strings())) as c:
        await c.user_says("is there a room")
        await c.agent_says("Of course.")


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ({"llm": Numbers()}, "The LLM numbers yielded a int"),
        ({"llm": NotStreaming()}, "The LLM not streaming answered with a str"),
        ({"tts": Bytes()}, "The TTS yielded a bytes"),
    ],
)
async def test_a_part_that_gives_something_else_is_named_and_the_call_goes_on(
    part: dict[str, object], says: str
) -> None:
    made = agent(part.get("llm", ScriptedLLM("Of course.")), part.get("tts"))
    async with call(made, tts=made.tts) as c:
        await c.user_says("is there a room")
        await c.passes(2_000)
        assert c.problems[0].message == says
        assert c.over is None
