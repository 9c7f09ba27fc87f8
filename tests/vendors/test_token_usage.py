"""How many tokens an answer took, as each vendor tells it, and where it stands: in a call's record and its trace."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bargein import protocols as c
from bargein.protocols import COUNTED, TokenUsage, tell_tokens
from bargein.vendors.anthropic.chat import AnthropicChat
from bargein.vendors.groq.chat import GroqChat
from bargein.vendors.mistral.chat import VoxtralChat
from bargein.vendors.openai.chat import OpenAIChat
from bargein_simulators.anthropic import AnthropicSimulator, anthropic_app
from bargein_simulators.chat import ChatSimulator, chat_app
from tests.simulators.serving import serving
from tests.tracing.kit import told, traced

PROMPT = c.Prompt("Be kind.", [c.UserSaid(1, "Which one, please?")])


async def usage_of(llm: c.LLM) -> TokenUsage:
    usage = TokenUsage()
    COUNTED.set(usage)
    assert [piece async for piece in llm.reply(PROMPT)]
    return usage


@pytest.mark.parametrize("vendor", ["openai", "groq", "mistral"])
async def test_a_chat_server_tells(vendor: str) -> None:
    chat = ChatSimulator(respond=lambda _: "Here you are.", models=())
    async with serving(chat_app(chat)) as url:
        made: OpenAIChat | GroqChat | VoxtralChat
        if vendor == "openai":
            made = OpenAIChat(model="simulated-chat", base_url=f"{url}/v1", api_key="k")
        elif vendor == "groq":
            made = GroqChat(model="simulated-chat", base_url=f"{url}/openai/v1", api_key="k")
        else:
            made = VoxtralChat(base_url=url, api_key="k")
        usage = await usage_of(made)
        await made.aclose()
    assert usage.output_tokens == 3
    assert usage.input_tokens
    assert usage.input_tokens > 3


async def test_anthropic_tells() -> None:
    async with serving(anthropic_app(AnthropicSimulator(respond=lambda _: "Here you are."))) as url:
        made = AnthropicChat(base_url=url, api_key="k")
        usage = await usage_of(made)
        await made.aclose()
    assert usage.known() == {"input_tokens": usage.input_tokens, "output_tokens": 3, "cached_tokens": 0}
    assert usage.input_tokens


class Telling:
    """An LLM whose server tells, and nonsense, too."""

    name = "telling"

    async def reply(self, prompt: c.Prompt) -> AsyncIterator[c.TextDelta]:
        tell_tokens(input_tokens=120, output_tokens=None, cached_tokens="many")
        yield c.TextDelta("It is free")
        tell_tokens(output_tokens=7)


async def test_it_stands_in_the_trace_of_the_call() -> None:
    async with traced(llm=Telling()) as (s, spans):
        await s.pass_ms(640, speech=0.95)
        await s.until(lambda: s.client.order == [1] and s.call.floor.live is False)
    answer = spans.one("chat")
    assert (told(answer, "gen_ai.usage.input_tokens"), told(answer, "gen_ai.usage.output_tokens")) == (120, 7)
    assert told(answer, "gen_ai.usage.cache_read.input_tokens") is None


async def test_where_no_call_asks_nothing_is_kept() -> None:
    COUNTED.set(None)
    tell_tokens(input_tokens=1)
    assert COUNTED.get() is None
