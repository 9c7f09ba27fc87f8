"""`bargein simulate anthropic`."""

from __future__ import annotations

from collections import deque
from typing import Annotated, Any

import typer

from bargein_simulators.command_errors import command_errors
from bargein_simulators.commands import (
    CallOption,
    FaultOption,
    KeyOption,
    PortOption,
    _app,
    _known,
    _ms,
    _serve,
    console,
)


def anthropic(
    port: PortOption = 8089,
    token_ms: Annotated[float, typer.Option(callback=_ms, help="Pause before each token")] = 20,
    api_key: KeyOption = None,
    tool_call: CallOption = None,
    fault: FaultOption = None,
) -> None:
    """Anthropic's Messages API: streamed answers, and tools."""
    with command_errors(console):
        from bargein_simulators import anthropic as llm  # noqa: PLC0415
        from bargein_simulators.tool_calls import read_tool_calls  # noqa: PLC0415

        sim = llm.AnthropicSimulator(token_ms=token_ms, api_key=api_key)
        sim.tool_calls.extend(read_tool_calls(tool_call))
        sim.faults.extend(_known(fault, llm.Fault))
        app = _app("Anthropic")
        llm.add_anthropic(app, sim)
        faults: dict[str, tuple[deque[Any], Any]] = {"anthropic": (sim.faults, llm.Fault)}
        _serve(app, port, "BARGEIN_ANTHROPIC_URL=http://{}", faults, {"anthropic": sim.tool_calls})
