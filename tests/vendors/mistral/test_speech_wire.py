"""Mistral's speech on the wire: our messages and the simulator's, by the SDK's types and client."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import deque
from typing import Any

import httpx
from fastapi import FastAPI
from mistralai.client import Mistral
from mistralai.client.models import (
    RealtimeSpeechError,
    RealtimeSpeechInputTextAppend,
    RealtimeSpeechInputTextFlush,
    RealtimeSpeechSessionCreated,
    RealtimeSpeechSessionUpdated,
    RealtimeSpeechSessionUpdateMessage,
    SpeechStreamAudioDelta,
    SpeechStreamDone,
)
from mistralai.extra.realtime.speech import RealtimeSpeech, audio_bytes
from websockets.asyncio.client import connect

from bargein_simulators.mistral_speech import MistralSpeechSimulator, add_mistral_speech, encoder, mistral_speech_app
from bargein_simulators.simulated_tts import Fault
from tests.simulators.serving import serving
from tests.vendors.mistral.speech_kit import (
    ASKED,
    DELTA,
    DONE,
    KEY,
    Noise,
    Vendor,
    scripted,
)
from tests.vendors.timed import pieces, spoken


async def test_what_we_send_is_what_the_vendors_types_say() -> None:
    vendor = Vendor(DELTA, DONE)
    async with scripted(vendor) as voice:
        await spoken(voice, "Hello there. ", "Hello again.")
    types = (RealtimeSpeechSessionUpdateMessage, RealtimeSpeechInputTextAppend, RealtimeSpeechInputTextFlush)
    by_name: dict[str, Any] = {t.model_fields["type"].default: t for t in types}
    assert [by_name[told["type"]].model_validate(told).model_dump() for told in vendor.told] == vendor.told
    assert [told["type"] for told in vendor.told] == ["session.update"] + 2 * ["input_text.append", "input_text.flush"]
    assert "".join(told.get("text", "") for told in vendor.told) == "Hello there. Hello again."


async def test_what_the_simulator_sends_is_what_the_vendors_types_say() -> None:
    types = (
        RealtimeSpeechSessionCreated,
        RealtimeSpeechSessionUpdated,
        RealtimeSpeechError,
        SpeechStreamAudioDelta,
        SpeechStreamDone,
    )
    by_name: dict[str, Any] = {t.model_fields["type"].default: t for t in types}
    messages: list[dict[str, Any]] = [
        {"type": "session.update", "session": {"voice": "v", "response_format": "pcm"}},
        {"type": "input_text.append", "text": "Hello "},
        {"type": "input_text.flush", "text": "there."},
        {"type": "input_text.cancel"},
    ]
    sim = MistralSpeechSimulator(speech=Noise())
    seen: set[str] = set()
    async with asyncio.timeout(10), serving(mistral_speech_app(sim), ws=True) as url:
        async with connect(url.replace("http", "ws") + "/v1/audio/speech/realtime?model=m") as socket:
            for message in messages:
                await socket.send(json.dumps(message))
            while seen != set(by_name):
                told = json.loads(await socket.recv())
                by_name[told["type"]].model_validate(told)
                seen.add(told["type"])
        assert [spoke.text for spoke in sim.spoke] == ["Hello there."]
        await sim.speech.aclose()


def requests(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://mistral")


async def test_the_vendors_own_client_hears_the_same_over_every_wire() -> None:
    sim = MistralSpeechSimulator(api_key=KEY, speech=Noise())
    fields: dict[str, Any] = {"model": "voxtral-mini-tts-3-0", "voice_id": "v", "response_format": "pcm"}
    async with asyncio.timeout(10), serving(mistral_speech_app(sim), ws=True) as url:
        async with Mistral(api_key=KEY, server_url=url) as client:
            whole = await client.audio.speech.complete_async(input="Hello there.", **fields)
            heard = [base64.b64decode(whole.audio_data), b"", b""]
            async with await client.audio.speech.complete_async(input="Hello there.", stream=True, **fields) as events:
                async for event in events:
                    if isinstance(event.data, SpeechStreamAudioDelta):
                        heard[1] += audio_bytes(event.data)
            live = RealtimeSpeech(client.sdk_configuration).speak_stream(pieces("Hello ", "there."), **fields)
            async for told in live:
                if isinstance(told, SpeechStreamAudioDelta):
                    heard[2] += audio_bytes(told)
        assert heard == 3 * [encoder("pcm").push((await sim.speech.say("Hello there.", 24_000)).pcm.samples)]
        assert [spoke.ended for spoke in sim.spoke] == 3 * ["completed"]


async def test_the_http_route_is_there_only_if_it_is_asked_for() -> None:
    for http in (False, True):
        app = FastAPI()
        add_mistral_speech(app, MistralSpeechSimulator(speech=Noise()), http=http)
        async with requests(app) as client:
            assert (await client.post("/v1/audio/speech", json=ASKED)).status_code == (200 if http else 404)


async def test_http_has_faults_too() -> None:
    faults: dict[Fault, int] = {"401": 401, "429": 429, "garbage": 502, "drop": 502}
    sim = MistralSpeechSimulator(speech=Noise(), faults=deque(faults), voices=("gb_jane_neutral",))
    async with requests(mistral_speech_app(sim)) as client:
        for fault, status in faults.items():
            answer = await client.post("/v1/audio/speech", json={**ASKED, "voice_id": "gb_jane_neutral"})
            assert answer.status_code == status, fault
        assert (await client.post("/v1/audio/speech", json={**ASKED, "voice_id": "nobody"})).status_code == 404
