"""`bargein simulate twilio URL`: calls a server as Twilio would."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bargein.audio.pcm import Samples
from bargein.audio.resample import resample
from bargein.vendors.local.espeak import say
from bargein_bench.callers import call_script
from bargein_bench.callers.caller_audio import Echo, Step
from bargein_bench.callers.crowd import CallPlan, CallRun, percentiles, run
from bargein_bench.callers.telephone import RATE
from bargein_bench.callers.twilio_call import NetworkManners
from bargein_simulators.command_errors import command_errors

SENTENCES = ("Wait, stop. I have a question.", "No, that is not what I asked for.", "Excuse me, can I say something?")
FIRST_MS, EVERY_MS = 3_000.0, 6_000.0


def simulate_twilio(
    url: Annotated[
        str,
        typer.Argument(help="A voice webhook (http://...), or a stream (ws://...) of any server"),
    ],
    *,
    calls: Annotated[int, typer.Option(min=1, help="Calls at once")] = 1,
    seconds: Annotated[float, typer.Option(min=1, help="How long each lasts")] = 30,
    wav: Annotated[Path | None, typer.Option(help="Speech that interrupts; otherwise sentences by espeak")] = None,
    script: Annotated[Path | None, typer.Option(help="JSON list of steps, instead")] = None,
    pid: Annotated[
        int | None, typer.Option(help="Process id of the server on this machine: its CPU and memory are measured")
    ] = None,
    as_json: Annotated[Path | None, typer.Option("--json", help="Write the numbers here, too")] = None,
    way_ms: Annotated[float, typer.Option(help="Delay of the network, one way")] = 0,
    echo_ms: Annotated[float, typer.Option(help="The agent's echo comes back so much later")] = 0,
    echo_db: Annotated[float, typer.Option(help="and at this level")] = -20,
    parameter: Annotated[list[str] | None, typer.Option(help="name=value, to the stream's customParameters")] = None,
    auth_token: Annotated[
        str | None, typer.Option(envvar="TWILIO_AUTH_TOKEN", help="Sign webhooks and streams with it", show_envvar=True)
    ] = None,
    fallback: Annotated[str | None, typer.Option(help="Webhook for calls whose own cannot be reached")] = None,
    played_out: Annotated[
        bool, typer.Option("--played-out", help="What is buffered when a stream ends is played; else it is discarded")
    ] = False,
) -> None:
    """Call a server as Twilio would, interrupt it, and measure at the caller's ear how it yields.

    A webhook's answer is followed as Twilio does: a stream that ends leads to the action of its <Connect>, and so on.
    """
    console = Console(width=120)
    with command_errors(console):
        steps = call_script.read(script) if script is not None else None
        clips = [] if steps is not None else asyncio.run(clips_of(wav))
        lasts_ms = seconds * 1000
        parameters = dict(pair.partition("=")[::2] for pair in parameter or [])

        def steps_of(number: int) -> list[Step]:
            if steps is not None:
                return steps
            return call_script.every(clips, FIRST_MS + number * 41 % 1000, EVERY_MS, lasts_ms, number)

        echo = Echo(echo_ms, echo_db) if echo_ms else None
        manners = NetworkManners(auth_token=auth_token or None, fallback=fallback, played_out=played_out)
        line: dict[str, Any] = {"echo": lambda _: echo, "way_ms": way_ms, "parameters": parameters}
        plan = CallPlan(url, calls, lasts_ms, steps_of, manners=manners, **line)
        done = asyncio.run(run(plan, pid))
    show(console, done)
    if as_json is not None:
        summary = done.summary() | {"each": [score.facts() for score in done.scores]}
        as_json.write_text(json.dumps(summary, indent=1))
    if not done.scores:
        raise typer.Exit(1)


async def clips_of(wav: Path | None) -> list[tuple[str, Samples]]:
    if wav is not None:
        return [(wav.name, call_script.wav(wav))]
    return [(text, resample((await say(text))[0], RATE).samples) for text in SENTENCES]


def show(console: Console, done: CallRun) -> None:
    """Print the summary as tables."""
    summary = done.summary()
    table = Table("ms", "n", "p50", "p95", "p99", "max", title=f"{summary['calls']} calls", title_justify="left")
    first = [s.first_audio_ms for s in done.scores if s.first_audio_ms is not None]
    again = [waited for result in done.results for _, waited in result.silences()]
    rows = [("onset to silence", done.stops), ("answer after it", done.answers), ("first audio", first)]
    if again:
        rows.append(("heard again", again))
    for what, values in rows:
        numbers = percentiles(values)
        shown = [f"{numbers[k]:.0f}" if k in numbers else "" for k in ("p50", "p95", "p99", "max")]
        table.add_row(what, str(numbers["n"]), *shown)
    console.print(table)
    facts = ("misses", "stale_ms", "frames", "frames_late", "gap_ms", "most_queued_ms", "clears", "faults", "failed")
    for name in (*facts, "errors", "server_cores_per_call", "server_rss_mb", "server_grown_mb"):
        value = summary[name]
        if value not in (None, {}):
            console.print(f"  {name:24} {value:.4g}" if isinstance(value, float) else f"  {name:24} {value}")
