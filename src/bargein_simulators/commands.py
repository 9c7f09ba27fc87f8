"""`bargein simulate VENDOR`: one vendor's simulator on a port, for people who test agents of their own.

Each command imports its simulators when it is called. A package that is missing is then that command's error, and the
other commands work.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from math import inf
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args

import typer
from rich.console import Console

from bargein.errors import Unavailable, UsageError
from bargein_simulators.command_errors import command_errors, missing

if TYPE_CHECKING:
    from fastapi import FastAPI

    from bargein_simulators.chat_wire import ServedToolCall
    from bargein_simulators.simulated_stt import WordSource
    from bargein_simulators.simulated_tts import TTSSettings

console = Console()
CHAT_SETTINGS = """\
OPENAI_BASE_URL=http://{0}/v1
BARGEIN_OPENAI_URL=http://{0}/v1
BARGEIN_GROQ_URL=http://{0}/openai/v1
for Groq's own SDK: GROQ_BASE_URL=http://{0}"""
LONGEST_MS = 600_000
REALTIME_URLS = (
    "BARGEIN_OPENAI_URL=http://{0}/v1 BARGEIN_AZURE_URL=http://{0}/openai/v1 BARGEIN_XAI_URL=http://{0}/xai/v1"
)
SAID = ("Hello, can you help me?", "And what else?", "Thank you, that is all.")


def _ms(value: float) -> float:
    """A wait that ends. nan passes every comparison of a range."""
    if not 0 <= value <= LONGEST_MS:
        raise typer.BadParameter(f"give 0 to {LONGEST_MS} ms")
    return value


def _times(value: float) -> float:
    if not 0 <= value < inf:
        raise typer.BadParameter("give 0 or more times real time")
    return value


PortOption = Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0: any that is free")]
KeyOption = Annotated[str | None, typer.Option(help="Require this key; otherwise any key will do")]
FaultOption = Annotated[list[str] | None, typer.Option(help="A fault that happens once; may be repeated")]
FirstAudioOption = Annotated[float, typer.Option(callback=_ms, help="ms from a text to its first audio")]
SpeedOption = Annotated[float, typer.Option(callback=_times, help="Times real time at which audio is made; 0: at once")]
CallOption = Annotated[
    list[str] | None,
    typer.Option(help='A tool call that the model answers with, once; may be repeated. \'weather {"city": "Oslo"}\''),
]
SayOption = Annotated[list[str] | None, typer.Option(help="The user's words, one text for each turn; '|' is a pause")]

V = TypeVar("V", bound="TTSSettings")


def deepgram(
    port: PortOption = 8082,
    say: SayOption = None,
    delay_ms: Annotated[float, typer.Option(callback=_ms, help="From audio to the events about it")] = 60,
    first_audio_ms: FirstAudioOption = 90,
    speed: SpeedOption = 4,
    api_key: KeyOption = None,
    flux_fault: FaultOption = None,
    nova_fault: FaultOption = None,
    aura_fault: FaultOption = None,
) -> None:
    """Deepgram: Flux (/v2/listen), Nova (/v1/listen) and Aura (/v1/speak). It finds real turns in the audio it gets."""
    with command_errors(console):
        from bargein_simulators import deepgram_flux, deepgram_nova, deepgram_speak, simulated_tts  # noqa: PLC0415

        words = _script(say)
        flux = deepgram_flux.FluxSimulator(words=words, delay_ms=delay_ms, api_key=api_key)
        nova = deepgram_nova.NovaSimulator(words=words, delay_ms=delay_ms, api_key=api_key)
        aura = deepgram_speak.SpeakSimulator(first_audio_ms=first_audio_ms, speed=speed, api_key=api_key)
        flux.faults.extend(_known(flux_fault, deepgram_flux.Fault))
        nova.faults.extend(_known(nova_fault, deepgram_nova.Fault))
        aura.faults.extend(_known(aura_fault, simulated_tts.Fault))
        app = _app("Deepgram")
        deepgram_flux.add_flux(app, flux)
        deepgram_nova.add_nova(app, nova)
        deepgram_speak.add_speak(app, aura)
        queues: dict[str, tuple[deque[Any], Any]] = {
            "flux": (flux.faults, deepgram_flux.Fault),
            "flux-turn": (flux.turn_faults, deepgram_flux.Fault),
            "nova": (nova.faults, deepgram_nova.Fault),
            "aura": (aura.faults, simulated_tts.Fault),
        }
        _warn_without_voice("Aura")
        _serve(app, port, "BARGEIN_DEEPGRAM_URL=ws://{}", queues)


def chat(
    port: PortOption = 8081,
    token_ms: Annotated[float, typer.Option(callback=_ms, help="Pause before each token")] = 20,
    first_token_ms: Annotated[float, typer.Option(callback=_ms, help="Pause before the first")] = 0,
    first_audio_ms: FirstAudioOption = 90,
    api_key: KeyOption = None,
    tool_call: CallOption = None,
    fault: FaultOption = None,
) -> None:
    """A server with OpenAI's wire protocol: chat completions, speech and transcriptions, at Groq's paths, too."""
    with command_errors(console):
        from bargein_simulators import chat as llm  # noqa: PLC0415
        from bargein_simulators import openai_speech, openai_transcriptions, simulated_tts  # noqa: PLC0415
        from bargein_simulators.tool_calls import read_tool_calls  # noqa: PLC0415

        model = llm.ChatSimulator(token_ms=token_ms, first_token_ms=first_token_ms, models=(), api_key=api_key)
        model.tool_calls.extend(read_tool_calls(tool_call))
        tts = openai_speech.SpeechSimulator(first_audio_ms=first_audio_ms, speed=4, api_key=api_key)
        stt = openai_transcriptions.TranscriptionsSimulator(api_key=api_key)
        model.faults.extend(_known(fault, llm.Fault))
        app = _app("OpenAI-compatible")
        llm.add_chat(app, model)
        openai_speech.add_speech(app, tts)
        openai_transcriptions.add_transcriptions(app, stt)
        queues: dict[str, tuple[deque[Any], Any]] = {
            "chat": (model.faults, llm.Fault),
            "speech": (tts.faults, simulated_tts.Fault),
            "transcriptions": (stt.faults, openai_transcriptions.Fault),
        }
        _warn_without_voice("Speech")
        _serve(app, port, CHAT_SETTINGS, queues, {"chat": model.tool_calls})


def elevenlabs(
    port: PortOption = 8083,
    first_audio_ms: FirstAudioOption = 90,
    speed: SpeedOption = 4,
    api_key: KeyOption = None,
    fault: FaultOption = None,
) -> None:
    """ElevenLabs' multi-context WebSocket, with the true time of every character."""
    with command_errors(console):
        from bargein_simulators.elevenlabs import ElevenLabsSimulator, add_elevenlabs  # noqa: PLC0415

        sim = ElevenLabsSimulator(first_audio_ms=first_audio_ms, speed=speed, api_key=api_key)
        _serve_tts(sim, add_elevenlabs, port, "BARGEIN_ELEVENLABS_URL=ws://{}", "elevenlabs", fault)


def cartesia(
    port: PortOption = 8084,
    first_audio_ms: FirstAudioOption = 90,
    speed: SpeedOption = 4,
    api_key: KeyOption = None,
    fault: FaultOption = None,
) -> None:
    """Cartesia's WebSocket, with the true time of every word."""
    with command_errors(console):
        from bargein_simulators.cartesia import CartesiaSimulator, add_cartesia  # noqa: PLC0415

        sim = CartesiaSimulator(first_audio_ms=first_audio_ms, speed=speed, api_key=api_key)
        _serve_tts(sim, add_cartesia, port, "BARGEIN_CARTESIA_URL=ws://{}", "cartesia", fault)


def mistral(
    port: PortOption = 8086,
    say: SayOption = None,
    first_token_ms: Annotated[float, typer.Option(callback=_ms, help="Pause before the model's first token")] = 180,
    first_audio_ms: FirstAudioOption = 90,
    speed: SpeedOption = 4,
    api_key: KeyOption = None,
    tool_call: CallOption = None,
    fault: FaultOption = None,
) -> None:
    """Mistral: Voxtral's realtime transcription, chat with audio, and speech."""
    with command_errors(console):
        from bargein_simulators import chat as llm  # noqa: PLC0415
        from bargein_simulators import mistral_realtime, mistral_speech, simulated_tts  # noqa: PLC0415
        from bargein_simulators.tool_calls import read_tool_calls  # noqa: PLC0415

        stt = mistral_realtime.MistralRealtimeSimulator(words=_script(say), api_key=api_key)
        model = llm.ChatSimulator(first_token_ms=first_token_ms, token_ms=20, models=(), api_key=api_key)
        model.whole_calls = True
        model.script = deque(say or SAID)
        model.tool_calls.extend(read_tool_calls(tool_call))
        tts = mistral_speech.MistralSpeechSimulator(first_audio_ms=first_audio_ms, speed=speed, api_key=api_key)
        model.faults.extend(_known(fault, llm.Fault))
        app = _app("Mistral")
        mistral_realtime.add_mistral_realtime(app, stt)
        llm.add_chat(app, model)
        mistral_speech.add_mistral_speech(app, tts, http=True)
        queues: dict[str, tuple[deque[Any], Any]] = {
            "realtime": (stt.faults, mistral_realtime.Fault),
            "chat": (model.faults, llm.Fault),
            "speech": (tts.faults, simulated_tts.Fault),
        }
        _warn_without_voice("Speech")
        _serve(app, port, "BARGEIN_MISTRAL_URL=http://{}", queues, {"chat": model.tool_calls})


def vllm_realtime(
    port: PortOption = 8087,
    say: SayOption = None,
    api_key: KeyOption = None,
    tool_call: CallOption = None,
    fault: FaultOption = None,
) -> None:
    """Voxtral on vLLM: `/v1/realtime`, and chat with audio."""
    with command_errors(console):
        from bargein_simulators import chat as llm  # noqa: PLC0415
        from bargein_simulators import vllm_realtime as vllm  # noqa: PLC0415
        from bargein_simulators.tool_calls import read_tool_calls  # noqa: PLC0415

        stt = vllm.VLLMRealtimeSimulator(words=_script(say), api_key=api_key)
        model = llm.ChatSimulator(first_token_ms=180, token_ms=20, models=(), api_key=api_key)
        model.script = deque(say or SAID)
        model.tool_calls.extend(read_tool_calls(tool_call))
        stt.faults.extend(_known(fault, vllm.Fault))
        app = _app("vLLM")
        vllm.add_vllm_realtime(app, stt)
        llm.add_chat(app, model)
        queues: dict[str, tuple[deque[Any], Any]] = {
            "realtime": (stt.faults, vllm.Fault),
            "chat": (model.faults, llm.Fault),
        }
        setting = "BARGEIN_VLLM_URL=http://{0}/v1 BARGEIN_VLLM_REALTIME_URL=http://{0}/v1"
        _serve(app, port, setting, queues, {"chat": model.tool_calls})


def openai_realtime(
    port: PortOption = 8085,
    say: SayOption = None,
    first_audio_ms: FirstAudioOption = 150,
    speed: SpeedOption = 8,
    transcript_ms: Annotated[float, typer.Option(callback=_ms, help="ms from the end of a turn to its words")] = 250,
    api_key: KeyOption = None,
    tool_call: CallOption = None,
    fault: FaultOption = None,
) -> None:
    """OpenAI Realtime, and Azure's and xAI's ways of it: it finds real turns in the audio it gets."""
    with command_errors(console):
        from bargein_simulators import openai_realtime as realtime  # noqa: PLC0415
        from bargein_simulators import realtime_behavior  # noqa: PLC0415
        from bargein_simulators.azure import AzureSimulator, add_azure  # noqa: PLC0415
        from bargein_simulators.tool_calls import read_tool_calls  # noqa: PLC0415
        from bargein_simulators.xai import add_xai  # noqa: PLC0415

        _require_voice()
        _demand_words(say)
        sim = realtime.RealtimeSimulator(
            script=deque(say or SAID),
            first_audio_ms=first_audio_ms,
            speed=speed,
            transcript_ms=transcript_ms,
            api_key=api_key,
        )
        sim.tool_calls.extend(read_tool_calls(tool_call))
        sim.faults.extend(_known(fault, realtime_behavior.Fault))
        app = _app("OpenAI Realtime")
        realtime.add_realtime(app, sim)
        add_azure(app, AzureSimulator(sim))
        add_xai(app, sim)
        name = "openai-realtime"
        faults: dict[str, tuple[deque[Any], Any]] = {name: (sim.faults, realtime_behavior.Fault)}
        _serve(app, port, REALTIME_URLS, faults, {name: sim.tool_calls})


def add_commands(group: typer.Typer) -> None:
    """Add every command to a group, under its name."""
    for command in (deepgram, chat, elevenlabs, cartesia, mistral, vllm_realtime, openai_realtime):
        group.command(command.__name__.replace("_", "-"))(command)


# ---------------------------------------------------------------------------------------------------- missing packages


def _require_voice() -> None:
    """Raises Unavailable without espeak-ng, the voice of every simulator."""
    if find_spec("espeakng_loader") is None:
        raise missing("espeakng_loader", "the simulator has no voice")


def _warn_without_voice(part: str) -> None:
    """Say that one part of a vendor will be silent; the vendor's other parts work."""
    try:
        _require_voice()
    except Unavailable as error:
        console.print(f"{part} will be silent. {error}", markup=False, highlight=False)


# ---------------------------------------------------------------------------------------------------- parts of commands


def _known(faults: Sequence[str] | None, kind: Any) -> Sequence[Any]:
    """The faults, if the simulator has all of them. kind: the Literal of its faults. Raises UsageError."""
    known = get_args(kind)
    for fault in faults or ():
        if fault not in known:
            raise UsageError(f"There is no fault {fault!r}", advice=f"Choose one of {', '.join(known)}")
    return faults or ()


def _script(say: Sequence[str] | None) -> Callable[[], WordSource]:
    """Makes the words of each connection. Raises UsageError for words that are none."""
    _demand_words(say)
    from bargein_simulators.simulated_stt import Script  # noqa: PLC0415

    return lambda: Script(say or SAID, repeat=True)


def _demand_words(say: Sequence[str] | None) -> None:
    """Raises UsageError for a text without a word."""
    if any(not text.replace("|", " ").strip() for text in say or ()):
        raise UsageError("--say has a text without a word", advice="Give the words of a turn, or leave --say out")


def _app(vendor: str) -> FastAPI:
    from fastapi import FastAPI  # noqa: PLC0415

    return FastAPI(title=f"{vendor}, simulated", openapi_url=None)


def _serve_tts(
    sim: V, add: Callable[[FastAPI, V], None], port: int, setting: str, name: str, faults: list[str] | None
) -> None:
    from bargein_simulators.simulated_tts import Fault  # noqa: PLC0415

    _require_voice()
    sim.faults.extend(_known(faults, Fault))
    app = _app(name)
    add(app, sim)
    _serve(app, port, setting, {name: (sim.faults, Fault)})


def _serve(
    app: FastAPI,
    port: int,
    setting: str,
    queues: Mapping[str, tuple[deque[Any], Any]],
    tool_calls: Mapping[str, deque[ServedToolCall]] | None = None,
) -> None:
    """Serve until Ctrl-C.

    setting: environment variables that point an agent at the server, printed first. queues: of faults, each with the
    Literal of its faults. tool_calls: of simulated models.
    """
    import uvicorn  # noqa: PLC0415

    from bargein_simulators.faults import add_fault_routes  # noqa: PLC0415
    from bargein_simulators.tool_calls import add_tool_call_route  # noqa: PLC0415

    waiting = {name: queue for name, (queue, _) in queues.items()}
    known = {name: get_args(kind) for name, (_, kind) in queues.items()}
    with _listener(port) as listener:
        console.print(setting.format(f"127.0.0.1:{listener.getsockname()[1]}"), highlight=False)
        console.print(
            f'faults: POST /simulator/NAME/faults {{"faults": [...]}}, NAME: {", ".join(queues)}',
            highlight=False,
            markup=False,
        )
        if tool_calls:
            add_tool_call_route(app, tool_calls)
            console.print(
                'tool calls: POST /simulator/NAME/tool-calls {"calls": ["TOOL {...}"]}, '
                f"NAME: {', '.join(tool_calls)}",
                highlight=False,
                markup=False,
            )
        add_fault_routes(app, waiting, known)
        config = uvicorn.Config(app, log_level="warning", ws="websockets-sansio", ws_per_message_deflate=False)
        uvicorn.Server(config).run([listener])


def _listener(port: int) -> socket.socket:
    """Listens on the port. Raises UsageError where another program does."""
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        advice = "Choose another --port, or stop what listens there"
        raise UsageError(f"Cannot listen on 127.0.0.1:{port}: {error.strerror}", advice=advice) from error
    # asyncio does so for its own sockets only. Otherwise a message waits up to 40 ms for the one before it.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
