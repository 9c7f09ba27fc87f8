"""How the simulated vendor lets a client in, and how it fails."""

from __future__ import annotations

import json
import time

import openai
import pytest
import pytest_asyncio
from openai.types.realtime.client_secret_create_response import ClientSecretCreateResponse
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from bargein_simulators.openai_realtime import RealtimeSimulator
from bargein_simulators.realtime_behavior import Fault
from bargein_simulators.realtime_session import RealtimeSession
from tests.simulators.realtime.kit import MODEL, READ, SPOKEN_ANSWER, Connection, audio, of, order, recorded, speaking

pytestmark = pytest.mark.asyncio(loop_scope="module")  # as its server


# ----------------------------------------------------------------------------------------------------------------- keys


async def test_a_wrong_key_is_refused(sdk: openai.AsyncOpenAI) -> None:
    stranger = sdk.with_options(api_key="wrong")
    with pytest.raises(InvalidStatus) as refused:
        await stranger.realtime.connect(model=MODEL).enter()
    assert refused.value.response.status_code == 401
    with pytest.raises(openai.AuthenticationError):
        await stranger.realtime.client_secrets.create()
    with pytest.raises(openai.AuthenticationError):
        await stranger.realtime.calls.create(sdp="v=0")
    with pytest.raises(openai.AuthenticationError):
        await stranger.realtime.calls.hangup("rtc_none")


@pytest_asyncio.fixture(loop_scope="module")
async def secret(sdk: openai.AsyncOpenAI) -> ClientSecretCreateResponse:
    """An ephemeral key, and the session that it is for."""
    return await sdk.realtime.client_secrets.create(
        session={"type": "realtime", "model": MODEL, "instructions": "Be brief."}
    )


async def test_an_ephemeral_key_comes_with_its_whole_session(secret: ClientSecretCreateResponse) -> None:
    assert secret.value.startswith("ek_")
    assert 500 < secret.expires_at - time.time() <= 600
    ClientSecretCreateResponse.model_validate(secret.to_dict())
    assert secret.session.type == "realtime"
    assert (secret.session.instructions, secret.session.output_modalities) == ("Be brief.", ["audio"])


async def test_a_browser_connects_with_the_ephemeral_key_as_a_subprotocol(
    url: str, secret: ClientSecretCreateResponse
) -> None:
    offered = [Subprotocol("realtime"), Subprotocol(f"openai-insecure-api-key.{secret.value}")]
    async with connect(f"{url.replace('http', 'ws')}/v1/realtime?model={MODEL}", subprotocols=offered) as socket:
        assert socket.subprotocol == "realtime"
        created = json.loads(await socket.recv())
    assert (created["type"], created["session"]["instructions"]) == ("session.created", "Be brief.")


async def test_an_ephemeral_key_opens_several_sessions_until_it_is_too_old(
    sdk: openai.AsyncOpenAI, secret: ClientSecretCreateResponse, sim: RealtimeSimulator
) -> None:
    bearer = sdk.with_options(api_key=secret.value)
    for _ in range(2):
        async with bearer.realtime.connect(model=MODEL) as wire:
            assert (await Connection(wire).next("session.created"))["session"]["instructions"] == "Be brief."
    sim.secrets[secret.value] = (time.time() - 1, {})
    with pytest.raises(InvalidStatus):
        await bearer.realtime.connect(model=MODEL).enter()


# --------------------------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize(("fault", "code"), [("rate_limit", "rate_limit_exceeded"), ("fail", "server_error")])
async def test_an_answer_can_fail_and_the_next_one_is_well(
    connection: Connection, sim: RealtimeSimulator, fault: Fault, code: str
) -> None:
    sim.faults.append(fault)
    events = await connection.answer()
    failed = of(events, "response.done")[0]["response"]
    assert (failed["status"], failed["status_details"]["error"]["code"]) == ("failed", code)
    assert not audio(events)
    assert order(await connection.answer()) == SPOKEN_ANSWER


async def test_an_answer_can_never_come_and_the_next_one_is_well(
    connection: Connection, sim: RealtimeSimulator
) -> None:
    sim.faults.append("mute")
    await connection.wire.response.create()
    assert order(await connection.answer()) == SPOKEN_ANSWER


async def test_an_answer_that_was_cancelled_can_be_without_an_end(
    connection: Connection, sim: RealtimeSimulator
) -> None:
    sim.faults.append("no_done")
    await speaking(connection, sim)
    await connection.wire.response.cancel()
    await connection.until("response.output_item.done")
    await connection.wire.input_audio_buffer.clear()
    assert order(await connection.until("input_audio_buffer.cleared")) == ["input_audio_buffer.cleared"]


async def test_a_line_can_drop_in_the_middle_of_an_answer(
    connection: Connection, sim: RealtimeSimulator, session: RealtimeSession
) -> None:
    sim.faults.append("drop")
    await connection.wire.response.create()
    kinds, code = await connection.closed()
    assert code == 1011
    assert kinds.count("response.output_audio.delta") == 3  # of 200 ms
    assert "response.done" not in kinds


async def test_a_line_can_drop_as_the_user_begins_to_speak(connection: Connection, sim: RealtimeSimulator) -> None:
    sim.faults.append("drop_speech")
    await connection.feed(recorded("interruption-3.wav"))
    assert await connection.closed() == (["input_audio_buffer.speech_started"], 1011)


async def test_an_event_can_come_as_garbage_and_the_next_one_is_well(
    connection: Connection, sim: RealtimeSimulator
) -> None:
    sim.faults.append("garbage")
    await connection.wire.input_audio_buffer.clear()
    with pytest.raises(json.JSONDecodeError):
        await connection.next("input_audio_buffer.cleared")
    assert order(await connection.answer()) == SPOKEN_ANSWER


async def test_a_turn_can_go_unread(connection: Connection, sim: RealtimeSimulator) -> None:
    await connection.configure(
        transcription={"model": "gpt-transcribe"}, turn_detection={"type": "server_vad", "create_response": False}
    )
    sim.faults.append("no_transcript")
    await connection.feed(recorded("interruption-3.wav"))
    events = await connection.until(f"{READ}.failed")
    assert events[-1]["item_id"] == events[0]["item_id"]


@pytest.mark.parametrize("fault", ["401", "404", "429", "500"])
async def test_a_connection_can_be_refused_and_the_next_one_is_well(
    sdk: openai.AsyncOpenAI, sim: RealtimeSimulator, fault: Fault
) -> None:
    sim.faults.append(fault)
    with pytest.raises(InvalidStatus) as refused:
        await sdk.realtime.connect(model=MODEL).enter()
    assert refused.value.response.status_code == int(fault)
    async with sdk.realtime.connect(model=MODEL) as wire:
        await Connection(wire).next("session.created")
