"""`bargein simulate asterisk URL`: calls a server as Asterisk's WebSocket channel does."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from bargein_bench.callers import call_script
from bargein_bench.callers.asterisk_call import AsteriskCaller
from bargein_bench.callers.asterisk_queue import NEW, OLD, AsteriskRelease
from bargein_bench.callers.caller_audio import Step
from bargein_bench.callers.command import EVERY_MS, FIRST_MS, clips_of, show
from bargein_bench.callers.crowd import CallPlan, run
from bargein_simulators.command_errors import command_errors

RELEASES = {"22.6": OLD, "22.9": AsteriskRelease(), "22.11": NEW}


def simulate_asterisk(
    url: Annotated[str, typer.Argument(help="ws://HOST:PORT/asterisk/media, with ?token= where the server wants one")],
    *,
    calls: Annotated[int, typer.Option(min=1, help="Calls at once")] = 1,
    seconds: Annotated[float, typer.Option(min=1, help="How long each lasts")] = 30,
    wav: Annotated[Path | None, typer.Option(help="Speech that interrupts; otherwise sentences by espeak")] = None,
    script: Annotated[Path | None, typer.Option(help="JSON list of steps, instead")] = None,
    codec: Annotated[
        Literal["slin16", "slin", "slin24", "ulaw", "alaw"], typer.Option(help="Of the channel, as in c()")
    ] = "slin16",
    release: Annotated[
        Literal["22.6", "22.9", "22.11"], typer.Option(help="Of Asterisk; 22.6 has plain control and no marks")
    ] = "22.9",
    plain: Annotated[bool, typer.Option("--plain", help="Plain control, not JSON")] = False,
    dtx: Annotated[bool, typer.Option("--dtx", help="The caller's telephone sends nothing in silence")] = False,
    pid: Annotated[int | None, typer.Option(help="Process id of the server on this machine, to be measured")] = None,
    as_json: Annotated[Path | None, typer.Option("--json", help="Write the numbers here, too")] = None,
    way_ms: Annotated[float, typer.Option(help="Delay of the network, one way")] = 0,
    parameter: Annotated[list[str] | None, typer.Option(help="name=value, as in the dial option v()")] = None,
) -> None:
    """Call a server as Asterisk would, interrupt it, and measure at the caller's ear how it yields."""
    console = Console(width=120)
    with command_errors(console):
        steps = call_script.read(script) if script is not None else None
        clips = [] if steps is not None else asyncio.run(clips_of(wav))
        lasts_ms = seconds * 1000

        def steps_of(number: int) -> list[Step]:
            if steps is not None:
                return steps
            return call_script.every(clips, FIRST_MS + number * 41 % 1000, EVERY_MS, lasts_ms, number)

        as_text = plain or release == "22.6"
        caller = partial(AsteriskCaller, codec=codec, release=RELEASES[release], as_json=not as_text, dtx=dtx)
        parameters = dict(pair.partition("=")[::2] for pair in parameter or [])
        plan = CallPlan(url, calls, lasts_ms, steps_of, way_ms=way_ms, parameters=parameters, caller=caller)
        done = asyncio.run(run(plan, pid))
    show(console, done)
    if as_json is not None:
        summary = done.summary() | {"each": [score.facts() for score in done.scores]}
        as_json.write_text(json.dumps(summary, indent=1))
    if not done.scores:
        raise typer.Exit(1)
