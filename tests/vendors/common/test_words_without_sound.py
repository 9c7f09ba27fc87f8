"""Words for which a vendor gives no sound were not spoken, wherever in a reply they stand; and what is no sound is not
played."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import Response
from websockets.asyncio.server import ServerConnection, serve

from bargein.errors import VendorLost
from bargein.protocols import TTS, SpeechChunk
from bargein.vendors.cartesia.speech import CartesiaSpeech
from bargein.vendors.common.speech_requests import pcm16_or_wav
from bargein.vendors.deepgram.aura import DeepgramAura
from bargein.vendors.elevenlabs.speech import ElevenLabsSpeech
from bargein.vendors.groq.speech import GroqSpeech
from bargein.vendors.openai.speech import OpenAISpeech
from bargein_simulators.audio_formats import wav_header
from tests.simulators.serving import serving
from tests.vendors.common.test_contexts import Answer, cartesia, elevenlabs
from tests.vendors.timed import pieces, spoken

FIRST, SECOND = "This is the first sentence. ", "And this one is the second."
SOUND = np.arange(4_800, dtype="<i2").tobytes()
OTHERS = {
    "nothing": Response(b"", media_type="audio/pcm"),
    "an error as JSON": Response(b'{"error": "no such voice, but with status 200"}', media_type="application/json"),
    "a page": Response(b"<html>" + b"sign in here " * 100, media_type="text/html"),
    "an MP3": Response(b"\xff\xfb\x90\x64" + b"\0" * 4_000, media_type="audio/mpeg"),
    "a tagged MP3": Response(b"ID3\x04" + b"\0" * 4_000, media_type="audio/mpeg"),
    "Ogg": Response(b"OggS" + b"\0" * 4_000, media_type="audio/ogg"),
    "a WAV of another rate": Response(wav_header(16_000) + SOUND, media_type="audio/wav"),
}


@asynccontextmanager
async def http_voice(make: Callable[..., TTS], answer: Callable[[str], Response]) -> AsyncIterator[TTS]:
    app = FastAPI(openapi_url=None)

    @app.post("/v1/audio/speech")
    async def speech(request: Request) -> Response:
        return answer((await request.json())["input"])

    async with serving(app) as url:
        voice = make(api_key="key", base_url=f"{url}/v1")
        try:
            yield voice
        finally:
            await voice.aclose()  # type: ignore[attr-defined]


@pytest.mark.parametrize("other", OTHERS)
async def test_what_is_no_sound_is_an_error_and_no_noise(other: str) -> None:
    async with http_voice(OpenAISpeech, lambda _: OTHERS[other]) as voice:
        with pytest.raises(VendorLost):
            await spoken(voice, FIRST)


async def test_a_wav_is_read_where_pcm_was_asked_for() -> None:
    async with http_voice(
        OpenAISpeech, lambda _: Response(wav_header(24_000) + SOUND, media_type="audio/wav")
    ) as voice:
        assert b"".join(chunk.pcm.samples.tobytes() for chunk in await spoken(voice, FIRST)) == SOUND
    decode = pcm16_or_wav(24_000)()
    assert b"".join(decode(bytes([byte])).tobytes() for byte in SOUND) == SOUND


async def heard_before_loss(voice: TTS, *parts: str) -> str:
    """The text that came with sound, or before any that was lost."""
    chunks: list[SpeechChunk] = []

    async def speak() -> None:
        async for chunk in voice.speak(pieces(*parts)):
            chunks.append(chunk)  # what came before the loss is wanted

    with pytest.raises(VendorLost):
        await speak()
    return "".join(chunk.text for chunk in chunks)


@pytest.mark.parametrize("make", [OpenAISpeech, GroqSpeech])
async def test_a_second_clause_without_sound_is_lost(make: Callable[..., TTS]) -> None:
    head = wav_header(24_000) if make is GroqSpeech else b""

    async with http_voice(make, lambda text: Response(head + (SOUND if text.startswith("This") else b""))) as voice:
        assert await heard_before_loss(voice, FIRST, SECOND) == FIRST


async def test_a_second_group_that_aura_flushes_without_sound_is_lost() -> None:
    async def handle(socket: ServerConnection) -> None:
        flushed = 0
        async for message in socket:
            if json.loads(message)["type"] == "Flush":
                if not flushed:
                    await socket.send(SOUND)
                await socket.send(json.dumps({"type": "Flushed", "sequence_id": flushed}))
                flushed += 1

    async with serve(handle, "127.0.0.1", 0) as server:
        voice = DeepgramAura(api_key="key", base_url=f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        try:
            assert await heard_before_loss(voice, FIRST, SECOND) == FIRST
        finally:
            await voice.aclose()


@pytest.mark.parametrize("answer", [elevenlabs, cartesia], ids=lambda a: a.__name__)
@pytest.mark.parametrize("timed", [True, False])
async def test_a_context_that_ends_before_its_words_is_lost(answer: Answer, timed: bool) -> None:
    async def handle(socket: ServerConnection) -> None:
        async for message in socket:
            asked = json.loads(message)
            if asked.get("close_context") or asked.get("continue") is False:
                context = asked["context_id"]
                for said in answer(context, FIRST[:12]):
                    if timed or said.get("type") != "timestamps":
                        await socket.send(json.dumps({**said, "alignment": said.get("alignment") if timed else None}))
                await socket.send(json.dumps({"type": "done", "context_id": context, "isFinal": True}))

    text = FIRST + SECOND * (1 if timed else 9)  # without times: more letters than anybody speaks in 1.2 s
    async with serve(handle, "127.0.0.1", 0) as server:
        make = ElevenLabsSpeech if answer is elevenlabs else CartesiaSpeech
        voice = make(api_key="key", base_url=f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", rate=8_000)
        try:
            assert (await heard_before_loss(voice, text)).strip() == ("This is the" if timed else "")
        finally:
            await voice.aclose()
