"""The simulated voices where a client, or they themselves, are in the wrong."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect

from bargein_simulators.cartesia import CartesiaSimulator, cartesia_app
from bargein_simulators.deepgram_speak import SpeakSimulator, speak_app
from bargein_simulators.elevenlabs import ElevenLabsSimulator, elevenlabs_app
from bargein_simulators.mistral_speech import MistralSpeechSimulator, mistral_speech_app
from bargein_simulators.speech import SimulatedSpeech, SynthesizedText
from tests.simulators.serving import serving

App = Callable[[Any], FastAPI]
MISTRAL = (mistral_speech_app, MistralSpeechSimulator, "/v1/audio/speech/realtime")
AURA = (speak_app, SpeakSimulator, "/v1/speak")
CARTESIA = (cartesia_app, CartesiaSimulator, "/tts/websocket")
CARTESIA_REQUEST = {
    "context_id": "1",
    "model_id": "sonic-3",
    "transcript": "Hello.",
    "voice": {"mode": "id", "id": "v"},
    "output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 24_000},
}
ELEVENLABS = (elevenlabs_app, ElevenLabsSimulator, "/v1/text-to-speech/voice/multi-stream-input")


@asynccontextmanager
async def connected(app: FastAPI, path: str) -> AsyncIterator[ClientConnection]:
    async with (
        serving(app, ws=True) as url,
        asyncio.timeout(10),
        connect(url.replace("http", "ws") + path, close_timeout=0.5) as socket,
    ):
        yield socket


async def answer(socket: ClientConnection, *passed: str) -> dict[str, Any]:
    """The next event that is of none of these types."""
    while (told := json.loads(await socket.recv())).get("type") in passed:
        pass
    assert isinstance(told, dict)
    return told


GREETINGS = ("session.created", "session.updated", "Metadata")


@pytest.mark.parametrize("odd", ["{", "[]", b"\x00"])
@pytest.mark.parametrize(
    ("app", "settings", "path", "error"),
    [
        (*MISTRAL, {"type": "error", "error": {"message": "Invalid JSON", "code": 400}}),
        (*AURA, {"type": "Warning", "code": "INVALID_JSON"}),
        (*CARTESIA, {"type": "error", "error_code": "invalid_request", "status_code": 400}),
        (*ELEVENLABS, {"error": "invalid_message", "code": 1008}),
    ],
)
async def test_what_is_no_message_is_answered_with_the_vendors_own_error(
    app: App, settings: Callable[[], object], path: str, error: dict[str, Any], odd: str | bytes
) -> None:
    async with connected(app(settings()), path) as socket:
        await socket.send(odd)
        told = await answer(socket, *GREETINGS)
    assert {name: told[name] for name in error} == error


@pytest.mark.parametrize(
    ("app", "settings", "path", "odd"),
    [
        (*MISTRAL, {"type": "session.update", "session": "pcm"}),
        (*CARTESIA, {"transcript": "Hello."}),
        (*CARTESIA, {"context_id": "1", "transcript": "Hello.", "output_format": {}}),
    ],
)
async def test_messages_without_what_they_need_are_errors_too(
    app: App, settings: Callable[[], object], path: str, odd: dict[str, Any]
) -> None:
    async with connected(app(settings()), path) as socket:
        await socket.send(json.dumps(odd))
        assert (await answer(socket, *GREETINGS))["type"] == "error"


class Broken(SimulatedSpeech):
    """A defect of our own."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    async def say(self, text: str, rate: int = 24_000) -> SynthesizedText:
        self.asked.set()
        raise LookupError("ours")


@pytest.mark.parametrize(
    ("app", "settings", "path", "messages"),
    [
        (
            *MISTRAL,
            [
                {"type": "session.update", "session": {"response_format": "pcm"}},
                {"type": "input_text.append", "text": "Hello."},
                {"type": "input_text.flush"},
            ],
        ),
        (*AURA, [{"type": "Speak", "text": "Hello."}, {"type": "Flush"}]),
        (*CARTESIA, [CARTESIA_REQUEST]),
        (*ELEVENLABS, [{"context_id": "1", "text": "Hello.", "flush": True}]),
    ],
)
async def test_a_voice_that_fails_says_so_in_the_log(
    app: App,
    settings: Callable[..., object],
    path: str,
    messages: list[dict[str, Any]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    speech = Broken()
    with caplog.at_level(logging.ERROR):
        async with connected(app(settings(speech=speech)), path) as socket:
            for message in messages:
                await socket.send(json.dumps(message))
            await speech.asked.wait()
    logged = [record.exc_info for record in caplog.records if record.name == "bargein_simulators.simulated_tts"]
    assert [info[0] for info in logged if info] == [LookupError]
