"""Voices on a socket, each with its simulator."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from fastapi import FastAPI

from bargein.protocols import TTS
from bargein.vendors.cartesia.speech import CartesiaSpeech
from bargein.vendors.deepgram.aura import DeepgramAura
from bargein.vendors.elevenlabs.speech import ElevenLabsSpeech
from bargein_simulators.cartesia import CartesiaSimulator, cartesia_app
from bargein_simulators.deepgram_speak import SpeakSimulator, speak_app
from bargein_simulators.elevenlabs import ElevenLabsSimulator, elevenlabs_app
from bargein_simulators.simulated_tts import Fault, TTSSettings
from tests.simulators.serving import serving

KEY = "secret-key"


class Closable(TTS, Protocol):
    async def aclose(self) -> None: ...


V = TypeVar("V", bound=Closable)
S = TypeVar("S", bound=TTSSettings)


@dataclass(frozen=True)
class Vendor(Generic[V, S]):
    """key: the variable of its key."""

    name: str
    key: str
    make: Callable[..., V]
    simulator: Callable[..., S]
    app: Callable[[S], FastAPI]

    @asynccontextmanager
    async def __call__(
        self, *faults: Fault, api_key: str = KEY, timeout_s: float = 2.0, **more: Any
    ) -> AsyncIterator[tuple[V, S]]:
        """A voice, and the simulator to which it speaks."""
        sim = self.simulator(api_key=KEY)
        sim.faults.extend(faults)
        async with serving(self.app(sim), ws=True) as url:
            voice = self.make(api_key=api_key, base_url=url.replace("http", "ws"), timeout_s=timeout_s, **more)
            try:
                yield voice, sim
            finally:
                await voice.aclose()
                await sim.speech.aclose()


cartesia = Vendor("cartesia", "CARTESIA_API_KEY", CartesiaSpeech, CartesiaSimulator, cartesia_app)
eleven = Vendor("elevenlabs", "ELEVENLABS_API_KEY", ElevenLabsSpeech, ElevenLabsSimulator, elevenlabs_app)
aura = Vendor("aura", "DEEPGRAM_API_KEY", DeepgramAura, SpeakSimulator, speak_app)
