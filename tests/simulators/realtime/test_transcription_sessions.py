"""Sessions that only transcribe, and silence after which the model speaks by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter
from websockets.asyncio.client import connect

from bargein_simulators.openai_realtime import RealtimeSimulator
from bargein_simulators.realtime_session import RealtimeSession
from tests.simulators.realtime.kit import MODEL, READ, Connection, Json, of, order, recorded, speaking, text

pytestmark = pytest.mark.asyncio(loop_scope="module")  # as its server

TYPES: TypeAdapter[RealtimeServerEvent] = TypeAdapter(RealtimeServerEvent)
TRANSCRIPTION: Json = {"type": "transcription", "audio": {"input": {"transcription": {"model": "gpt-transcribe"}}}}


@pytest_asyncio.fixture(loop_scope="module")
async def transcription(sdk: openai.AsyncOpenAI, sim: RealtimeSimulator) -> AsyncIterator[Connection]:
    """A session of the intent, opened as the SDK opens one with a key of its own."""
    secret = await sdk.realtime.client_secrets.create(session=TRANSCRIPTION)  # type: ignore[arg-type]
    client = sdk.with_options(api_key=secret.value)
    async with client.realtime.connect(extra_query={"intent": "transcription"}) as wire:
        yield Connection(wire)


async def test_it_begins_with_a_session_that_has_no_model(transcription: Connection) -> None:
    session = (await transcription.next("session.created"))["session"]
    assert (session["type"], session["object"]) == ("transcription", "realtime.transcription_session")
    assert session["audio"]["input"]["transcription"] == {"model": "gpt-transcribe"}
    assert session["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 200,
    }
    assert not {"model", "instructions", "output_modalities", "tools"} & session.keys()
    assert "output" not in session["audio"]


async def test_a_turn_is_transcribed_and_nothing_answers(transcription: Connection, sim: RealtimeSimulator) -> None:
    await transcription.feed(recorded("interruption-3.wav"))
    await transcription.feed(recorded("interruption-3.wav"))
    events = await transcription.until(f"{READ}.completed") + await transcription.until(f"{READ}.completed")
    turn = [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    rest = [kind for kind in order(events) if kind not in ("session.created", f"{READ}.completed")]
    assert rest == turn * 2
    assert [event["transcript"] for event in of(events, f"{READ}.completed")] == list(sim.script)[-2:]
    assert [TYPES.validate_python(event).type for event in events] == [event["type"] for event in events]


@pytest.mark.parametrize("kind", ["response.create", "response.cancel", "output_audio_buffer.clear"])
async def test_it_has_no_responses(transcription: Connection, kind: str) -> None:
    error = await transcription.refused({"type": kind})
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", "invalid_value", "type")
    assert error["message"].startswith(f"Invalid value: '{kind}'. Supported values are: 'session.update', ")


@pytest.mark.parametrize(
    ("given", "code", "param"),
    [
        ({"type": "transcription", "instructions": "x"}, "unknown_parameter", "session.instructions"),
        ({"type": "transcription", "audio": {"output": {}}}, "unknown_parameter", "session.audio.output"),
        ({"type": "realtime"}, "invalid_parameter", None),
        (
            {
                "type": "transcription",
                "audio": {
                    "input": {
                        "transcription": {"model": "gpt-realtime-whisper"},
                        "turn_detection": {"type": "server_vad"},
                    }
                },
            },
            "invalid_value",
            "session.audio.input.turn_detection",
        ),
    ],
)
async def test_it_takes_the_parameters_of_a_transcription_alone(
    transcription: Connection, given: Json, code: str, param: str | None
) -> None:
    error = await transcription.refused({"type": "session.update", "session": given})
    assert (error["code"], error["param"]) == (code, param)


async def test_a_model_in_the_address_and_the_intent_do_not_go_together(
    sdk: openai.AsyncOpenAI,
) -> None:
    more: Any = {"extra_query": {"intent": "transcription"}}
    async with sdk.realtime.connect(model=MODEL, **more) as wire:
        connection = Connection(wire)
        error = (await connection.next("error"))["error"]
        assert (error["code"], error["param"]) == ("invalid_model", None)
        assert error["message"] == "You must not provide a model parameter for transcription sessions."
        assert await connection.closed() == ([], 4000)


async def test_a_model_that_only_transcribes_has_no_conversation(sdk: openai.AsyncOpenAI) -> None:
    async with sdk.realtime.connect(model="gpt-4o-transcribe") as wire:
        error = (await Connection(wire).next("error"))["error"]
    assert error["code"] == "invalid_model"


async def test_a_session_of_the_intent_needs_no_key_of_its_own(url: str) -> None:
    address = url.replace("http", "ws") + "/v1/realtime?intent=transcription"
    async with connect(address, additional_headers={"Authorization": "Bearer k"}) as socket:
        assert '"type": "transcription"' in str(await socket.recv())


async def test_a_streaming_model_sends_words_before_the_client_ends_the_turn(
    transcription: Connection, sim: RealtimeSimulator
) -> None:
    whisper = {"type": "transcription", "audio": {"input": {"transcription": {"model": "gpt-realtime-whisper"}}}}
    await transcription.send({"type": "session.update", "session": whisper})
    session = (await transcription.next("session.updated"))["session"]
    assert session["audio"]["input"]["turn_detection"] is None
    first = sim.script[0]
    await transcription.feed(recorded("interruption-3.wav"), 960)
    events = await transcription.until(f"{READ}.delta")
    assert [event["type"] for event in events] == [f"{READ}.delta"]
    assert first.startswith(events[-1]["delta"])
    await transcription.wire.input_audio_buffer.commit()
    completed = await transcription.next(f"{READ}.completed")
    assert (completed["item_id"], completed["transcript"]) == (events[-1]["item_id"], first)


# --------------------------------------------------------------------------------------------------- idle_timeout_ms


async def test_after_a_silence_the_model_speaks_again(
    connection: Connection, session: RealtimeSession, sim: RealtimeSimulator
) -> None:
    sim.least_idle_timeout_ms = 1
    sim.respond = lambda said, items: f"{len(items)}."
    await connection.configure(turn_detection={"type": "server_vad", "idle_timeout_ms": 60})
    await connection.feed(bytes(48 * 500))
    await connection.wire.response.create()
    events = await connection.until("input_audio_buffer.timeout_triggered")
    timeout = events[-1]
    assert (timeout["audio_start_ms"], timeout["audio_end_ms"]) == (500, 500)
    again = await connection.until("rate_limits.updated")
    assert order(again)[:4] == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]
    assert again[0]["item_id"] == timeout["item_id"]
    assert text(again) == "2."  # the first answer, and the silence


async def test_a_user_who_interrupts_and_goes_on_speaking_is_not_silent(
    connection: Connection, sim: RealtimeSimulator
) -> None:
    sim.least_idle_timeout_ms = 1
    await connection.configure(turn_detection={"type": "server_vad", "idle_timeout_ms": 30, "create_response": False})
    await speaking(connection, sim)
    speech = recorded("interruption-3.wav")
    await connection.feed(speech[: 48 * 1_200])  # it is not over
    assert (await connection.next("response.done"))["response"]["status"] == "cancelled"
    await asyncio.sleep(0.1)
    await connection.feed(speech[48 * 1_200 :])
    assert not of(await connection.until("conversation.item.done"), "input_audio_buffer.timeout_triggered")


async def test_speech_within_the_silence_ends_it(connection: Connection, sim: RealtimeSimulator) -> None:
    sim.least_idle_timeout_ms = 1
    turns = {"type": "server_vad", "idle_timeout_ms": 1_500, "create_response": False}
    await connection.configure(turn_detection=turns)
    await connection.answer()
    await connection.feed(recorded("interruption-3.wav"))
    events = await connection.until("conversation.item.done")
    assert not of(events, "input_audio_buffer.timeout_triggered")
    assert not of(events, "response.created")
