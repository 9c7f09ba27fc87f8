"""The simulated chat refuses what the vendors refuse, so that an agent that works here works there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from bargein_simulators.chat import ChatSimulator, chat_app
from tests.simulators.serving import serving

TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
HELLO = {"role": "user", "content": "Hello?"}
CALLED = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "3"}
PATHS = ("/v1/chat/completions", "/openai/v1/chat/completions")

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"messages": []}, "empty array"),
    ({"messages": [{"role": "assistant", "content": "a", "tool_calls": ["a"]}]}, "expected an array of objects"),
    ({"messages": [{"role": "assistant", "content": "a", "tool_calls": 5}]}, "expected an array of objects"),
    ({"messages": [{"role": "robot", "content": "x"}]}, "Invalid value: 'robot'"),
    ({"messages": [{"role": "user", "content": None}]}, "expected a string, got null"),
    ({"messages": [{"role": "assistant", "content": None}]}, "expected a string, got null"),
    ({"messages": [{"role": "user", "content": [{"type": "words"}]}]}, "Invalid value: 'words'"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "'messages[0].content[0].text'"),
    ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "'messages[0].content[0].input_audio'"),
    ({"messages": [HELLO, RESULT]}, "must be a response to a preceeding message"),
    ({"messages": [HELLO, CALLED]}, "did not have response messages: c1"),
    ({"messages": [HELLO, CALLED, HELLO]}, "did not have response messages: c1"),
    ({"messages": [HELLO, CALLED, RESULT, RESULT]}, "must be a response to a preceeding message"),
    ({"temperature": 2.5}, "Invalid 'temperature': decimal above maximum value"),
    ({"temperature": "hot"}, "Invalid type for 'temperature'"),
    ({"top_p": -0.1}, "Invalid 'top_p': decimal below minimum value"),
    ({"max_tokens": 0}, "Invalid 'max_tokens': integer below minimum value"),
    ({"max_completion_tokens": -1}, "Invalid 'max_completion_tokens'"),
    ({"max_tokens": 5, "max_completion_tokens": 5}, "at the same time is not supported"),
    ({"seed": 1.5}, "Invalid type for 'seed'"),
    ({"stop": ["a", "b", "c", "d", "e"]}, "array too long"),
    ({"tools": [{"type": "function", "function": {}}]}, "'tools[0].function.name'"),
    ({"tools": [{"type": "function", "name": "f"}]}, "'tools[0].function'"),
    ({"tools": [{"type": "function", "function": {"name": "my tool"}}]}, "does not match pattern"),
    ({"tools": [{"type": "function", "function": {"name": "f" * 65}}]}, "string too long"),
    ({"tool_choice": "required"}, "only allowed when 'tools' are specified"),
    ({"tools": TOOLS, "tool_choice": "always"}, "Invalid value: 'always'"),
    ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "g"}}}, "Tool choice 'g' not found"),
    ({"response_format": {"type": "xml"}}, "Invalid value: 'xml'"),
    ({"reasoning_effort": "utmost"}, "Invalid value: 'utmost'"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[httpx.AsyncClient]:
    chat = ChatSimulator(models=())
    async with serving(chat_app(chat)) as url, httpx.AsyncClient(base_url=url) as client:
        yield client


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_what_the_vendors_refuse_is_refused_with_the_parameter_and_the_reason(server: httpx.AsyncClient) -> None:
    for path in PATHS:
        for given, said in REFUSED:
            answer = await server.post(path, json={"model": "m", "messages": [HELLO], **given})
            assert answer.status_code == 400, (given, answer.text)
            assert said in answer.json()["error"]["message"], given


async def test_what_the_vendors_take_is_answered(server: httpx.AsyncClient) -> None:
    taken: list[dict[str, Any]] = [
        {"messages": [HELLO, CALLED, RESULT]},
        {"messages": [{"role": "developer", "content": "Be brief."}, HELLO]},
        {"messages": [HELLO, CALLED, RESULT, {"role": "assistant", "content": "Three."}, HELLO]},
        {"temperature": 2, "top_p": 1, "max_tokens": 1, "seed": -1, "stop": ["a", "b", "c", "d"]},
        {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "f"}}},
        {"tool_choice": "none"},
        {"model": "mistral-small-latest", "tools": TOOLS, "tool_choice": "any"},
    ]
    for given in taken:
        answer = await server.post(PATHS[0], json={"model": "m", "messages": [HELLO], **given})
        assert answer.status_code == 200, (given, answer.text)


async def test_groqs_two_ways_to_show_reasoning_exclude_each_other(server: httpx.AsyncClient) -> None:
    both = {"model": "m", "messages": [HELLO], "reasoning_format": "hidden", "include_reasoning": True}
    assert (await server.post(PATHS[1], json=both)).status_code == 400
    assert (await server.post(PATHS[1], json={**both, "reasoning_effort": "default"})).status_code == 400
    del both["include_reasoning"]
    assert (await server.post(PATHS[1], json={**both, "reasoning_effort": "default"})).status_code == 200
