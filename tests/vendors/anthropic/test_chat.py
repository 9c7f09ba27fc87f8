"""Anthropic's LLM against its simulator, through the real SDK and a real socket."""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import pytest
from anthropic.types import RawMessageStreamEvent
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from pydantic import TypeAdapter

from bargein.errors import BargeinError, PromptTooLong, UsageError, VendorLost, VendorRefused
from bargein.protocols import (
    AgentSaid,
    ConversationItem,
    Prompt,
    TextDelta,
    ToolCall,
    ToolResult,
    ToolSpec,
    UserBackchannel,
    UserSaid,
)
from bargein.vendors.anthropic.chat import AnthropicChat
from bargein_simulators.anthropic import AnthropicSimulator, Fault, anthropic_app
from bargein_simulators.anthropic_wire import error_body, events
from bargein_simulators.chat import ChatMessage
from bargein_simulators.chat_wire import ServedToolCall
from tests.simulators.serving import serving

PROMPT = Prompt("Be kind.", [AgentSaid(1, "I have", "found it", "cut"), UserSaid(1, "Which one, please, do you mean?")])
KEY = "sk-ant-very-secret-0123456789"
TOOL = ToolSpec("look", "Looks", {"type": "object", "properties": {"day": {"type": "integer"}}})


@pytest.fixture
def sim() -> AnthropicSimulator:
    return AnthropicSimulator(respond=lambda _: "Here you are.", api_key=KEY)


@pytest.fixture
async def url(sim: AnthropicSimulator) -> AsyncIterator[str]:
    async with serving(anthropic_app(sim)) as root:
        yield root


@pytest.fixture
async def model(url: str) -> AsyncIterator[AnthropicChat]:
    made = AnthropicChat(base_url=url, api_key=KEY, timeout_s=5)
    yield made
    await made.aclose()


async def said(model: AnthropicChat, prompt: Prompt = PROMPT) -> list[Any]:
    return [piece async for piece in model.reply(prompt)]


HERE = [TextDelta("Here"), TextDelta(" you"), TextDelta(" are.")]


async def test_text_comes_piece_by_piece_and_pings_are_no_text(model: AnthropicChat) -> None:
    assert await said(model) == HERE


async def test_a_conversation_of_every_kind_is_taken_by_the_api_and_by_the_sdks_types(
    model: AnthropicChat, sim: AnthropicSimulator
) -> None:
    items: list[ConversationItem] = [
        AgentSaid(1, "Good evening.", "", "completed"),
        UserSaid(1, "Look at Monday."),
        ToolResult("call:1/a", "look", '{"day": 1}', "free"),
        ToolResult("call_2", "look", "no json", "closed", error=True),
        AgentSaid(2, "Monday is", "free all day", "cut"),
        UserBackchannel("mm-hmm"),
        UserSaid(2, "And Tuesday?"),
    ]
    assert await said(model, Prompt("Be kind.", items, "de", (TOOL,))) == HERE
    sent = sim.served[0].body
    TypeAdapter(MessageCreateParamsStreaming).validate_python(sent)
    messages: Any = sent["messages"]
    assert [m["role"] for m in messages] == [
        "user",
        "assistant",
        "user",
        "assistant",
        "user",
        "assistant",
        "user",
        "assistant",
        "user",
    ]
    assert messages[3]["content"] == [{"type": "tool_use", "id": "call_1_a", "name": "look", "input": {"day": 1}}]
    assert messages[6]["content"][0]["is_error"] is True
    assert [block["text"] for block in messages[-1]["content"]][-1] == "And Tuesday?"
    assert "'Monday is'" in messages[-1]["content"][0]["text"], "the model is told what was heard"
    assert all("free all day" not in block.get("text", "") for m in messages[:-1] for block in m["content"])


async def test_the_system_text_and_the_tools_are_cached_and_thinking_is_off(
    model: AnthropicChat, sim: AnthropicSimulator
) -> None:
    await said(model, Prompt("Be kind.", PROMPT.items, "en", (TOOL,)))
    sent: Any = sim.served[0].body
    assert sent["system"][-1]["cache_control"] == {"type": "ephemeral"}
    assert sent["system"][0]["text"].startswith("Be kind.")
    assert sent["tools"] == [{"name": "look", "description": "Looks", "input_schema": dict(TOOL.parameters)}]
    assert (sent["thinking"], sent["max_tokens"], sent["stream"]) == ({"type": "disabled"}, 300, True)


@pytest.mark.parametrize("items", [[], [AgentSaid(1, "Good evening.", "", "completed")]])
async def test_an_agent_that_speaks_unasked_sends_a_prompt_that_ends_with_the_user(
    model: AnthropicChat, sim: AnthropicSimulator, items: list[AgentSaid]
) -> None:
    assert await said(model, Prompt("Be kind.", items)) == HERE
    assert sim.served[0].request.messages[-1].role == "user"


async def test_tools_come_whole_after_the_text(model: AnthropicChat, sim: AnthropicSimulator) -> None:
    first = ServedToolCall("look", '{"day": 1, "why": "asked"}')
    sim.respond = lambda _: ["One moment.", first, ServedToolCall("look")]
    pieces = await said(model, Prompt("Be kind.", PROMPT.items, "en", (TOOL,)))
    calls = [piece for piece in pieces if isinstance(piece, ToolCall)]
    assert pieces[-2:] == calls
    assert [json.loads(call.arguments) for call in calls] == [{"day": 1, "why": "asked"}, {}]
    assert len({call.id for call in calls}) == 2


async def test_a_call_that_was_cut_short_is_not_made(url: str, sim: AnthropicSimulator) -> None:
    sim.respond = lambda _: ["One two three.", ServedToolCall("look", '{"day": 1}')]
    model = AnthropicChat(base_url=url, api_key=KEY, max_tokens=2)
    assert await said(model, Prompt("", PROMPT.items, "en", (TOOL,))) == [TextDelta("One"), TextDelta(" two")]
    await model.aclose()


async def test_closing_the_iterator_closes_the_connection_at_once(
    model: AnthropicChat, sim: AnthropicSimulator
) -> None:
    sim.faults.append("stall")
    async with aclosing(model.reply(PROMPT)) as pieces:
        assert await anext(pieces) == TextDelta("Here")
    await sim.served[0].over.wait()
    assert (sim.served[0].ended, sim.served[0].sent) == ("disconnected", ["Here"])


async def test_cancelling_the_reader_before_the_first_piece_closes_the_connection(
    model: AnthropicChat, sim: AnthropicSimulator
) -> None:
    began = asyncio.Event()

    def respond(_: Sequence[ChatMessage]) -> str:
        began.set()
        return "Here you are."

    sim.respond, sim.first_token_ms = respond, 60_000
    reading = asyncio.create_task(said(model))
    await began.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await sim.served[0].over.wait()
    assert sim.served[0].ended == "disconnected"


@pytest.mark.parametrize(
    ("fault", "told"), [("401", "ANTHROPIC_API_KEY"), ("404", "model's name"), ("credit", "credit is used up")]
)
async def test_a_refusal_is_final_and_never_quotes_the_key(
    model: AnthropicChat, sim: AnthropicSimulator, fault: Fault, told: str
) -> None:
    sim.faults.append(fault)
    with pytest.raises(VendorRefused) as refused:
        await said(model)
    assert told in refused.value.advice
    assert KEY not in "".join(traceback.format_exception(refused.value))
    assert len(sim.served) == 1


@pytest.mark.parametrize("fault", ["500", "529", "429", "empty", "refusal"])
async def test_what_fails_before_the_first_piece_is_tried_once_more(
    model: AnthropicChat, sim: AnthropicSimulator, fault: Fault
) -> None:
    sim.faults.append(fault)
    assert await said(model) == HERE
    sim.faults.extend([fault, fault])
    with pytest.raises(VendorLost):
        await said(model)
    assert len(sim.served) == 4


async def test_a_short_rate_limit_is_waited_for_and_a_long_one_is_not(
    model: AnthropicChat, sim: AnthropicSimulator
) -> None:
    sim.faults.append("429")
    sim.retry_after_s = 0.01
    assert await said(model) == HERE
    sim.faults.extend(["429", "429"])
    sim.retry_after_s = 60
    with pytest.raises(VendorLost, match="429"):
        await said(model)


@pytest.mark.parametrize("fault", ["drop", "malformed", "overloaded", "cut_short"])
async def test_a_stream_that_breaks_after_its_first_piece_is_lost_and_not_begun_again(
    model: AnthropicChat, sim: AnthropicSimulator, fault: Fault
) -> None:
    sim.faults.append(fault)
    pieces = model.reply(PROMPT)
    assert await anext(pieces) == TextDelta("Here")
    with pytest.raises(VendorLost):
        await anext(pieces)
    assert len(sim.served) == 1


@pytest.mark.parametrize("fault", ["stall_first", "no_answer"])
async def test_a_server_that_never_answers_is_lost_after_the_timeout(
    url: str, sim: AnthropicSimulator, fault: Fault
) -> None:
    sim.faults.extend([fault, fault])
    model = AnthropicChat(base_url=url, api_key=KEY, first_token_s=0.05)
    with pytest.raises(VendorLost, match="did not answer in time"):
        await said(model)
    await model.aclose()


async def test_a_server_that_stalls_in_an_answer_is_lost_after_the_timeout(url: str, sim: AnthropicSimulator) -> None:
    sim.faults.append("stall")
    model = AnthropicChat(base_url=url, api_key=KEY, timeout_s=0.05)
    pieces = model.reply(PROMPT)
    assert await anext(pieces) == TextDelta("Here")
    with pytest.raises(VendorLost, match="did not answer in time"):
        await anext(pieces)
    await model.aclose()


async def test_a_prompt_that_is_too_long_is_told_as_such(model: AnthropicChat, sim: AnthropicSimulator) -> None:
    sim.faults.append("413")
    with pytest.raises(PromptTooLong):
        await said(model)


async def test_the_check_asks_for_nothing_that_costs(model: AnthropicChat, sim: AnthropicSimulator, url: str) -> None:
    await model.check()
    wrong = AnthropicChat(base_url=url, api_key="sk-ant-other")
    with pytest.raises(VendorRefused, match="401"):
        await wrong.check()
    await wrong.aclose()
    nowhere = AnthropicChat(base_url="http://127.0.0.1:9", api_key=KEY)
    with pytest.raises(VendorLost):
        await nowhere.check()
    await nowhere.aclose()
    assert not sim.served


def test_the_key_is_never_shown_and_another_servers_key_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://proxy.test")
    assert AnthropicChat()._client.api_key == "none"
    assert str(AnthropicChat()._client.base_url) == "https://api.anthropic.com"
    monkeypatch.delenv("ANTHROPIC_BASE_URL")
    assert KEY not in repr(AnthropicChat())


@pytest.mark.parametrize("wrong", [{"stop": ["a", "b", "c", "d", "e"]}, {"max_tokens": 0}])
def test_numbers_that_cannot_be_are_refused_when_it_is_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        AnthropicChat(api_key=KEY, **wrong)


def test_the_simulators_events_are_those_of_the_sdks_types() -> None:
    typed: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
    calls = [ServedToolCall("look", '{"day": 1}')]
    kinds = []
    for text, _ in events("claude", ["Here"], calls, "tool_use", 1, 12):
        data = json.loads(text.partition("data: ")[2])
        if data["type"] != "ping":
            kinds.append(typed.validate_python(data).type)
    assert kinds[0] == "message_start"
    assert kinds[-1] == "message_stop"
    assert error_body("overloaded_error", "Overloaded")["type"] == "error"


async def test_errors_are_ours(model: AnthropicChat, sim: AnthropicSimulator) -> None:
    sim.faults.extend(["overloaded"])
    with pytest.raises(BargeinError, match="overloaded_error"):
        await said(model)
