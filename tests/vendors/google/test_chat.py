"""Gemini as a chat model, against the simulated vendor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from google.genai import types

from bargein import protocols as c
from bargein.errors import BargeinError, PromptTooLong, Unavailable, UsageError, VendorLost, VendorRefused
from bargein.vendors.google.chat import GeminiChat
from bargein_simulators import gemini_chat
from bargein_simulators.chat_wire import ServedToolCall
from bargein_simulators.gemini_chat import GeminiChatSimulator, gemini_chat_app
from tests.simulators.serving import serving

KEY = "AIza-secret-of-ours"
TOOL = c.ToolSpec("weather", "The weather", {"type": "object", "properties": {"city": {"type": "string"}}})


@asynccontextmanager
async def chat(sim: GeminiChatSimulator, **options: Any) -> AsyncIterator[GeminiChat]:
    async with serving(gemini_chat_app(sim)) as url:
        made = GeminiChat(api_key=KEY, base_url=url, **options)
        try:
            yield made
        finally:
            await made.aclose()


def prompt(*items: c.ConversationItem, tools: tuple[c.ToolSpec, ...] = ()) -> c.Prompt:
    return c.Prompt("Be short.", items or (c.UserSaid(1, "hello there"),), tools=tools)


async def text(llm: GeminiChat, asked: c.Prompt) -> str:
    return "".join([piece.text async for piece in llm.reply(asked) if isinstance(piece, c.TextDelta)])


async def test_a_reply_comes_as_it_is_written_and_thoughts_are_never_spoken() -> None:
    sim = GeminiChatSimulator(respond=lambda request: f"You said {request.said}.", thinks="The caller greets.")
    async with chat(sim) as llm:
        pieces = [piece async for piece in llm.reply(prompt())]
        assert len(pieces) > 1
        assert "".join(p.text for p in pieces if isinstance(p, c.TextDelta)) == "You said hello there."
        assert sim.served[0].config.thinking_config == types.ThinkingConfig(thinking_level=types.ThinkingLevel.MINIMAL)
        assert sim.served[0].system.startswith("Be short.")


async def test_only_heard_words_are_the_models_and_notes_are_in_brackets() -> None:
    sim = GeminiChatSimulator()
    said = c.AgentSaid(1, "We open", "at nine", ended="cut")
    async with chat(sim) as llm:
        await text(llm, prompt(said, c.UserSaid(1, "and on Sunday?")))
        begin, model, user = sim.served[0].contents
        assert begin.role == "user", "Gemini wants a user to begin"
        assert [part.text for part in model.parts or ()] == ["We open"]
        note, words = [part.text or "" for part in user.parts or ()]
        assert note.startswith("[The user interrupted you here.")
        assert words == "and on Sunday?"


async def test_an_empty_conversation_asks_the_model_to_begin() -> None:
    async with chat(GeminiChatSimulator()) as llm:
        assert await text(llm, c.Prompt("Be short.", ())) == "Hello, I am a simulator."


async def test_a_tool_is_called_and_its_result_goes_back_with_the_calls_signature() -> None:
    sim = GeminiChatSimulator()
    sim.tool_calls.append(ServedToolCall("weather", '{"city": "Oslo"}'))
    async with chat(sim) as llm:
        asked = prompt(tools=(TOOL,))
        (call,) = [piece async for piece in llm.reply(asked)]
        assert isinstance(call, c.ToolCall)
        assert (call.tool, call.arguments) == ("weather", '{"city": "Oslo"}')
        used = c.ToolResult(call.id, call.tool, call.arguments, "rain")
        assert await text(llm, prompt(c.UserSaid(1, "weather?"), used, tools=(TOOL,))) == "The tool says: rain"
        part = (sim.served[1].contents[1].parts or [])[0]
        assert part.thought_signature == b"signature"
        foreign = c.ToolResult("of-another-model", "weather", "no JSON", "sun")
        assert await text(llm, prompt(c.UserSaid(1, "weather?"), foreign, tools=(TOOL,))) == "The tool says: sun"


@pytest.mark.parametrize("how", ["close", "cancel"])
async def test_a_cut_closes_the_stream_at_once(how: str) -> None:
    sim = GeminiChatSimulator(respond=lambda _: "one two three four five " * 200, token_ms=5)
    async with chat(sim) as llm:
        reply = llm.reply(prompt())
        await anext(reply)
        if how == "close":
            await reply.aclose()
        else:
            reading = asyncio.create_task(text_of(reply))
            await asyncio.sleep(0.02)
            reading.cancel()
            await asyncio.wait([reading])
        async with asyncio.timeout(2):
            await sim.served[0].over.wait()
        assert sim.served[0].ended == "disconnected"


async def text_of(reply: AsyncIterator[object]) -> None:
    async for _ in reply:
        pass


@pytest.mark.parametrize(
    ("faults", "kind", "words"),
    [
        (["401"], VendorRefused, "GEMINI_API_KEY"),
        (["404"], VendorRefused, "model's name"),
        (["quota"], VendorRefused, "quota of the day"),
        (["429", "429"], VendorLost, "429"),
        (["500", "500"], VendorLost, "500"),
        (["drop"], VendorLost, "broke off"),
        (["malformed"], VendorLost, "no answer"),
        (["blocked"], VendorRefused, "PROHIBITED_CONTENT"),
        (["safety"], VendorRefused, "SAFETY"),
        (["empty", "empty"], VendorLost, "nothing"),
        (["no_answer", "no_answer"], VendorLost, "in time"),
        (["stall"], VendorLost, "in time"),
    ],
)
async def test_what_fails_is_told_with_advice_and_never_with_the_key(
    faults: list[Any], kind: type[BargeinError], words: str
) -> None:
    sim = GeminiChatSimulator()
    sim.faults.extend(faults)
    async with chat(sim, first_token_s=0.3, timeout_s=0.3) as llm:
        with pytest.raises(kind) as caught:
            await text(llm, prompt())
        assert words in str(caught.value)
        assert KEY not in str(caught.value)
        assert not sim.faults


async def test_what_fails_once_before_the_first_word_is_tried_again() -> None:
    sim = GeminiChatSimulator()
    sim.faults.append("500")
    async with chat(sim) as llm:
        assert "hello there" in await text(llm, prompt())


async def test_a_prompt_that_is_too_long_is_told_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    words = "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576)."
    monkeypatch.setitem(gemini_chat._REFUSALS, "404", (400, "INVALID_ARGUMENT", words))
    sim = GeminiChatSimulator()
    sim.faults.append("404")
    async with chat(sim) as llm:
        with pytest.raises(PromptTooLong):
            await text(llm, prompt())


async def test_the_check_says_whether_the_key_is_right_and_the_server_there() -> None:
    sim = GeminiChatSimulator(api_key="another")
    async with chat(sim) as llm:
        with pytest.raises(VendorRefused, match="GEMINI_API_KEY"):
            await llm.check()
        sim.api_key = KEY
        await llm.check()
    with pytest.raises(VendorLost):
        await GeminiChat(api_key=KEY, base_url="http://127.0.0.1:9").check()


@pytest.mark.parametrize(
    ("model", "thinking", "want"),
    [
        ("gemini-2.5-flash", "minimal", {"thinking_budget": 0}),
        ("gemini-2.5-pro", "minimal", {"thinking_budget": 128}),
        ("gemini-3.8-flash", "low", {"thinking_level": "LOW"}),
        ("gemini-3.8-flash", None, None),
        ("gemini-2.0-flash", "low", None),
    ],
)
async def test_how_much_it_thinks_is_said_as_each_model_knows_it(model: str, thinking: Any, want: object) -> None:
    sim = GeminiChatSimulator()
    async with chat(sim, model=model, thinking=thinking) as llm:
        await text(llm, prompt())
        sent = sim.served[0].config.thinking_config
        assert (sent and sent.model_dump(exclude_none=True, mode="json")) == want


def test_what_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError):
        GeminiChat(api_key=KEY, thinking="much")  # type: ignore[arg-type]
    assert GeminiChat(api_key=KEY).context_tokens == 1_000_000
    monkeypatch.setattr("bargein.vendors.google.chat.INSTALLED", False)
    with pytest.raises(Unavailable, match=r"bargein\[google\]"):
        GeminiChat(api_key=KEY)
