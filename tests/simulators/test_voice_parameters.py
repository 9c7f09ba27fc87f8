"""Voices refuse what their vendors refuse: wrong kinds and values are never spoken, and never met with silence."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from bargein_simulators.deepgram_speak import SpeakSimulator, add_speak
from bargein_simulators.elevenlabs import ElevenLabsSimulator, add_elevenlabs
from bargein_simulators.mistral_speech import MistralSpeechSimulator, add_mistral_speech
from bargein_simulators.openai_speech import SpeechSimulator, speech_app
from tests.simulators.serving import serving

GROQ = "canopylabs/orpheus-v1-english"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"voice": "bob"}, "Supported values are: 'alloy'"),
        ({"model": "tts-1", "voice": "hannah"}, "Supported values are: 'alloy'"),
        ({"input": ""}, "input"),
        ({"model": GROQ, "voice": "alloy", "response_format": "wav"}, "voice must be one of [autumn"),
    ],
)
async def test_a_voice_that_the_vendor_does_not_have_and_no_text_are_refused(given: dict[str, Any], said: str) -> None:
    async with serving(speech_app(SpeechSimulator())) as url, httpx.AsyncClient(base_url=url) as client:
        whole = {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "Hi.", **given}
        answer = await client.post("/v1/audio/speech", json=whole)
        assert answer.status_code == 400
        assert said in answer.json()["error"]["message"]


async def test_wrong_messages_are_answered_with_what_is_wrong_in_them() -> None:
    app = FastAPI()
    add_elevenlabs(app, ElevenLabsSimulator())
    add_mistral_speech(app, MistralSpeechSimulator())
    add_speak(app, SpeakSimulator())
    eleven = "/v1/text-to-speech/v/multi-stream-input?model_id=eleven_flash_v2_5"
    mistral, aura = "/v1/audio/speech/realtime?model=voxtral-mini-tts-3-0", "/v1/speak?model=aura-2-thalia-en"
    cases: list[tuple[str, dict[str, Any], str]] = [
        (eleven, {"text": 5, "context_id": "a"}, "Invalid text"),
        (eleven, {"text": " ", "context_id": "a", "voice_settings": {"stability": 2}}, "voice_settings.stability"),
        (eleven, {"text": " ", "context_id": "a", "voice_settings": {"style": -1}}, "voice_settings.style"),
        (f"{eleven}&apply_text_normalization=maybe", {"text": " "}, "apply_text_normalization"),
        (mistral, {"type": "session.update", "session": {"streaming_mode": "fast"}}, "'long_form'"),
        (mistral, {"type": "input_text.append", "text": 5}, "Invalid text"),
        (mistral, {"type": "input_text.append"}, "Invalid text"),
        (aura, {"type": "Speak"}, "Speak needs a text"),
        (aura, {"type": "Speak", "text": ["Hi."]}, "Speak needs a text"),
    ]
    async with serving(app, ws=True) as url:
        for path, message, said in cases:
            async with connect(url.replace("http", "ws") + path) as wire:
                with suppress(ConnectionClosed):  # refused by its query, and told why before
                    await wire.send(json.dumps(message))
                while said not in str(await wire.recv()):
                    pass
