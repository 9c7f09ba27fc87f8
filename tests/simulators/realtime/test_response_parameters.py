"""What a response is asked to be: text or audio, in which voice and format, how fast, how long, with which tools."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from bargein.audio.alaw import from_alaw
from bargein.audio.mulaw import from_mulaw
from bargein_simulators.chat_wire import ServedToolCall
from bargein_simulators.openai_realtime import RealtimeSimulator
from bargein_simulators.realtime_session import RealtimeSession
from tests.simulators.realtime.kit import LONG, WORDS, Connection, Json, audio, of, order, recorded, text

pytestmark = pytest.mark.asyncio(loop_scope="module")  # as its server

WRITTEN_ANSWER = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]
TYPES: TypeAdapter[RealtimeServerEvent] = TypeAdapter(RealtimeServerEvent)
WEATHER: Json = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}


async def test_a_session_of_text_is_answered_in_text_alone(connection: Connection) -> None:
    await connection.send({"type": "session.update", "session": {"type": "realtime", "output_modalities": ["text"]}})
    assert (await connection.next("session.updated"))["session"]["output_modalities"] == ["text"]
    await connection.feed(recorded("interruption-3.wav"))
    await connection.until("conversation.item.done")
    events = await connection.until("rate_limits.updated")
    assert order(events) == WRITTEN_ANSWER
    assert [TYPES.validate_python(event).type for event in events] == [event["type"] for event in events]
    assert of(events, "response.content_part.added")[0]["part"] == {"type": "text", "text": ""}
    assert "".join(event["delta"] for event in of(events, "response.output_text.delta")) == WORDS
    assert of(events, "response.output_text.done")[0]["text"] == WORDS
    done = of(events, "response.done")[0]["response"]
    assert (done["output_modalities"], done["status"]) == (["text"], "completed")
    assert done["output"][0]["content"] == [{"type": "output_text", "text": WORDS}]
    assert done["usage"]["output_token_details"] == {"text_tokens": 5, "audio_tokens": 0}
    truncate = {"type": "conversation.item.truncate", "item_id": done["output"][0]["id"], "content_index": 0}
    assert (await connection.refused({**truncate, "audio_end_ms": 0}))["code"] == "unsupported_content_type"


async def test_one_response_can_be_text_and_the_next_is_spoken_again(connection: Connection) -> None:
    assert order(await connection.answer(output_modalities=["text"])) == WRITTEN_ANSWER
    events = await connection.answer()
    assert (text(events), len(audio(events)) > 0) == (WORDS, True)


async def test_a_spoken_response_ends_where_its_tokens_do(
    connection: Connection, session: RealtimeSession, sim: RealtimeSimulator
) -> None:
    sim.respond = lambda said, items: LONG
    events = await connection.answer(max_output_tokens=60)
    done = of(events, "response.done")[0]["response"]
    assert (done["status"], done["max_output_tokens"]) == ("incomplete", 60)
    assert done["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
    assert done["output"][0]["status"] == "incomplete"
    assert done["usage"]["output_tokens"] == 60
    assert LONG.startswith(text(events))
    assert len(text(events)) < len(LONG)
    item = session.items[done["output"][0]["id"]]
    assert 0 < item.ms < 60 * 50
    assert len(audio(events)) == pytest.approx(item.ms * 48)
    assert item.heard() == "" or LONG.startswith(item.heard())
    assert [TYPES.validate_python(event).type for event in events] == [event["type"] for event in events]


async def test_written_responses_and_tool_calls_have_a_limit_too(
    connection: Connection, sim: RealtimeSimulator
) -> None:
    written = of(await connection.answer(output_modalities=["text"], max_output_tokens=2), "response.done")[0]
    assert written["response"]["output"][0]["content"] == [{"type": "output_text", "text": "One two"}]
    assert written["response"]["status"] == "incomplete"
    sim.respond = lambda said, items: [ServedToolCall("weather", '{"city": "Oslo"}')]
    events = await connection.answer(max_output_tokens=3)
    [call] = of(events, "response.done")[0]["response"]["output"]
    assert (call["status"], of(events, "response.function_call_arguments.done")) == ("incomplete", [])


async def test_the_limit_of_the_session_holds_for_every_response(connection: Connection) -> None:
    await connection.send({"type": "session.update", "session": {"type": "realtime", "max_output_tokens": 2}})
    await connection.next("session.updated")
    assert of(await connection.answer(), "response.done")[0]["response"]["status"] == "incomplete"
    assert of(await connection.answer(max_output_tokens="inf"), "response.done")[0]["response"]["status"] == "completed"


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcma"])
async def test_the_format_of_one_response_is_its_own(
    connection: Connection, session: RealtimeSession, kind: str
) -> None:
    events = await connection.answer(audio={"output": {"format": {"type": kind}}})
    done = of(events, "response.done")[0]["response"]
    assert done["audio"]["output"]["format"] == {"type": kind}
    item = session.items[done["output"][0]["id"]]
    assert len(audio(events)) == pytest.approx(item.ms * 8)
    samples = (from_mulaw if kind == "audio/pcmu" else from_alaw)(audio(events))
    assert item.pcm is not None
    error = np.abs(samples.astype(int) - item.pcm.samples[: len(samples)])
    assert error.max() <= 0.04 * np.abs(samples.astype(int)).max() + 16
    following = await connection.answer()
    assert of(following, "response.done")[0]["response"]["audio"]["output"]["format"]["type"] == "audio/pcm"


async def test_another_voice_sounds_otherwise_and_is_fixed_once_it_was_heard(connection: Connection) -> None:
    beside: Json = {"conversation": "none", "input": []}
    alloy = audio(await connection.answer(**beside))
    events = await connection.answer(**beside, audio={"output": {"voice": "cedar"}})
    assert of(events, "response.created")[0]["response"]["audio"]["output"]["voice"] == "cedar"
    assert audio(events) != alloy
    await connection.answer()
    update = {"type": "realtime", "audio": {"output": {"voice": "cedar"}}}
    asked = {"audio": {"output": {"voice": "cedar"}}}
    for event in ({"type": "session.update", "session": update}, {"type": "response.create", "response": asked}):
        error = await connection.refused(event)
        assert (error["code"], error["param"]) == ("cannot_update_voice", None)
        assert error["message"] == "Cannot update a conversation's voice if assistant audio is present."
    await connection.send(
        {"type": "session.update", "session": {"type": "realtime", "audio": {"output": {"voice": "alloy"}}}}
    )
    await connection.next("session.updated")  # the same voice is no change


async def test_text_leaves_the_voice_free(connection: Connection) -> None:
    await connection.answer(output_modalities=["text"])
    await connection.send(
        {"type": "session.update", "session": {"type": "realtime", "audio": {"output": {"voice": "cedar"}}}}
    )
    assert (await connection.next("session.updated"))["session"]["audio"]["output"]["voice"] == "cedar"


async def test_speed_makes_the_same_words_longer_or_shorter(connection: Connection) -> None:
    lengths = []
    for speed in (0.5, 1.0, 1.5):
        await connection.send(
            {"type": "session.update", "session": {"type": "realtime", "audio": {"output": {"speed": speed}}}}
        )
        await connection.next("session.updated")
        lengths.append(len(audio(await connection.answer())))
    # espeak-ng keeps something of the line before, which changes a line's length by 1 % and more.
    assert lengths[0] == pytest.approx(2 * lengths[1], rel=0.03)
    assert lengths[2] == pytest.approx(lengths[1] / 1.5, rel=0.03)


async def test_tool_choice_forbids_and_forces_calls(connection: Connection, sim: RealtimeSimulator) -> None:
    def kinds(events: list[Json]) -> list[tuple[str, object]]:
        return [(item["type"], item.get("name")) for item in of(events, "response.done")[0]["response"]["output"]]

    forced = {"type": "function", "name": "weather"}
    assert kinds(await connection.answer(tools=[WEATHER], tool_choice=forced)) == [("function_call", "weather")]
    assert kinds(await connection.answer(tools=[WEATHER], tool_choice="required")) == [("function_call", "weather")]
    sim.respond = lambda said, items: ["Let me see.", ServedToolCall("weather")]
    assert kinds(await connection.answer(tools=[WEATHER], tool_choice="none")) == [("message", None)]


async def test_a_call_on_demand_comes_once_and_its_result_is_spoken_of(
    connection: Connection, sim: RealtimeSimulator
) -> None:
    sim.respond = None
    sim.tool_calls.append(ServedToolCall("weather", '{"city": "Oslo"}'))
    [called] = of(await connection.answer(), "response.done")[0]["response"]["output"]
    assert (called["name"], called["arguments"]) == ("weather", '{"city": "Oslo"}')
    output = {"type": "function_call_output", "call_id": called["call_id"], "output": "sunny"}
    await connection.send({"type": "conversation.item.create", "item": output})
    assert text(await connection.answer()) == "The tool says: sunny"
    assert text(await connection.answer()).startswith("Hello, I am")


async def test_audio_that_is_sent_as_an_item_is_heard(connection: Connection, sim: RealtimeSimulator) -> None:
    sim.respond = lambda said, items: f"You said {said}"
    sim.script.clear()
    sim.script.append("good morning")
    part = {"type": "input_audio", "audio": base64.b64encode(recorded("interruption-3.wav")).decode()}
    item = {"type": "message", "role": "user", "content": [part]}
    await connection.send({"type": "conversation.item.create", "item": item})
    confirmed = (await connection.next("conversation.item.done"))["item"]
    assert confirmed["content"] == [{"type": "input_audio"}]
    assert text(await connection.answer()) == "You said good morning"
