"""Mistral's speech for tests: the simulator, and a server that gives any messages."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from websockets.asyncio.server import ServerConnection, serve

from bargein.audio.pcm import Pcm
from bargein.vendors.mistral.speech import MistralSpeech
from bargein_simulators.mistral_speech import MistralSpeechSimulator, mistral_speech_app
from bargein_simulators.simulated_tts import Fault
from bargein_simulators.speech import SimulatedSpeech, SynthesizedText
from tests.simulators.serving import serving
from tests.vendors.timed import TEXT

KEY = "secret-key"
DELTA = {"type": "speech.audio.delta", "audio_data": base64.b64encode(bytes(4_800)).decode()}
DONE = {"type": "speech.audio.done", "usage": {}}
ASKED = {"input": TEXT, "response_format": "pcm"}


class Noise(SimulatedSpeech):
    """Sounds at once, and the same for the same text: espeak takes its time to start."""

    async def say(self, text: str, rate: int = 24_000) -> SynthesizedText:
        noise = np.random.default_rng(list(text.encode())).integers(-32_768, 32_767, len(text) * rate // 50, np.int16)
        return SynthesizedText(text, Pcm(noise, rate), ())


@asynccontextmanager
async def simulated(speech: SimulatedSpeech | None = None) -> AsyncIterator[tuple[str, MistralSpeechSimulator]]:
    """Where it is, and the simulator."""
    sim = MistralSpeechSimulator(api_key=KEY, speech=speech or Noise())
    async with serving(mistral_speech_app(sim), ws=True) as url:
        yield url, sim
    await sim.speech.aclose()


@asynccontextmanager
async def speaking(
    url: str, *, api_key: str = KEY, timeout_s: float = 2.0, **more: str
) -> AsyncIterator[MistralSpeech]:
    voice = MistralSpeech(api_key=api_key, base_url=url, timeout_s=timeout_s, **more)
    try:
        yield voice
    finally:
        await voice.aclose()


@asynccontextmanager
async def mistral(
    *faults: Fault, speech: SimulatedSpeech | None = None, **more: Any
) -> AsyncIterator[tuple[MistralSpeech, MistralSpeechSimulator]]:
    async with simulated(speech) as (url, sim), speaking(url, **more) as voice:
        sim.faults.extend(faults)
        yield voice, sim


class Vendor:
    """Opens sessions as it should, and to a flush gives these messages: text as it is, or JSON. told: what came;
    flushed, gone: a flush has come, the client has closed."""

    def __init__(self, *answers: object) -> None:
        self.answers = answers
        self.told: list[dict[str, Any]] = []
        self.flushed, self.gone = asyncio.Event(), asyncio.Event()

    async def take(self, socket: ServerConnection) -> None:
        await socket.send(json.dumps({"type": "session.created", "session": {}}))
        async for message in socket:
            self.told.append(json.loads(message))
            told = self.told[-1]["type"]
            if told == "session.update":
                await socket.send(json.dumps({"type": "session.updated", "session": {}}))
            if told == "input_text.flush":
                self.flushed.set()
                for answer in self.answers:
                    await socket.send(answer if isinstance(answer, str) else json.dumps(answer))
        self.gone.set()


@asynccontextmanager
async def scripted(vendor: Vendor, timeout_s: float = 2.0) -> AsyncIterator[MistralSpeech]:
    async with (
        serve(vendor.take, "127.0.0.1", 0) as server,
        speaking(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout_s=timeout_s) as voice,
    ):
        yield voice
