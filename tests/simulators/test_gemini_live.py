"""The simulated Gemini Live, driven by Google's own client: both spellings, both kinds of activity, every refusal."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from google.genai import types
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from bargein.audio.resample import resample
from bargein_simulators.chat_wire import ServedToolCall
from bargein_simulators.gemini_live import gemini_live_app
from bargein_simulators.gemini_live_behavior import GeminiLiveSimulator
from tests.simulators.serving import serving
from tests.sounds import load
from tests.vendors.google.kit import live_simulator

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
SETUP: dict[str, Any] = {
    "model": "models/gemini-3.8-live",
    "realtimeInputConfig": {"automaticActivityDetection": {"disabled": True}},
    "tools": [{"functionDeclarations": [{"name": "look"}]}],
}


@asynccontextmanager
async def line(sim: GeminiLiveSimulator, setup: dict[str, Any] | None = None) -> AsyncIterator[ClientConnection]:
    async with serving(gemini_live_app(sim), ws=True) as url:
        async with connect(url.replace("http", "ws") + PATH, close_timeout=0.2) as socket:
            await socket.send(json.dumps({"setup": SETUP if setup is None else setup}))
            yield socket
        await sim.speech.aclose()


async def told(socket: ClientConnection) -> types.LiveServerMessage:
    """The next message: a binary frame, in the SDK's own type."""
    async with asyncio.timeout(8):
        data = await socket.recv(decode=False)
    return types.LiveServerMessage.model_validate(json.loads(data))


async def turn(socket: ClientConnection) -> list[types.LiveServerMessage]:
    """All until the turn is complete."""
    messages: list[types.LiveServerMessage] = []
    while not (messages and messages[-1].server_content and messages[-1].server_content.turn_complete):
        messages.append(await told(socket))
    return messages


def audio(samples: Any) -> dict[str, Any]:
    data = b64encode(samples.tobytes()).decode()
    return {"audio": {"mimeType": "audio/pcm;rate=16000", "data": data}}


@pytest.mark.parametrize("outer", ["realtimeInput", "realtime_input"])
async def test_a_manual_turn_is_answered_in_either_spelling(outer: str) -> None:
    sim = live_simulator()
    async with line(sim) as socket:
        assert (await told(socket)).setup_complete is not None
        whole: list[dict[str, Any]] = [{"activityStart": {}}, audio(np.ones(8_000, np.int16)), {"activityEnd": {}}]
        for given in whole:
            await socket.send(json.dumps({outer: given}))
        contents = [m.server_content for m in await turn(socket) if m.server_content]
        said = "".join(c.output_transcription.text or "" for c in contents if c.output_transcription)
        assert said == "You said what is the first."
        assert sim.sessions[0].activity_ms == [500]
        assert any(content.generation_complete for content in contents)


async def test_automatic_activity_is_found_in_the_audio() -> None:
    sim = live_simulator()
    async with line(sim, {"model": "models/m"}) as socket:
        await told(socket)
        samples = resample(load("interruption-1.wav"), 16_000).samples
        for part in np.array_split(np.concatenate((samples, np.zeros(16_000, np.int16))), 40):
            await socket.send(json.dumps({"realtimeInput": audio(part)}))
        assert await turn(socket)
        assert sim.sessions[0].activity_ms


@pytest.mark.parametrize(
    ("setup", "code"),
    [
        ({"model": "models/m", "voice": "Kore"}, 1007),
        ({"model": "gemini"}, 1008),
        ({"model": "models/m", "sessionResumption": {"handle": "old"}}, 1007),
    ],
)
async def test_a_setup_that_cannot_be_is_refused_by_a_close(setup: dict[str, Any], code: int) -> None:
    async with line(live_simulator(), setup) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            await told(socket)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == code


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"realtimeInput": {"activityEnd": {}}}, 1007),
        ({"realtimeInput": {"sound": {}}}, 1007),
        ({"realtimeInput": {}, "clientContent": {}}, 1007),
        ({"setup": {}}, 1007),
        ({"toolResponse": {"functionResponses": [{"id": "x", "name": "look", "response": {}}]}}, 1008),
        ("no JSON", 1007),
    ],
)
async def test_a_message_that_cannot_be_ends_the_connection(message: Any, code: int) -> None:
    async with line(live_simulator()) as socket:
        await told(socket)
        await socket.send(message if isinstance(message, str) else json.dumps(message))
        with pytest.raises(ConnectionClosed) as closed:
            await told(socket)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == code


async def test_audio_while_a_tool_call_waits_ends_the_connection() -> None:
    sim = live_simulator()
    sim.tool_calls.append(ServedToolCall("look"))
    async with line(sim) as socket:
        await told(socket)
        content = {"turns": [{"role": "user", "parts": [{"text": "hi"}]}], "turnComplete": True}
        await socket.send(json.dumps({"client_content": content}))
        assert (await told(socket)).tool_call is not None
        await socket.send(json.dumps({"realtimeInput": audio(np.ones(160, np.int16))}))
        with pytest.raises(ConnectionClosed):
            await told(socket)
        assert sim.sessions[0].closed == 1008


async def test_an_interruption_ends_the_turn_without_generation_complete() -> None:
    sim = live_simulator(speed=2, respond=lambda *_: "One two three four five six seven eight nine ten.")
    async with line(sim) as socket:
        await told(socket)
        content = {"turns": [{"role": "user", "parts": [{"text": "hi"}]}], "turnComplete": True}
        await socket.send(json.dumps({"clientContent": content}))
        while not ((made := (await told(socket)).server_content) and made.model_turn):
            pass
        await socket.send(json.dumps({"realtimeInput": {"activityStart": {}}}))
        contents = [m.server_content for m in await turn(socket) if m.server_content]
        assert any(content.interrupted for content in contents)
        assert not any(content.generation_complete for content in contents)


async def test_a_connection_is_told_to_go_and_ends_with_its_time() -> None:
    async with line(live_simulator(life_ms=60, go_away_ms=30)) as socket:
        await told(socket)
        going = (await told(socket)).go_away
        assert going is not None
        assert going.time_left == "0.03s"
        with pytest.raises(ConnectionClosed):
            await told(socket)
