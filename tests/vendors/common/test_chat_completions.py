"""The adapter for chat servers, against the simulated one, through the real SDK and a real socket."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace

import pytest
from pydantic import SecretStr

from bargein.errors import BargeinError, Unavailable, UsageError, VendorLost, VendorRefused
from bargein.protocols import AgentSaid, Prompt, TextDelta, ToolCall, ToolResult, ToolSpec, UserSaid
from bargein.vendors.common.chat_completions import ChatCompletions
from bargein.vendors.common.messages import as_messages
from bargein.vendors.groq.chat import GroqChat
from bargein.vendors.local.ollama import OllamaChat
from bargein.vendors.openai.chat import OpenAICompatibleChat
from bargein_simulators.chat import ChatMessage, ChatSimulator, Fault, chat_app
from bargein_simulators.chat_wire import ServedToolCall
from tests.simulators.serving import serving

PROMPT = Prompt("Be kind.", [AgentSaid(1, "I have", "found it", "cut"), UserSaid(1, "Which one, please, do you mean?")])
KEY = "sk-very-secret-0123456789"


@pytest.fixture
def chat() -> ChatSimulator:
    return ChatSimulator(respond=lambda _: "Here you are.")


@pytest.fixture
async def url(chat: ChatSimulator) -> AsyncIterator[str]:
    async with serving(chat_app(chat)) as root:
        yield f"{root}/v1"


@pytest.fixture
async def model(url: str) -> AsyncIterator[ChatCompletions]:
    made = OpenAICompatibleChat("simulated-chat", base_url=url, api_key=SecretStr(KEY), timeout_s=5)
    yield made
    await made.aclose()


async def said(model: ChatCompletions) -> list[str]:
    return [piece.text async for piece in model.reply(PROMPT) if isinstance(piece, TextDelta)]


async def test_text_comes_piece_by_piece_without_empty_ones(model: ChatCompletions) -> None:
    assert await said(model) == ["Here", " you", " are."]


async def test_the_server_gets_what_was_heard_and_the_settings(model: ChatCompletions, chat: ChatSimulator) -> None:
    await said(model)
    request = chat.served[0].request
    assert [{"role": m.role, "content": m.content} for m in request.messages] == as_messages(PROMPT)
    assert (request.max_tokens, request.model_extra) == (150, {"temperature": 0.3, "top_p": 1.0})


async def test_settings_that_a_model_does_not_take_are_left_out(url: str, chat: ChatSimulator) -> None:
    model = OpenAICompatibleChat("simulated-chat", base_url=url, temperature=None, max_tokens=None, top_p=None)
    await said(model)
    await model.aclose()
    assert (chat.served[0].request.max_tokens, chat.served[0].request.model_extra) == (None, {})


async def test_closing_the_iterator_closes_the_connection_at_once(model: ChatCompletions, chat: ChatSimulator) -> None:
    chat.faults.append("stall")
    async with aclosing(model.reply(PROMPT)) as pieces:
        assert await anext(pieces) == TextDelta("Here")
    await chat.served[0].over.wait()
    assert (chat.served[0].ended, chat.served[0].sent) == ("disconnected", ["Here"])


@pytest.mark.parametrize("fault", ["stall", "stall_first"])
async def test_cancelling_the_reader_closes_the_connection_at_once(
    model: ChatCompletions, chat: ChatSimulator, fault: Fault
) -> None:
    chat.faults.append(fault)
    began = asyncio.Event()

    def respond(_: Sequence[ChatMessage]) -> str:
        began.set()
        return "Here you are."

    chat.respond = respond
    reading = asyncio.create_task(said(model))
    await began.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await chat.served[0].over.wait()
    assert chat.served[0].ended == "disconnected"


async def test_an_answer_of_nothing_is_asked_for_again(model: ChatCompletions, chat: ChatSimulator) -> None:
    chat.faults.append("empty")
    assert await said(model) == ["Here", " you", " are."]
    chat.faults.extend(["empty", "empty"])
    with pytest.raises(VendorLost, match="nothing"):
        await said(model)


@pytest.mark.parametrize("fault", ["401", "404", "quota"])
async def test_a_refusal_is_final_and_not_tried_again(
    model: ChatCompletions, chat: ChatSimulator, fault: Fault
) -> None:
    chat.faults.append(fault)
    with pytest.raises(VendorRefused):
        await said(model)
    assert len(chat.served) == 1


@pytest.mark.parametrize("fault", ["500", "429"])
async def test_what_fails_before_the_first_piece_is_tried_once_more(
    model: ChatCompletions, chat: ChatSimulator, fault: Fault
) -> None:
    chat.faults.append(fault)
    assert await said(model) == ["Here", " you", " are."]
    assert [served.ended for served in chat.served] == ["refused", "completed"]


async def test_a_second_failure_is_told(model: ChatCompletions, chat: ChatSimulator) -> None:
    chat.faults.extend(["500", "500"])
    with pytest.raises(VendorLost):
        await said(model)
    assert len(chat.served) == 2


@pytest.mark.parametrize("fault", ["drop", "malformed", "error_chunk", "groq_error"])
async def test_a_stream_that_breaks_after_its_first_piece_is_lost_and_not_begun_again(
    model: ChatCompletions, chat: ChatSimulator, fault: Fault
) -> None:
    chat.faults.append(fault)
    pieces = model.reply(PROMPT)
    assert await anext(pieces) == TextDelta("Here")
    with pytest.raises(VendorLost):
        await anext(pieces)
    assert len(chat.served) == 1


async def test_a_server_that_stalls_is_lost_after_the_timeout(url: str, chat: ChatSimulator) -> None:
    chat.faults.append("stall")
    model = OpenAICompatibleChat("simulated-chat", base_url=url, timeout_s=0.05)
    with pytest.raises(VendorLost, match="did not answer in time"):
        await said(model)
    await model.aclose()


async def test_a_server_that_takes_the_request_and_never_answers_is_lost_twice(url: str, chat: ChatSimulator) -> None:
    chat.faults.extend(["no_answer", "stall_first"])
    model = OpenAICompatibleChat("simulated-chat", base_url=url, first_token_s=0.1)
    with pytest.raises(VendorLost, match="did not answer in time"):
        await said(model)
    await model.aclose()
    assert len(chat.served) == 2


async def test_a_rate_limit_that_is_over_soon_is_waited_for(model: ChatCompletions, chat: ChatSimulator) -> None:
    chat.retry_after_s = 0.01
    chat.faults.append("429")
    assert await said(model) == ["Here", " you", " are."]
    chat.faults.extend(["429", "429"])
    with pytest.raises(VendorLost, match="429"):
        await said(model)


TOOLS = (ToolSpec("lookup", "Looks up.", {"type": "object", "properties": {"day": {"type": "string"}}}),)


async def test_tools_are_offered_and_their_calls_come_whole_after_the_text(
    model: ChatCompletions, chat: ChatSimulator
) -> None:
    chat.respond = lambda _: [
        "Let me see.",
        ServedToolCall("lookup", '{"day": "today"}'),
        ServedToolCall("lookup", '{"day": "tomorrow"}'),
    ]
    prompt = replace(PROMPT, tools=TOOLS)
    pieces = [piece async for piece in model.reply(prompt)]
    assert "".join(p.text for p in pieces if isinstance(p, TextDelta)) == "Let me see."
    assert pieces[-2:] == [
        ToolCall("call_1_0", "lookup", '{"day": "today"}'),
        ToolCall("call_1_1", "lookup", '{"day": "tomorrow"}'),
    ]
    (offered,) = chat.served[0].request.model_extra["tools"]  # type: ignore[index]
    assert offered["function"] == {
        "name": "lookup",
        "description": "Looks up.",
        "parameters": {"type": "object", "properties": {"day": {"type": "string"}}},
    }


async def test_what_a_tool_told_goes_back_as_the_vendor_wants_it(model: ChatCompletions, chat: ChatSimulator) -> None:
    used = [ToolResult("c1", "lookup", "{}", "sunny"), ToolResult("c2", "book", "{}", None)]
    async for _ in model.reply(replace(PROMPT, items=[*PROMPT.items, *used], tools=TOOLS)):
        pass
    messages = [m.model_dump() for m in chat.served[0].request.messages][-4:]
    assert [m["role"] for m in messages] == ["assistant", "tool", "assistant", "tool"]
    assert messages[0]["tool_calls"][0]["id"] == messages[1]["tool_call_id"] == "c1"
    assert messages[1]["content"] == "sunny"
    assert "still runs" in messages[3]["content"]


async def test_groq_is_asked_to_think_little_and_what_it_thinks_is_never_said(url: str, chat: ChatSimulator) -> None:
    chat.thinks, chat.models = "The user wants something.", ()
    model = GroqChat(api_key=KEY, base_url=url)
    assert await said(model) == ["Here", " you", " are."]
    await model.aclose()
    request = chat.served[0].request
    assert request.max_completion_tokens == 150
    assert request.max_tokens is None
    assert request.model_extra is not None
    assert request.model_extra["reasoning_effort"] == "low"
    assert request.model_extra["reasoning_format"] == "hidden"


async def test_stop_sequences_go_along_and_too_many_are_refused(url: str, chat: ChatSimulator) -> None:
    model = OpenAICompatibleChat("simulated-chat", base_url=url, stop=["END"])
    await said(model)
    await model.aclose()
    assert chat.served[0].request.stop == ["END"]
    with pytest.raises(UsageError):
        OpenAICompatibleChat("m", stop=["a", "b", "c", "d", "e"])


async def test_a_server_that_is_not_there_is_lost(url: str) -> None:
    model = OpenAICompatibleChat("m", base_url="http://127.0.0.1:9/v1", timeout_s=1)
    with pytest.raises(VendorLost, match="could not be reached"):
        await said(model)
    await model.aclose()


@pytest.mark.parametrize("fault", ["401", "404", "429", "quota", "500", "drop", "malformed", "error_chunk"])
async def test_no_error_and_no_traceback_holds_the_key(
    model: ChatCompletions, chat: ChatSimulator, fault: Fault
) -> None:
    chat.faults.extend([fault, fault])
    with pytest.raises(BargeinError) as caught:
        await said(model)
    assert KEY not in "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(model)
    assert caught.value.advice


async def test_the_first_chat_model_of_a_server_is_found_at_start(url: str, chat: ChatSimulator) -> None:
    chat.models = ("nomic-embed-text", "llama")
    model = OpenAICompatibleChat(base_url=url)
    assert model.name == "The OpenAI-compatible server"
    await model.start()
    assert model.name == "llama"
    await model.aclose()


async def test_a_model_that_was_not_started_finds_it_with_its_first_reply(url: str, chat: ChatSimulator) -> None:
    model = OllamaChat(base_url=url)
    assert await said(model) == ["Here", " you", " are."]
    assert model.name == "simulated-chat"
    await model.aclose()


async def test_a_named_model_is_not_looked_for() -> None:
    model = OllamaChat("llama", base_url="http://127.0.0.1:9/v1")
    await model.start()
    assert model.name == "llama"
    await model.aclose()


async def test_a_server_without_an_answer_is_unavailable() -> None:
    model = OllamaChat(base_url="http://127.0.0.1:9/v1")
    with pytest.raises(Unavailable, match="Ollama did not answer"):
        await model.start()
    await model.aclose()


async def test_an_address_without_v1_is_told_as_an_address_and_not_as_a_server_that_is_away(url: str) -> None:
    model = OpenAICompatibleChat(base_url=url.removesuffix("/v1"))
    with pytest.raises(Unavailable, match=r"answered 404 .*up to and with /v1"):
        await model.start()
    await model.aclose()
    named = OpenAICompatibleChat("simulated-chat", base_url=url.removesuffix("/v1"))
    with pytest.raises(VendorRefused, match=r"404.*up to and with /v1"):
        await said(named)
    await named.aclose()


async def test_a_server_without_a_chat_model_says_so(url: str, chat: ChatSimulator) -> None:
    chat.models = ("nomic-embed-text",)
    model = OllamaChat(base_url=url)
    with pytest.raises(Unavailable, match="Ollama has no chat model"):
        await model.start()
    await model.aclose()


async def test_the_key_goes_along_when_looking(url: str, chat: ChatSimulator) -> None:
    chat.api_key = KEY
    models = [OpenAICompatibleChat(base_url=url, api_key=SecretStr(key)) for key in (KEY, "another")]
    await models[0].start()
    with pytest.raises(Unavailable, match=r"answered 401 .*Check OPENAI_API_KEY") as caught:
        await models[1].start()
    assert "another" not in "".join(traceback.format_exception(caught.value))
    for model in models:
        await model.aclose()
