"""`bargein simulate gemini-live` and `bargein simulate gemini-chat`."""

from __future__ import annotations

from collections import deque
from typing import Annotated, Any

import typer

from bargein.errors import Unavailable
from bargein_simulators.command_errors import command_errors
from bargein_simulators.commands import (
    SAID,
    CallOption,
    FaultOption,
    FirstAudioOption,
    KeyOption,
    PortOption,
    SayOption,
    SpeedOption,
    _app,
    _demand_words,
    _known,
    _ms,
    _require_voice,
    _serve,
    console,
)

SETTING = "BARGEIN_GOOGLE_URL=http://{}"


def _missing() -> Unavailable:
    return Unavailable("The package google-genai is not installed", advice="Install the extra: bargein[google]")


def gemini_live(
    port: PortOption = 8088,
    say: SayOption = None,
    first_audio_ms: FirstAudioOption = 150,
    speed: SpeedOption = 8,
    transcript_ms: Annotated[float, typer.Option(callback=_ms, help="ms from the end of a turn to its words")] = 100,
    life_ms: Annotated[float, typer.Option(callback=_ms, help="A connection lives so long; 0: for ever")] = 0,
    api_key: KeyOption = None,
    tool_call: CallOption = None,
    fault: FaultOption = None,
) -> None:
    """Gemini Live's WebSocket: manual and automatic activity, tools, session resumption, goAway."""
    with command_errors(console):
        try:
            from bargein_simulators import gemini_live as live  # noqa: PLC0415
        except ModuleNotFoundError:
            raise _missing() from None
        from bargein_simulators import gemini_live_behavior as behavior  # noqa: PLC0415
        from bargein_simulators.tool_calls import read_tool_calls  # noqa: PLC0415

        _require_voice()
        _demand_words(say)
        sim = behavior.GeminiLiveSimulator(
            script=deque(say or SAID),
            first_audio_ms=first_audio_ms,
            speed=speed,
            transcript_ms=transcript_ms,
            life_ms=life_ms or None,
            api_key=api_key,
        )
        sim.tool_calls.extend(read_tool_calls(tool_call))
        sim.faults.extend(_known(fault, behavior.Fault))
        app = _app("Gemini Live")
        live.add_gemini_live(app, sim)
        faults: dict[str, tuple[deque[Any], Any]] = {"gemini-live": (sim.faults, behavior.Fault)}
        _serve(app, port, SETTING, faults, {"gemini-live": sim.tool_calls})


def gemini_chat(
    port: PortOption = 8089,
    token_ms: Annotated[float, typer.Option(callback=_ms, help="Pause before each token")] = 20,
    first_token_ms: Annotated[float, typer.Option(callback=_ms, help="Pause before the first")] = 0,
    api_key: KeyOption = None,
    tool_call: CallOption = None,
    fault: FaultOption = None,
) -> None:
    """Gemini's generateContent, streamed."""
    with command_errors(console):
        try:
            from bargein_simulators import gemini_chat as chat  # noqa: PLC0415
        except ModuleNotFoundError:
            raise _missing() from None
        from bargein_simulators.tool_calls import read_tool_calls  # noqa: PLC0415

        sim = chat.GeminiChatSimulator(token_ms=token_ms, first_token_ms=first_token_ms, api_key=api_key)
        sim.tool_calls.extend(read_tool_calls(tool_call))
        sim.faults.extend(_known(fault, chat.Fault))
        app = _app("Gemini")
        chat.add_gemini_chat(app, sim)
        faults: dict[str, tuple[deque[Any], Any]] = {"gemini-chat": (sim.faults, chat.Fault)}
        _serve(app, port, SETTING, faults, {"gemini-chat": sim.tool_calls})
