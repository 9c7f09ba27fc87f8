"""The simulated session: its configuration, and what is wrong in what a client sends."""

from __future__ import annotations

import json

import openai
import pytest
from websockets.exceptions import InvalidStatus

from bargein_simulators.openai_realtime import RealtimeSimulator
from tests.simulators.realtime.kit import MODEL, SPOKEN_ANSWER, Connection, Json, order

pytestmark = pytest.mark.asyncio(loop_scope="module")  # as its server


# ---------------------------------------------------------------------------------------------------------- the session


async def test_a_session_begins_unasked_with_the_vendors_defaults(sdk: openai.AsyncOpenAI) -> None:
    async with sdk.realtime.connect(model=MODEL) as wire:
        created = (await Connection(wire).until("session.created"))[0]
    event = created["session"]
    assert (event["type"], event["object"], event["model"]) == ("realtime", "realtime.session", MODEL)
    assert event["output_modalities"] == ["audio"]
    assert event["audio"]["input"] == {
        "format": {"type": "audio/pcm", "rate": 24_000},
        "transcription": None,
        "noise_reduction": None,
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 200,
            "idle_timeout_ms": None,
            "create_response": True,
            "interrupt_response": True,
        },
    }


async def test_an_update_changes_what_it_names_and_is_answered_whole(connection: Connection) -> None:
    await connection.wire.session.update(session={"type": "realtime", "instructions": "Be brief."})
    first = (await connection.next("session.updated"))["session"]
    await connection.wire.session.update(session={"type": "realtime", "audio": {"output": {"voice": "marin"}}})
    second = (await connection.next("session.updated"))["session"]
    first["audio"]["output"]["voice"] = "marin"
    assert second == first
    assert (second["instructions"], second["model"]) == ("Be brief.", MODEL)


async def test_what_turn_detection_leaves_out_is_told_with_its_default(connection: Connection) -> None:
    server = await connection.configure(turn_detection={"type": "server_vad", "interrupt_response": False})
    turns = server["audio"]["input"]["turn_detection"]
    assert (turns["silence_duration_ms"], turns["create_response"], turns["interrupt_response"]) == (200, True, False)
    semantic = await connection.configure(turn_detection={"type": "semantic_vad"})
    assert semantic["audio"]["input"]["turn_detection"] == {
        "type": "semantic_vad",
        "eagerness": "auto",
        "create_response": True,
        "interrupt_response": True,
    }
    assert (await connection.configure(turn_detection=None))["audio"]["input"]["turn_detection"] is None


# --------------------------------------------------------------------------------------------------------------- errors


NOT_THERE = {"item_id": "nobody", "content_index": 0}
TYPED = {"id": "item_typed", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "again"}]}
SPOKEN = {"type": "message", "role": "assistant", "content": [{"type": "output_audio", "transcript": "Hello."}]}


@pytest.mark.parametrize(
    ("event", "code", "message"),
    [
        ({"type": "response.cancel"}, "response_cancel_not_active", "Cancellation failed: no active response found"),
        ({"type": "response.cancel", "response_id": "resp_x"}, "response_cancel_not_active", "no active response"),
        ({"type": "input_audio_buffer.commit"}, "input_audio_buffer_commit_empty", "buffer only has 0.00ms of audio"),
        (
            {"type": "conversation.item.truncate", **NOT_THERE, "audio_end_ms": -11},
            "integer_below_min_value",
            "Invalid 'audio_end_ms': integer below minimum value. Expected a value >= 0, but got -11 instead.",
        ),
        (
            {"type": "conversation.item.truncate", **NOT_THERE, "item_id": "item_typed", "audio_end_ms": 0},
            "unsupported_content_type",
            "Only model output audio messages can be truncated",
        ),
        ({"type": "conversation.item.truncate", **NOT_THERE, "audio_end_ms": 0}, None, "nobody"),
        ({"type": "conversation.item.delete", "item_id": "nobody"}, None, "nobody"),
        ({"type": "conversation.item.retrieve", "item_id": "nobody"}, "item_retrieve_invalid_item_id", "nobody"),
        ({"type": "conversation.item.create", "item": TYPED}, "item_create_duplicate_item_id", "item_typed"),
        (
            {"type": "conversation.item.create", "item": SPOKEN},
            "missing_required_parameter",
            "Missing required parameter: 'item.content[0].text'.",
        ),
        ({}, "invalid_event", "The 'type' field is missing."),
        ({"type": "response.clear"}, "invalid_value", "response.clear"),
        ({"type": "response.interrupt"}, "invalid_value", "response.interrupt"),
        ({"type": ["response.create"]}, "invalid_value", "response.create"),
        ({"type": "output_audio_buffer.clear"}, "invalid_value", "WebSocket"),
        ({"type": "input_audio_buffer.append", "audio": "no base64!"}, "invalid_value", "base64"),
        ({"type": "session.update", "session": {"type": "realtime", "model": "another"}}, "invalid_value", "model"),
    ],
)
async def test_what_is_wrong_is_answered_with_its_event_id_and_the_session_goes_on(
    connection: Connection, event: Json, code: str | None, message: str
) -> None:
    await connection.type("hello")
    await connection.send({"event_id": "mine", **event})
    [event] = await connection.until("error")
    error = event["error"]
    assert (error["type"], error["event_id"]) == ("invalid_request_error", "mine")
    assert code in (None, error["code"])  # None: the vendor's name for it is not known
    assert message in error["message"]
    assert order(await connection.answer()) == SPOKEN_ANSWER


async def test_less_than_a_tenth_of_a_second_cannot_be_committed(connection: Connection) -> None:
    await connection.configure(turn_detection=None)
    await connection.feed(bytes(48 * 90))
    await connection.wire.input_audio_buffer.commit()
    error = (await connection.next("error"))["error"]
    assert error["code"] == "input_audio_buffer_commit_empty"
    assert "Expected at least 100ms of audio, but buffer only has" in error["message"]
    await connection.feed(bytes(48 * 15))
    await connection.wire.input_audio_buffer.commit()
    await connection.next("input_audio_buffer.committed")


@pytest.mark.parametrize("wrong", ["{not json", '{"type": "response.cancel", "event_id": NaN}'])
async def test_what_is_no_json_is_an_error_and_no_more(connection: Connection, wrong: str) -> None:
    await connection.wire.send_raw(wrong)
    await connection.next("error")
    assert order(await connection.answer()) == SPOKEN_ANSWER


async def test_a_session_that_is_too_old_says_so_and_closes(sdk: openai.AsyncOpenAI, sim: RealtimeSimulator) -> None:
    sim.faults.append("expire")
    async with sdk.realtime.connect(model=MODEL) as wire:
        connection = Connection(wire)
        error = (await connection.next("error"))["error"]
        assert error["code"] == "session_expired"
        assert error["message"] == "Your session hit the maximum duration of 60 minutes."
        assert await connection.closed() == ([], 1001)


async def test_the_sideband_of_no_call_is_refused(sdk: openai.AsyncOpenAI) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await sdk.realtime.connect(call_id="rtc_none").enter()
    assert refused.value.response.status_code == 404
    error = json.loads(refused.value.response.body or b"")["error"]
    assert (error["code"], error["param"]) == ("call_id_not_found", "")
    assert error["message"] == "No session found for the provided call_id"
    with pytest.raises(openai.NotFoundError, match="No session found"):
        await sdk.realtime.calls.hangup("rtc_none")
