"""The speech services of LiveKit and Pipecat on the simulators of Deepgram, Cartesia, ElevenLabs and OpenAI."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import pytest
from fastapi import FastAPI

from bargein_simulators.cartesia import CartesiaSimulator, add_cartesia
from bargein_simulators.deepgram_flux import FluxSimulator, add_flux
from bargein_simulators.deepgram_nova import NovaSimulator, add_nova
from bargein_simulators.deepgram_speak import SpeakSimulator, add_speak
from bargein_simulators.elevenlabs import ElevenLabsSimulator, add_elevenlabs
from bargein_simulators.openai_realtime import RealtimeSimulator, add_realtime
from bargein_simulators.openai_speech import SpeechSimulator, add_speech
from bargein_simulators.simulated_tts import TTSSettings
from bargein_simulators.speech import SimulatedSpeech
from tests.simulators.realtime.kit import recorded
from tests.simulators.serving import serving
from tests.strangers.clients_kit import Json, of, saw

TEXT = "The first room is free. The second room is taken today."
HEARD = "Hello there, can you help me?"


async def tried(client: str, folder: Path) -> tuple[list[Json], dict[str, TTSSettings]]:
    """What a client saw, and the simulated voices."""
    app, speech = FastAPI(), SimulatedSpeech()
    aura, cartesia = SpeakSimulator(speech=speech), CartesiaSimulator(speech=speech)
    elevenlabs, openai = ElevenLabsSimulator(speech=speech), SpeechSimulator(speech=speech)
    add_flux(app, FluxSimulator(delay_ms=0))
    add_nova(app, NovaSimulator(delay_ms=0))
    add_speak(app, aura)
    add_cartesia(app, cartesia)
    add_elevenlabs(app, elevenlabs)
    add_speech(app, openai)
    add_realtime(app, RealtimeSimulator(script=deque([HEARD]), transcript_ms=0))
    try:
        async with serving(app, ws=True) as url:
            seen = await saw(client, url, folder, recorded("interruption-3.wav"))
    finally:
        await speech.aclose()
    return seen, {"aura": aura, "cartesia": cartesia, "elevenlabs": elevenlabs, "openai-tts": openai}


@pytest.mark.parametrize(
    ("client", "hear"),
    [("livekit_cascade", {"flux", "nova"}), ("pipecat_cascade", {"flux", "nova", "openai-stt"})],
)
async def test_each_service_hears_and_says_what_it_was_given(client: str, hear: set[str], tmp_path: Path) -> None:
    seen, voices = await tried(client, tmp_path)
    assert of(seen, "error") == []
    heard = {each["service"]: each["text"] for each in of(seen, "heard")}
    assert heard.keys() == hear
    assert {heard[service] for service in heard if service != "nova"} == {HEARD}
    assert heard["nova"].casefold().replace(",", "").rstrip("?") == HEARD.casefold().replace(",", "").rstrip("?")
    said = {each["service"]: each for each in of(seen, "said")}
    assert said.keys() == voices.keys()
    for name, sim in voices.items():
        assert "".join("".join(spoke.text for spoke in sim.spoke).split()) == "".join(TEXT.split())
        made_ms = sum(spoke.sent_ms for spoke in sim.spoke)
        assert said[name]["ms"] == pytest.approx(made_ms, abs=250), name
    assert said["cartesia"]["words"] == said["elevenlabs"]["words"] == TEXT.split()
