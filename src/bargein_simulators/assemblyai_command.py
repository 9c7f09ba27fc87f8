"""`bargein simulate assemblyai`."""

from __future__ import annotations

from collections import deque
from typing import Annotated, Any

import typer

from bargein.errors import Unavailable
from bargein_simulators.command_errors import command_errors
from bargein_simulators.commands import (
    FaultOption,
    KeyOption,
    PortOption,
    SayOption,
    _app,
    _known,
    _ms,
    _script,
    _serve,
    console,
)


def assemblyai(
    port: PortOption = 8091,
    say: SayOption = None,
    delay_ms: Annotated[float, typer.Option(callback=_ms, help="From audio to the messages about it")] = 80,
    api_key: KeyOption = None,
    fault: FaultOption = None,
    turn_fault: FaultOption = None,
) -> None:
    """AssemblyAI Universal-Streaming (/v3/ws). It finds real turns in the audio it gets."""
    with command_errors(console):
        try:
            from bargein_simulators import assemblyai as stt  # noqa: PLC0415
        except ModuleNotFoundError:
            advice = "Install the extra: bargein[assemblyai]"
            raise Unavailable("The package assemblyai is not installed", advice=advice) from None

        sim = stt.UniversalSimulator(words=_script(say), delay_ms=delay_ms, api_key=api_key)
        sim.faults.extend(_known(fault, stt.Fault))
        sim.turn_faults.extend(_known(turn_fault, stt.Fault))
        app = _app("AssemblyAI")
        stt.add_assemblyai(app, sim)
        queues: dict[str, tuple[deque[Any], Any]] = {
            "assemblyai": (sim.faults, stt.Fault),
            "assemblyai-turn": (sim.turn_faults, stt.Fault),
        }
        _serve(app, port, "BARGEIN_ASSEMBLYAI_URL=ws://{}/assemblyai", queues)
