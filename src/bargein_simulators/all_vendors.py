"""Every vendor's simulator at one address: `bargein serve --simulate` runs it in a process of its own.

`python -m bargein_simulators.all_vendors [PORT]` takes that port, or a free one, prints its address, and ends when its
input closes. So it never outlives the process that started it, not even one that was killed.
"""

from __future__ import annotations

import asyncio
import re
import socket
import sys
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, get_args

import uvicorn
from fastapi import FastAPI

from bargein.audio.pcm import Pcm
from bargein.errors import BargeinError
from bargein.vendors.local.moonshine import MoonshineSTT
from bargein_simulators import (
    anthropic,
    chat,
    deepgram_flux,
    deepgram_nova,
    mistral_realtime,
    openai_transcriptions,
    simulated_tts,
)
from bargein_simulators.anthropic import AnthropicSimulator, add_anthropic
from bargein_simulators.cartesia import CartesiaSimulator, add_cartesia
from bargein_simulators.chat import ChatMessage, ChatSimulator, add_chat
from bargein_simulators.deepgram_flux import FluxSimulator, add_flux
from bargein_simulators.deepgram_nova import NovaSimulator, add_nova
from bargein_simulators.deepgram_speak import SpeakSimulator, add_speak
from bargein_simulators.elevenlabs import ElevenLabsSimulator, add_elevenlabs
from bargein_simulators.faults import add_fault_routes
from bargein_simulators.mistral_realtime import MistralRealtimeSimulator, add_mistral_realtime
from bargein_simulators.mistral_speech import MistralSpeechSimulator, add_mistral_speech
from bargein_simulators.openai_speech import SpeechSimulator, add_speech
from bargein_simulators.openai_transcriptions import TranscriptionsSimulator, add_transcriptions
from bargein_simulators.simulated_stt import Script, TranscribedWords, WordSource
from bargein_simulators.tool_calls import add_tool_call_route

try:
    from bargein_simulators.assemblyai import Fault as UniversalFault
    from bargein_simulators.assemblyai import UniversalSimulator, add_assemblyai
except ModuleNotFoundError as missing:  # as below, with the extra "assemblyai"
    if missing.name is None or not missing.name.startswith("assemblyai"):
        raise
    UniversalSimulator = None  # type: ignore[assignment,misc]
    UniversalFault = None  # type: ignore[misc]

try:
    from bargein_simulators.azure import AzureSimulator, add_azure
    from bargein_simulators.openai_realtime import RealtimeSimulator, add_realtime
    from bargein_simulators.realtime_behavior import Fault as RealtimeFault
    from bargein_simulators.xai import add_xai
except ModuleNotFoundError as missing:  # the extra "openai" is not installed: every other vendor is served
    if missing.name is None or not missing.name.startswith("openai"):
        raise
    RealtimeSimulator = None  # type: ignore[assignment,misc]
    RealtimeFault = None  # type: ignore[misc]

try:
    from bargein_simulators.gemini_chat import Fault as GeminiChatFault
    from bargein_simulators.gemini_chat import GeminiChatSimulator, GeminiRequest, add_gemini_chat
    from bargein_simulators.gemini_live import add_gemini_live
    from bargein_simulators.gemini_live_behavior import Fault as GeminiLiveFault
    from bargein_simulators.gemini_live_behavior import GeminiLiveSimulator
except ModuleNotFoundError as missing:  # the extra "google" is not installed
    if missing.name is None or not missing.name.startswith("google"):
        raise
    GeminiLiveSimulator = GeminiChatSimulator = None  # type: ignore[assignment,misc]
    GeminiLiveFault = GeminiChatFault = None

VOICE_FAULTS = get_args(simulated_tts.Fault)
FAULTS = {
    "deepgram-flux": get_args(deepgram_flux.Fault),
    "deepgram-flux-line": get_args(deepgram_flux.Fault),
    "deepgram-nova": get_args(deepgram_nova.Fault),
    "chat": get_args(chat.Fault),
    "anthropic": get_args(anthropic.Fault),
    "openai-speech": VOICE_FAULTS,
    "deepgram-speak": VOICE_FAULTS,
    "elevenlabs": VOICE_FAULTS,
    "cartesia": VOICE_FAULTS,
    "transcriptions": get_args(openai_transcriptions.Fault),
    "mistral-realtime": get_args(mistral_realtime.Fault),
    "mistral-speech": VOICE_FAULTS,
    "openai-realtime": get_args(RealtimeFault),
    "assemblyai": get_args(UniversalFault),
    "gemini-live": get_args(GeminiLiveFault),
    "gemini-chat": get_args(GeminiChatFault),
}
"""The faults of each simulator, by its name."""
READ_MS = 2_000  # until real STT must have the words
SPEED = 4.0  # times real time at which TTS makes audio
SCRIPT = (
    "Hello, who are you?",
    "Tell me something about the sea.",
    "And what else?",
    "Thank you, that is all.",
)


@dataclass(slots=True)
class AllVendors:
    """The simulators and their settings. Delays are about those of the real vendors."""

    transcribes: bool = True
    """Transcribe real words, where Moonshine is installed. Otherwise the words come from SCRIPT."""
    first_audio_ms: float = 90.0
    """From a text to its first audio, of every TTS."""
    flux: FluxSimulator = field(default_factory=FluxSimulator)
    nova: NovaSimulator = field(default_factory=NovaSimulator)
    chat: ChatSimulator = field(default_factory=lambda: ChatSimulator(first_token_ms=180, token_ms=12, models=()))
    anthropic: AnthropicSimulator = field(default_factory=lambda: AnthropicSimulator(first_token_ms=180, token_ms=12))
    speech: SpeechSimulator = field(default_factory=SpeechSimulator)
    speak: SpeakSimulator = field(default_factory=SpeakSimulator)
    elevenlabs: ElevenLabsSimulator = field(default_factory=ElevenLabsSimulator)
    cartesia: CartesiaSimulator = field(default_factory=CartesiaSimulator)
    transcriptions: TranscriptionsSimulator = field(default_factory=TranscriptionsSimulator)
    voxtral: MistralRealtimeSimulator = field(default_factory=MistralRealtimeSimulator)
    mistral: MistralSpeechSimulator = field(default_factory=MistralSpeechSimulator)
    realtime: RealtimeSimulator | None = field(
        default_factory=lambda: None if RealtimeSimulator is None else RealtimeSimulator(script=deque(SCRIPT))
    )
    """None without the extra "openai"."""
    assembly: UniversalSimulator | None = field(
        default_factory=lambda: None if UniversalSimulator is None else UniversalSimulator()
    )
    """None without the extra "assemblyai"."""
    gemini_live: GeminiLiveSimulator | None = field(
        default_factory=lambda: None if GeminiLiveSimulator is None else GeminiLiveSimulator(script=deque(SCRIPT))
    )
    gemini_chat: GeminiChatSimulator | None = field(
        default_factory=lambda: (
            None
            if GeminiChatSimulator is None
            else GeminiChatSimulator(respond=gemini_answer, first_token_ms=180, token_ms=12)
        )
    )
    """Both None without the extra "google"."""

    def queues(self) -> dict[str, deque[Any]]:
        """The queues of faults, by the simulator's name."""
        queues: dict[str, deque[Any]] = {
            "deepgram-flux": self.flux.turn_faults,
            "deepgram-flux-line": self.flux.faults,
            "deepgram-nova": self.nova.faults,
            "chat": self.chat.faults,
            "anthropic": self.anthropic.faults,
            "openai-speech": self.speech.faults,
            "deepgram-speak": self.speak.faults,
            "elevenlabs": self.elevenlabs.faults,
            "cartesia": self.cartesia.faults,
            "transcriptions": self.transcriptions.faults,
            "mistral-realtime": self.voxtral.faults,
            "mistral-speech": self.mistral.faults,
        }
        if self.realtime is not None:
            queues["openai-realtime"] = self.realtime.faults
        if self.assembly is not None:
            queues["assemblyai"] = self.assembly.faults
        if self.gemini_live is not None and self.gemini_chat is not None:
            queues |= {"gemini-live": self.gemini_live.faults, "gemini-chat": self.gemini_chat.faults}
        return queues


def all_vendors_app(vendors: AllVendors | None = None) -> FastAPI:
    """A server with every vendor. No two of them have a path in common."""
    sims = vendors or AllVendors()
    sims.chat.respond = sims.anthropic.respond = answer
    for voice in (sims.speech, sims.speak, sims.elevenlabs, sims.cartesia, sims.mistral):
        voice.first_audio_ms = sims.first_audio_ms
        voice.speed = voice.speed or SPEED

    @asynccontextmanager
    async def lifespan(_: FastAPI):  # type: ignore[no-untyped-def]
        stt = MoonshineSTT() if sims.transcribes else None
        if stt is not None:
            try:
                await stt.start()
            except BargeinError:
                stt = None  # the words come from SCRIPT

        async def read(pcm: Pcm) -> str:
            try:
                return (await stt.read(pcm, deadline_ms=READ_MS)).text if stt is not None else ""
            except BargeinError:
                return ""

        def words() -> WordSource:
            return TranscribedWords(read) if stt is not None else Script(SCRIPT, repeat=True)

        sims.flux.words = sims.nova.words = sims.voxtral.words = words
        if sims.assembly is not None:
            sims.assembly.words = words
        if stt is not None:
            sims.transcriptions.transcribe = sims.chat.transcribe = read
            if sims.realtime is not None:
                sims.realtime.transcribe = read
            if sims.gemini_live is not None:
                sims.gemini_live.transcribe = read
        try:
            yield
        finally:
            if stt is not None:
                await stt.aclose()

    app = FastAPI(title="Vendors, simulated", openapi_url=None, lifespan=lifespan)
    app.state.vendors = sims
    add_flux(app, sims.flux)
    add_nova(app, sims.nova)
    add_speak(app, sims.speak)
    add_chat(app, sims.chat)
    add_anthropic(app, sims.anthropic, models=False)  # /v1/models is the chat's
    add_speech(app, sims.speech)
    add_transcriptions(app, sims.transcriptions)
    if sims.realtime is not None:
        add_realtime(app, sims.realtime)
        add_azure(app, AzureSimulator(sims.realtime, sims.chat))
        add_xai(app, sims.realtime)
    if sims.assembly is not None:
        add_assemblyai(app, sims.assembly)
    add_mistral_realtime(app, sims.voxtral)
    add_mistral_speech(app, sims.mistral)
    add_elevenlabs(app, sims.elevenlabs)
    add_cartesia(app, sims.cartesia)

    tool_calls = {"chat": sims.chat.tool_calls, "anthropic": sims.anthropic.tool_calls}
    if sims.realtime is not None:
        tool_calls["openai-realtime"] = sims.realtime.tool_calls
    if sims.gemini_live is not None and sims.gemini_chat is not None:
        add_gemini_live(app, sims.gemini_live)
        add_gemini_chat(app, sims.gemini_chat)
        tool_calls |= {"gemini-live": sims.gemini_live.tool_calls, "gemini-chat": sims.gemini_chat.tool_calls}
    add_tool_call_route(app, tool_calls)
    return add_fault_routes(app, sims.queues(), FAULTS)


def answer(messages: Sequence[ChatMessage]) -> str:
    """The answer of the simulated model: it repeats the user's words, and is long enough to be interrupted."""
    last = next((m for m in reversed(messages) if m.role == "user"), None)
    words = "" if last is None else last.transcript or last.content or ""
    words = re.sub(r"\s*\(said over .*", "", words, flags=re.S).strip() or "nothing"
    notes = [m.content or "" for m in messages if m.role == "system"][1:]
    if last is not None and last.transcript:
        notes.append(last.content or "")  # models that hear audio get their notes in the user's message
    where = next(
        (found[1] for note in reversed(notes) if (found := re.search(r"up to (?:about )?'([^']*)'", note))), ""
    )
    if where and re.search(r"\b(stop|where|last|hear)", words, re.I):
        return f"You stopped me, and the last words you heard were: {where}. Shall I go on from there?"
    return (
        f"You said: {words.rstrip('.!?')}. I am a simulated model, so there is little that I know. "
        "But I can speak for a while, slowly and calmly, about the sea, the wind and the gulls above the harbour, "
        "so that you can interrupt me in the middle of any word, and see how soon I fall silent."
    )


def gemini_answer(request: GeminiRequest) -> str:
    """The same of the simulated Gemini, which has its notes in brackets."""
    if request.results:
        return f"The tool says: {request.results[-1]}"
    messages = [ChatMessage(role="system")]
    for content in request.contents:
        for part in content.parts or ():
            text = part.text or ""
            noted = text.startswith("[")
            messages.append(ChatMessage(role="system" if noted else content.role or "user", content=text.strip("[]")))
    return answer(messages)


def serve_until_input_closes(app: FastAPI, port: int = 0) -> None:
    """Serve on this port (0: a free one), print the address, and end when standard input closes."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        # asyncio does so for its own sockets only. Otherwise a message waits up to 40 ms for the one before it.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        config = uvicorn.Config(app, log_level="warning", ws="websockets-sansio", ws_per_message_deflate=False)
        server = uvicorn.Server(config)

        def wait() -> None:
            sys.stdin.read()
            server.should_exit = True

        threading.Thread(target=wait, daemon=True).start()
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        asyncio.run(server.serve(sockets=[listener]))


if __name__ == "__main__":
    serve_until_input_closes(all_vendors_app(), int(sys.argv[1]) if len(sys.argv) > 1 else 0)
