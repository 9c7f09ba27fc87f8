"""The simulated vLLM: it generates where there is speech, and refuses what its vendor refuses."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect

from bargein_simulators.simulated_stt import Script
from bargein_simulators.vllm_realtime import MODEL, VLLMRealtimeSimulator, add_vllm_realtime
from tests.simulators.serving import serving
from tests.simulators.test_mistral_realtime import AUDIO, ask


@asynccontextmanager
async def vllm_socket() -> AsyncIterator[ClientConnection]:
    app = FastAPI()
    add_vllm_realtime(
        app, VLLMRealtimeSimulator(words=lambda: Script(["can you help me please"]), delay_ms=0, empty=False)
    )
    async with serving(app, ws=True) as url:
        address = f"{url.replace('http', 'ws')}/v1/realtime"
        async with connect(address, close_timeout=0.5) as socket, asyncio.timeout(10):
            assert json.loads(await socket.recv())["type"] == "session.created"
            yield socket


UPDATE = {"type": "session.update", "model": MODEL}
COMMIT = {"type": "input_audio_buffer.commit"}
APPEND = {"type": "input_audio_buffer.append", "audio": AUDIO}
FINAL = {"type": "input_audio_buffer.commit", "final": True}


async def test_vllm_begins_at_the_first_commit_with_all_the_audio_there_is() -> None:
    async with vllm_socket() as socket:
        # The second time its model is known, and the audio waits for the commit.
        for order in ((UPDATE, COMMIT, APPEND, COMMIT, FINAL), (APPEND, COMMIT, FINAL)):
            for message in order:
                await socket.send(json.dumps(message))
            text = ""
            while (event := json.loads(await socket.recv()))["type"] == "transcription.delta":
                text += event["delta"]
            assert event["type"] == "transcription.done"
            assert event["text"].endswith(text)
            assert text.strip() == "can you help me please"


async def test_vllm_answers_with_errors_in_plain_text_and_goes_on() -> None:
    async with vllm_socket() as socket:
        minute = {"type": "input_audio_buffer.append", "audio": base64.b64encode(bytes(2 * 60 * 16_000)).decode()}
        await socket.send(json.dumps(minute))
        for message, code in (
            (APPEND, "processing_error"),  # too much for what was not begun
            ("{", "invalid_json"),
            ("[]", "processing_error"),
            (COMMIT, "model_not_validated"),
            ({"type": "session.update"}, "invalid_event"),
            ({"type": "session.update", "session": {"model": MODEL}}, "invalid_event"),
            ({"type": "session.update", "model": "other"}, "model_not_found"),
            ({"type": "response.create"}, "unknown_event"),
            ({"type": "input_audio_buffer.append", "audio": ""}, "invalid_audio"),
            ({"type": "input_audio_buffer.append", "audio": "AAA"}, "invalid_audio"),
            ({"type": "input_audio_buffer.append"}, "processing_error"),
        ):
            answer = await ask(socket, message)
            assert (answer["type"], answer["code"]) == ("error", code)
            assert isinstance(answer["error"], str)
