"""`bargein simulate VENDOR`: one vendor's simulator on a port, for people who test agents of their own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

import typer
import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from rich.console import Console

from bargein_simulators.cartesia import CartesiaSimulator, add_cartesia
from bargein_simulators.chat import ChatSimulator, add_chat
from bargein_simulators.deepgram_flux import FluxSimulator, add_flux
from bargein_simulators.deepgram_nova import NovaSimulator, add_nova
from bargein_simulators.deepgram_speak import SpeakSimulator, add_speak
from bargein_simulators.elevenlabs import ElevenLabsSimulator, add_elevenlabs
from bargein_simulators.mistral_realtime import MistralRealtimeSimulator, add_mistral_realtime
from bargein_simulators.mistral_speech import MistralSpeechSimulator, add_mistral_speech
from bargein_simulators.openai_realtime import RealtimeSimulator, add_realtime
from bargein_simulators.openai_speech import SpeechSimulator, add_speech
from bargein_simulators.openai_transcriptions import TranscriptionsSimulator, add_transcriptions
from bargein_simulators.simulated_stt import Script, WordSource
from bargein_simulators.simulated_tts import VoiceSettings
from bargein_simulators.vllm_realtime import VLLMRealtimeSimulator, add_vllm_realtime

console = Console()
SAID = ("Hello, can you help me?", "And what else?", "Thank you, that is all.")

PortOption = Annotated[int, typer.Option(help="Port on 127.0.0.1")]
KeyOption = Annotated[str | None, typer.Option(help="Demand this key; otherwise any will do")]
FaultOption = Annotated[list[str] | None, typer.Option(help="Have this happen, once each; may be repeated")]
FirstAudioOption = Annotated[float, typer.Option(help="ms from a text to its first sound")]
SpeedOption = Annotated[float, typer.Option(help="Times real time at which sound is made; 0: at once")]
SayOption = Annotated[list[str] | None, typer.Option(help="What is heard, a turn each; '|' is a pause in it")]


V = TypeVar("V", bound=VoiceSettings)


class FaultsBody(BaseModel):
    """Faults for what comes next, one each."""

    faults: list[str]


def deepgram(
    port: PortOption = 8082,
    say: SayOption = None,
    delay_ms: Annotated[float, typer.Option(help="From a sound to what is told of it")] = 60,
    first_audio_ms: FirstAudioOption = 90,
    speed: SpeedOption = 4,
    api_key: KeyOption = None,
    flux_fault: FaultOption = None,
    nova_fault: FaultOption = None,
    aura_fault: FaultOption = None,
) -> None:
    """Deepgram: Flux (/v2/listen), Nova (/v1/listen) and Aura (/v1/speak). It hears real turns in the sound it gets."""

    def words() -> WordSource:
        return Script(say or SAID, repeat=True)

    flux = FluxSimulator(words=words, delay_ms=delay_ms, api_key=api_key)
    nova = NovaSimulator(words=words, delay_ms=delay_ms, api_key=api_key)
    aura = SpeakSimulator(first_audio_ms=first_audio_ms, speed=speed, api_key=api_key)
    app = FastAPI(title="Deepgram, simulated", openapi_url=None)
    add_flux(app, flux)
    add_nova(app, nova)
    add_speak(app, aura)
    queues: dict[str, deque[Any]] = {
        "flux": flux.faults,
        "flux-turn": flux.turn_faults,
        "nova": nova.faults,
        "aura": aura.faults,
    }
    for name, faults in (("flux", flux_fault), ("nova", nova_fault), ("aura", aura_fault)):
        queues[name].extend(faults or ())
    _serve(app, port, "BARGEIN_DEEPGRAM_URL=ws://{}", queues)


def chat(
    port: PortOption = 8081,
    token_ms: Annotated[float, typer.Option(help="Pause before each token")] = 20,
    first_token_ms: Annotated[float, typer.Option(help="Pause before the first")] = 0,
    first_audio_ms: FirstAudioOption = 90,
    api_key: KeyOption = None,
    fault: FaultOption = None,
) -> None:
    """A server with OpenAI's wire protocol: chat completions, speech and transcriptions (Groq's are the same)."""
    model = ChatSimulator(token_ms=token_ms, first_token_ms=first_token_ms, models=(), api_key=api_key)
    speech = SpeechSimulator(first_audio_ms=first_audio_ms, speed=4, api_key=api_key)
    ears = TranscriptionsSimulator(api_key=api_key)
    model.faults.extend(fault or ())  # type: ignore[arg-type]  # a fault that is none does nothing
    app = FastAPI(title="OpenAI-compatible, simulated", openapi_url=None)
    add_chat(app, model)
    add_speech(app, speech)
    add_transcriptions(app, ears)
    queues: dict[str, deque[Any]] = {"chat": model.faults, "speech": speech.faults, "transcriptions": ears.faults}
    _serve(app, port, "OPENAI_BASE_URL=http://{}/v1", queues)


def elevenlabs(
    port: PortOption = 8083,
    first_audio_ms: FirstAudioOption = 90,
    speed: SpeedOption = 4,
    api_key: KeyOption = None,
    fault: FaultOption = None,
) -> None:
    """ElevenLabs' multi-context WebSocket, with the true time of every character."""
    sim = ElevenLabsSimulator(first_audio_ms=first_audio_ms, speed=speed, api_key=api_key)
    _voice(sim, add_elevenlabs, port, "BARGEIN_ELEVENLABS_URL=ws://{}", "elevenlabs", fault)


def cartesia(
    port: PortOption = 8084,
    first_audio_ms: FirstAudioOption = 90,
    speed: SpeedOption = 4,
    api_key: KeyOption = None,
    fault: FaultOption = None,
) -> None:
    """Cartesia's WebSocket, with the true time of every word."""
    sim = CartesiaSimulator(first_audio_ms=first_audio_ms, speed=speed, api_key=api_key)
    _voice(sim, add_cartesia, port, "BARGEIN_CARTESIA_URL=ws://{}", "cartesia", fault)


def mistral(
    port: PortOption = 8086,
    say: SayOption = None,
    first_token_ms: Annotated[float, typer.Option(help="Pause before the model's first token")] = 180,
    first_audio_ms: FirstAudioOption = 90,
    speed: SpeedOption = 4,
    api_key: KeyOption = None,
    fault: FaultOption = None,
) -> None:
    """Mistral: Voxtral's realtime transcription, chat with audio, and speech."""

    def words() -> WordSource:
        return Script(say or SAID, repeat=True)

    ears = MistralRealtimeSimulator(words=words, api_key=api_key)
    model = ChatSimulator(first_token_ms=first_token_ms, token_ms=20, models=(), api_key=api_key, whole_calls=True)
    model.script = deque(say or SAID)
    voice = MistralSpeechSimulator(first_audio_ms=first_audio_ms, speed=speed, api_key=api_key)
    model.faults.extend(fault or ())  # type: ignore[arg-type]  # a fault that is none does nothing
    app = FastAPI(title="Mistral, simulated", openapi_url=None)
    add_mistral_realtime(app, ears)
    add_chat(app, model)
    add_mistral_speech(app, voice, http=True)
    queues: dict[str, deque[Any]] = {"realtime": ears.faults, "chat": model.faults, "speech": voice.faults}
    _serve(app, port, "BARGEIN_MISTRAL_URL=http://{}", queues)


def vllm_realtime(
    port: PortOption = 8087,
    say: SayOption = None,
    api_key: KeyOption = None,
    fault: FaultOption = None,
) -> None:
    """Voxtral on vLLM: `/v1/realtime`, and chat with audio."""

    def words() -> WordSource:
        return Script(say or SAID, repeat=True)

    ears = VLLMRealtimeSimulator(words=words, api_key=api_key)
    model = ChatSimulator(first_token_ms=180, token_ms=20, models=(), api_key=api_key)
    model.script = deque(say or SAID)
    ears.faults.extend(fault or ())  # type: ignore[arg-type]  # a fault that is none does nothing
    app = FastAPI(title="vLLM, simulated", openapi_url=None)
    add_vllm_realtime(app, ears)
    add_chat(app, model)
    queues: dict[str, deque[Any]] = {"realtime": ears.faults, "chat": model.faults}
    _serve(app, port, "BARGEIN_VLLM_URL=http://{0}/v1 BARGEIN_VLLM_REALTIME_URL=http://{0}/v1", queues)


def openai_realtime(
    port: PortOption = 8085,
    say: SayOption = None,
    first_audio_ms: FirstAudioOption = 150,
    speed: SpeedOption = 8,
    transcript_ms: Annotated[float, typer.Option(help="ms from the end of a turn to its words")] = 250,
    api_key: KeyOption = None,
    fault: FaultOption = None,
) -> None:
    """OpenAI Realtime: WebSocket, WebRTC and the sideband, ephemeral keys. It hears real turns in the sound it gets."""
    sim = RealtimeSimulator(
        script=deque(say or SAID),
        first_audio_ms=first_audio_ms,
        speed=speed,
        transcript_ms=transcript_ms,
        api_key=api_key,
    )
    sim.faults.extend(fault or ())  # type: ignore[arg-type]  # a fault that is none does nothing
    app = FastAPI(title="OpenAI Realtime, simulated", openapi_url=None)
    add_realtime(app, sim)
    _serve(app, port, "BARGEIN_OPENAI_URL=http://{}/v1", {"openai-realtime": sim.faults})


def _voice(
    sim: V, add: Callable[[FastAPI, V], None], port: int, setting: str, name: str, faults: list[str] | None
) -> None:
    sim.faults.extend(faults or ())  # type: ignore[arg-type]  # a fault that is none does nothing
    app = FastAPI(title=f"{name}, simulated", openapi_url=None)
    add(app, sim)
    _serve(app, port, setting, {name: sim.faults})


def with_faults(app: FastAPI, queues: Mapping[str, deque[Any]]) -> FastAPI:
    """Give an app POST /simulator/{name}/faults."""

    @app.post("/simulator/{name}/faults")
    async def faults(name: str, body: FaultsBody) -> dict[str, int]:
        if name not in queues:
            raise HTTPException(404, f"No simulator {name!r}: there are {', '.join(queues)}")
        queues[name].extend(body.faults)
        return {"waiting": len(queues[name])}

    return app


def _serve(app: FastAPI, port: int, setting: str, queues: Mapping[str, deque[Any]]) -> None:
    console.print(setting.format(f"127.0.0.1:{port}"), highlight=False)
    console.print(
        f'faults: POST /simulator/NAME/faults {{"faults": [...]}}, NAME: {", ".join(queues)}',
        highlight=False,
        markup=False,
    )
    uvicorn.run(
        with_faults(app, queues),
        host="127.0.0.1",
        port=port,
        log_level="warning",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
    )
