"""The simulated model's answers: in the vendor's order, with tools, and beside the conversation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import openai
import pytest
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from bargein.audio.mulaw import from_mulaw
from bargein_simulators.chat_wire import ServedToolCall
from bargein_simulators.openai_realtime import RealtimeSimulator
from bargein_simulators.realtime_session import RealtimeSession, ServerItem
from tests.simulators.realtime.kit import (
    DELTAS,
    MODEL,
    SPOKEN_ANSWER,
    WORDS,
    Connection,
    audio,
    of,
    order,
    recorded,
    speaking,
    text,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")  # as its server


# ---------------------------------------------------------------------------------------------------- one spoken answer


async def test_a_spoken_turn_and_its_answer_come_in_the_vendors_order(
    connection: Connection, session: RealtimeSession
) -> None:
    await connection.feed(recorded("interruption-3.wav"))
    events = await connection.until("rate_limits.updated")
    assert order(events) == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        *SPOKEN_ANSWER,
    ]
    user = events[4]["item"]
    assert (user["role"], user["status"]) == ("user", "completed")
    assert user["content"] == [{"type": "input_audio", "transcript": None}]
    assert {event["item_id"] for event in events[:3]} == {user["id"]}
    begun = of(events, "conversation.item.added")[1]
    assert (begun["item"]["status"], begun["item"]["content"]) == ("in_progress", [])
    assert begun["previous_item_id"] == user["id"]
    assert of(events, "response.content_part.added")[0]["part"] == {"type": "audio", "transcript": ""}
    deltas = [event["type"] for event in events if event["type"] in DELTAS]
    assert deltas[0] == "response.output_audio_transcript.delta"
    assert len(audio(events)) == pytest.approx(session.items[begun["item"]["id"]].ms * 48)
    assert np.abs(np.frombuffer(audio(events), "<i2")).max() > 1_000
    assert text(events) == WORDS
    done = of(events, "response.done")[0]["response"]
    assert (done["status"], done["status_details"]) == ("completed", None)
    assert done["output"][0]["content"] == [{"type": "output_audio", "transcript": WORDS}]
    assert "object" not in done["output"][0]


async def test_every_event_is_what_the_vendors_types_say(connection: Connection) -> None:
    types: TypeAdapter[RealtimeServerEvent] = TypeAdapter(RealtimeServerEvent)
    await connection.feed(recorded("interruption-3.wav"))
    events = await connection.until("rate_limits.updated")
    assert [types.validate_python(event).type for event in events] == [event["type"] for event in events]
    assert len({event["event_id"] for event in events}) == len(events)


async def test_a_typed_turn_is_answered_when_it_is_asked_for(connection: Connection, sim: RealtimeSimulator) -> None:
    sim.respond = lambda said, items: f"You wrote {said}."
    await connection.wire.conversation.item.create(
        item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
    )
    confirmed = await connection.until("conversation.item.done")
    assert order(confirmed) == ["conversation.item.added", "conversation.item.done"]
    events = await connection.answer()
    assert order(events) == SPOKEN_ANSWER
    assert text(events) == "You wrote hello."


async def test_the_answer_is_mulaw_where_that_is_asked_for(connection: Connection, session: RealtimeSession) -> None:
    await connection.wire.session.update(
        session={"type": "realtime", "audio": {"output": {"format": {"type": "audio/pcmu"}}}}
    )
    events = await connection.answer()
    item = session.items[of(events, "conversation.item.done")[0]["item"]["id"]]
    assert len(audio(events)) == pytest.approx(item.ms * 8)
    assert np.abs(from_mulaw(audio(events))).max() > 1_000


# ---------------------------------------------------------------------------------------------------------------- tools


async def test_a_tool_is_called_and_its_result_is_spoken_of(connection: Connection, sim: RealtimeSimulator) -> None:
    def respond(said: str, items: Sequence[ServerItem]) -> str | list[str | ServedToolCall]:
        results = [item.wire["output"] for item in items if item.wire["type"] == "function_call_output"]
        return f"It is {results[0]}." if results else [ServedToolCall("weather", '{"city": "Oslo"}')]

    sim.respond = respond
    events = await connection.answer()
    assert order(events) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    pieces = [event["delta"] for event in of(events, "response.function_call_arguments.delta")]
    [called] = of(events, "response.done")[0]["response"]["output"]
    assert (called["type"], called["name"], called["status"]) == ("function_call", "weather", "completed")
    assert "".join(pieces) == called["arguments"] == '{"city": "Oslo"}'
    await connection.wire.conversation.item.create(
        item={"type": "function_call_output", "call_id": called["call_id"], "output": "sunny"}
    )
    confirmed = await connection.next("conversation.item.done")
    assert (confirmed["item"]["call_id"], confirmed["item"]["output"]) == (called["call_id"], "sunny")
    assert text(await connection.answer()) == "It is sunny."


async def test_one_answer_can_speak_and_call(connection: Connection, sim: RealtimeSimulator) -> None:
    sim.respond = lambda said, items: ["Let me see.", ServedToolCall("weather")]
    events = await connection.answer()
    added = of(events, "response.output_item.added")
    assert [(event["output_index"], event["item"]["type"]) for event in added] == [(0, "message"), (1, "function_call")]
    assert [item["type"] for item in of(events, "response.done")[0]["response"]["output"]] == [
        "message",
        "function_call",
    ]


async def test_an_answer_beside_the_conversation_leaves_no_trace_in_it(
    connection: Connection, sim: RealtimeSimulator, session: RealtimeSession
) -> None:
    begun = await speaking(connection, sim)
    sim.respond, sim.speed = (lambda said, items: f"{len(items)} item: {said}."), 0
    asked: Any = {
        "conversation": "none",
        "metadata": {"topic": "summary"},
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Sum up"}]}],
    }
    await connection.wire.response.create(response=asked)
    beside = (await connection.next("response.created"))["response"]
    assert (beside["metadata"], beside["conversation_id"]) == ({"topic": "summary"}, None)
    events = await connection.until("response.done")
    assert events[-1]["response"]["id"] == beside["id"]
    assert events[-1]["response"]["metadata"] == {"topic": "summary"}
    assert text([event for event in events if event.get("response_id") == beside["id"]]) == "1 item: Sum up."
    assert not of(events, "conversation.item.added")
    assert list(session.items) == [of(begun, "conversation.item.added")[0]["item"]["id"]]
    await connection.wire.response.cancel()  # without an id: the one of the conversation, which still runs
    assert (await connection.next("response.done"))["response"]["id"] == begun[0]["response"]["id"]


async def test_a_call_with_a_session_that_cannot_be_is_refused(sdk: openai.AsyncOpenAI) -> None:
    wrong: Any = {"type": "realtime", "model": MODEL, "audio": {"output": {"voice": "nobody"}}}
    with pytest.raises(openai.BadRequestError, match="Supported values are: 'alloy'"):
        await sdk.realtime.calls.create(sdp="v=0", session=wrong)
