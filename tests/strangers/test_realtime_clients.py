"""Clients that nobody here wrote hold a conversation with the simulated OpenAI Realtime: a story that is interrupted,
and a tool call. Each test checks what the client itself saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from bargein_simulators.chat_wire import ServedToolCall
from bargein_simulators.openai_realtime import RealtimeSimulator, realtime_app
from bargein_simulators.realtime_session import RealtimeSession, ServerItem
from tests.simulators.realtime.kit import recorded
from tests.simulators.serving import serving
from tests.strangers.clients_kit import Json, of, saw

STORY = "This is a long story, which goes on and on, so that anybody can interrupt it in the middle of any word."


def respond(said: str, items: Sequence[ServerItem]) -> str | list[str | ServedToolCall]:
    """A story; and once it was interrupted, a tool call, and its result."""
    results = [item.wire["output"] for item in items if item.wire["type"] == "function_call_output"]
    if results:
        return f"It is {results[-1].strip(chr(34))}."
    told = any(item.wire.get("role") == "assistant" for item in items)
    return [ServedToolCall("weather", '{"city": "Oslo"}')] if told else STORY


async def conversation(client: str, folder: Path) -> tuple[list[Json], RealtimeSession]:
    """What a client saw, and the session as the server has it."""
    sim = RealtimeSimulator(respond=respond, first_audio_ms=20, api_key="k")
    try:
        async with serving(realtime_app(sim), ws=True) as url:
            seen = await saw(client, url, folder, recorded("interruption-3.wav"))
    finally:
        await sim.speech.aclose()
    [session] = sim.sessions
    return seen, session


def check_session(session: RealtimeSession) -> None:
    """Nothing that the client sent was wrong, and the story is as long as it was heard."""
    refused = [event["error"]["code"] for _, event in session.sent if event["type"] == "error"]
    assert set(refused) <= {"response_cancel_not_active"}  # a cancel that crossed the response's end
    story = next(item for item in session.items.values() if item.spoken == STORY)
    assert story.truncated_ms is not None
    assert 0 < story.truncated_ms < story.ms
    assert STORY.startswith(story.heard())
    assert len(story.heard()) < len(STORY)


async def test_openai_agents_interrupts_a_story_and_calls_a_tool(tmp_path: Path) -> None:
    seen, session = await conversation("openai_agents", tmp_path)
    assert of(seen, "error") == []
    assert len(of(seen, "interrupted")) == 1
    assert of(seen, "called") == [{"kind": "called", "arguments": {"city": "Oslo"}}]
    assert of(seen, "tool") == [{"kind": "tool", "output": "sunny"}]
    [history] = of(seen, "history")
    assert history["said"][-1] == "It is sunny."
    assert history["user"][0] == "Hello, can you help me?"
    check_session(session)


async def test_livekit_truncates_to_what_it_played_and_calls_a_tool(tmp_path: Path) -> None:
    seen, session = await conversation("livekit_realtime", tmp_path)
    assert of(seen, "error") == []
    assert of(seen, "called") == [{"kind": "called", "arguments": {"city": "Oslo"}}]
    assert of(seen, "tool") == [{"kind": "tool", "output": "sunny"}]
    played = of(seen, "played")
    assert [each["interrupted"] for each in played] == [True, False]
    story = next(item for item in session.items.values() if item.spoken == STORY)
    assert story.truncated_ms == pytest.approx(played[0]["ms"], abs=1)
    assert [item["text"] for item in of(seen, "item") if item["role"] == "assistant"][-1] == "It is sunny."
    check_session(session)


async def test_pipecat_interrupts_a_story_and_calls_a_tool(tmp_path: Path) -> None:
    seen, session = await conversation("pipecat_realtime", tmp_path)
    assert of(seen, "error") == []
    assert len(of(seen, "interrupted")) >= 1
    assert of(seen, "called") == [{"kind": "called", "arguments": {"city": "Oslo"}}]
    assert [each["output"] for each in of(seen, "tool")] == ["sunny"]
    assert of(seen, "said")[-1]["text"].endswith("It is sunny.")
    check_session(session)
