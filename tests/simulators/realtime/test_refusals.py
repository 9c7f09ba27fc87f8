"""Parameters that the vendor does not know, or not so: each is refused by its path, and nothing is changed."""

from __future__ import annotations

import openai
import pytest

from bargein_simulators.chat_wire import ServedToolCall
from bargein_simulators.openai_realtime import RealtimeSimulator
from bargein_simulators.realtime_session import RealtimeSession
from tests.simulators.realtime.kit import MODEL, Connection, Json, of

pytestmark = pytest.mark.asyncio(loop_scope="module")  # as its server

VAD = "session.audio.input.turn_detection"
FUNCTION: Json = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}


def turns(**settings: object) -> Json:
    return {"audio": {"input": {"turn_detection": {"type": "server_vad", **settings}}}}


def output(**settings: object) -> Json:
    return {"audio": {"output": settings}}


@pytest.mark.parametrize(
    ("given", "code", "param"),
    [
        ({"voice": "alloy"}, "unknown_parameter", "session.voice"),
        ({"temperature": 0.8}, "unknown_parameter", "session.temperature"),
        ({"modalities": ["text"]}, "unknown_parameter", "session.modalities"),
        ({"turn_detection": None}, "unknown_parameter", "session.turn_detection"),
        ({"input_audio_format": "pcm16"}, "unknown_parameter", "session.input_audio_format"),
        ({"max_response_output_tokens": 9}, "unknown_parameter", "session.max_response_output_tokens"),
        ({"tools": [{**FUNCTION, "meta": 1}]}, "unknown_parameter", "session.tools[0].meta"),
        (turns(thresold=0.5), "unknown_parameter", f"{VAD}.thresold"),
        (turns(threshold=7), "decimal_above_max_value", f"{VAD}.threshold"),
        (turns(threshold=-0.1), "decimal_below_min_value", f"{VAD}.threshold"),
        (turns(threshold="high"), "invalid_type", f"{VAD}.threshold"),
        (turns(silence_duration_ms=-1), "integer_below_min_value", f"{VAD}.silence_duration_ms"),
        (turns(silence_duration_ms=20.5), "invalid_type", f"{VAD}.silence_duration_ms"),
        (turns(idle_timeout_ms=1_000), "integer_below_min_value", f"{VAD}.idle_timeout_ms"),
        (turns(idle_timeout_ms=60_000), "integer_above_max_value", f"{VAD}.idle_timeout_ms"),
        (turns(create_response="yes"), "invalid_type", f"{VAD}.create_response"),
        (turns(type="my_vad"), "invalid_value", f"{VAD}.type"),
        ({"audio": {"input": {"turn_detection": {"threshold": 0.5}}}}, "missing_required_parameter", f"{VAD}.type"),
        (
            {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "threshold": 0.5}}}},
            "unknown_parameter",
            f"{VAD}.threshold",
        ),
        (output(format={"type": "audio/pcm"}), "missing_required_parameter", "session.audio.output.format.rate"),
        (output(format={"type": "audio/pcm", "rate": 8_000}), "invalid_value", "session.audio.output.format.rate"),
        (output(format={"type": "audio/opus"}), "invalid_value", "session.audio.output.format.type"),
        (output(format="pcm16"), "invalid_type", "session.audio.output.format"),
        (output(voice="onyx"), "invalid_value", "session.audio.output.voice"),
        (output(speed=2), "decimal_above_max_value", "session.audio.output.speed"),
        (output(speed=0.1), "decimal_below_min_value", "session.audio.output.speed"),
        ({"output_modalities": ["text", "audio"]}, "invalid_value", "session.output_modalities"),
        ({"max_output_tokens": 0}, "integer_below_min_value", "session.max_output_tokens"),
        ({"max_output_tokens": 5_000}, "integer_above_max_value", "session.max_output_tokens"),
        ({"max_output_tokens": "many"}, "invalid_value", "session.max_output_tokens"),
        ({"instructions": 5}, "invalid_type", "session.instructions"),
        ({"type": "conversation"}, "invalid_value", "session.type"),
        ({"type": "transcription"}, "invalid_parameter", None),
    ],
)
async def test_a_wrong_session_is_refused_by_its_path_and_stays_as_it_was(
    connection: Connection, session: RealtimeSession, given: Json, code: str, param: str | None
) -> None:
    before = session.wire()
    error = await connection.refused({"type": "session.update", "session": {"type": "realtime", **given}})
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)
    assert {**session.wire(), "expires_at": None} == {**before, "expires_at": None}


async def test_the_messages_are_the_vendors(connection: Connection) -> None:
    said = []
    for given in (
        {"instructions": "Be brief.", "voice": "alloy"},
        {"type": "realtime", "voice": "alloy"},
        {"type": "realtime", **turns(threshold=7)},
        {"type": "realtime", "output_modalities": ["text", "audio"]},
        {"type": "transcription"},
        {"type": "realtime", "instructions": ["Be brief."]},
    ):
        said.append((await connection.refused({"type": "session.update", "session": given}))["message"])
    assert said == [
        "Missing required parameter: 'session.type'.",
        "Unknown parameter: 'session.voice'.",
        f"Invalid '{VAD}.threshold': decimal above maximum value. Expected a value <= 1.0, but got 7 instead.",
        "Invalid modalities: ['text', 'audio']. Supported combinations are: ['text'] and ['audio'].",
        "Passing a transcription session update event to a realtime session is not allowed.",
        "Invalid type for 'session.instructions': expected a string, but got an array instead.",
    ]


@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        ({"type": "response.create", "response": {"modalities": ["text"]}}, "unknown_parameter", "response.modalities"),
        (
            {"type": "response.create", "response": {"max_output_tokens": 9_999}},
            "integer_above_max_value",
            "response.max_output_tokens",
        ),
        (
            {"type": "response.create", "response": {"audio": {"output": {"speed": 1.0}}}},
            "unknown_parameter",
            "response.audio.output.speed",
        ),
        (
            {"type": "response.create", "response": {"metadata": {str(k): "" for k in range(17)}}},
            "object_above_max_properties",
            "response.metadata",
        ),
        (
            {"type": "response.create", "response": {"tool_choice": {"type": "function", "name": "none"}}},
            "invalid_value",
            "response.tool_choice",
        ),
        (
            {
                "type": "conversation.item.create",
                "item": {"type": "message", "role": "user", "content": [{"type": "text", "text": "Hello"}]},
            },
            "invalid_value",
            "item.content[0].type",
        ),
        (
            {"type": "conversation.item.create", "item": {"type": "message", "role": "agent", "content": []}},
            "invalid_value",
            "item.role",
        ),
        (
            {"type": "conversation.item.create", "item": {"type": "function_call_output", "call_id": "x"}},
            "missing_required_parameter",
            "item.output",
        ),
        (
            {"type": "conversation.item.truncate", "item_id": "x", "audio_end_ms": 0},
            "missing_required_parameter",
            "content_index",
        ),
        ({"type": "input_audio_buffer.append"}, "missing_required_parameter", "audio"),
        ({"type": "input_audio_buffer.append", "audio": "", "seq": 1}, "unknown_parameter", "seq"),
        ({"type": "response.cancel", "reason": "bored"}, "unknown_parameter", "reason"),
    ],
)
async def test_every_other_event_is_checked_as_well(
    connection: Connection, event: Json, code: str, param: str | None
) -> None:
    error = await connection.refused(event)
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)


async def test_an_event_id_has_a_longest_length(connection: Connection) -> None:
    await connection.send({"type": "response.cancel", "event_id": "x" * 513})
    assert (await connection.next("error"))["error"]["code"] == "string_above_max_length"


async def test_the_output_of_a_call_that_was_not_made_is_refused(
    connection: Connection, sim: RealtimeSimulator
) -> None:
    made: Json = {"type": "function_call_output", "call_id": "call_mine", "output": "sunny"}
    error = await connection.refused({"type": "conversation.item.create", "item": made})
    assert (error["code"], error["param"]) == ("invalid_tool_call_id", None)
    assert error["message"] == "Tool call ID 'call_mine' not found in conversation."
    sim.respond = lambda said, items: [ServedToolCall("weather")]
    [called] = of(await connection.answer(), "response.done")[0]["response"]["output"]
    event = {"type": "conversation.item.create", "item": {**made, "call_id": called["call_id"]}}
    await connection.send(event)
    assert (await connection.next("conversation.item.done"))["item"]["call_id"] == called["call_id"]
    await connection.send({"type": "conversation.item.delete", "item_id": called["id"]})
    assert (await connection.refused(event))["code"] == "invalid_tool_call_id"


async def test_a_call_that_the_client_tells_of_can_have_an_output(connection: Connection) -> None:
    call: Json = {"type": "function_call", "call_id": "call_old", "name": "weather", "arguments": "{}"}
    await connection.send({"type": "conversation.item.create", "item": call})
    await connection.next("conversation.item.done")
    output = {"type": "function_call_output", "call_id": "call_old", "output": "sunny"}
    await connection.send({"type": "conversation.item.create", "item": output})
    assert (await connection.next("conversation.item.done"))["item"]["output"] == "sunny"


async def test_the_beta_is_refused(sdk: openai.AsyncOpenAI) -> None:
    async with sdk.realtime.connect(model=MODEL, extra_headers={"OpenAI-Beta": "realtime=v1"}) as wire:
        connection = Connection(wire)
        assert (await connection.next("error"))["error"]["code"] == "beta_api_shape_disabled"
        assert await connection.closed() == ([], 4000)
    with pytest.raises(openai.BadRequestError, match="Please use /v1/realtime for the GA API"):
        await sdk.post("/realtime/sessions", body={"model": MODEL, "voice": "alloy"}, cast_to=object)


@pytest.mark.parametrize("seconds", [9, 7_201])
async def test_a_key_lives_within_the_vendors_bounds(sdk: openai.AsyncOpenAI, seconds: int) -> None:
    with pytest.raises(openai.BadRequestError, match=r"expires_after\.seconds"):
        await sdk.realtime.client_secrets.create(expires_after={"anchor": "created_at", "seconds": seconds})


async def test_the_sessions_of_keys_are_checked_too(sdk: openai.AsyncOpenAI) -> None:
    wrong: Json = {"type": "realtime", "model": MODEL, "temperature": 0.8}
    with pytest.raises(openai.BadRequestError, match=r"Unknown parameter: 'session\.temperature'"):
        await sdk.realtime.client_secrets.create(session=wrong)  # type: ignore[arg-type]
