"""`python -m benchmarks`: measures, and prints a table and the machine."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bargein_bench.machine import machine
from bargein_simulators.command_errors import command_errors
from benchmarks import (
    browser,
    cascade,
    doors,
    fleet,
    frameworks,
    frameworks_context,
    phone,
    realtime,
    server,
    verdicts,
    voxtral,
    words,
)
from benchmarks.sounds import clips
from benchmarks.table import Check, SpreadRow, show

app = typer.Typer(add_completion=False)


@app.command()
def main(
    *,
    only: Annotated[
        str,
        typer.Option(
            help="phone, cascade, realtime, voxtral, server, browser, words (all: empty); "
            "frameworks, context, verdicts, fleet, doors"
        ),
    ] = "",
    calls: Annotated[int, typer.Option(help="Calls at once, for the server")] = 50,
    times: Annotated[int, typer.Option(help="Interruptions in each browser run")] = 24,
    sounds: Annotated[Path | None, typer.Option(help="Folder of recordings with a manifest.json")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer telephones")] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Draw a telephone's cost, or (verdicts) waiting against cutting in, as SVG")
    ] = None,
    parts: Annotated[str, typer.Option(help="verdicts, fleet, doors: which parts, with commas (all: empty)")] = "",
    report: Annotated[Path | None, typer.Option(help="verdicts: the calls as a report, with their sound")] = None,
    as_json: Annotated[Path | None, typer.Option("--json", help="Write the numbers here, too")] = None,
) -> None:
    """Measure Bargein on this machine."""
    console = Console(width=140)
    if only == "frameworks":  # not among all: it takes half an hour, and needs the frameworks' environment
        frameworks.measure(console, quick=quick, folder=sounds, lines=as_json)
    if only in ("frameworks", "context"):
        frameworks_context.measure(console, quick=quick, lines=as_json)
        return
    chosen = [part.strip() for part in parts.split(",") if part.strip()]
    if only == "fleet":  # not among all: it takes a quarter of an hour, and every core
        fleet.measure(console, clips(sounds), parts=chosen or fleet.PARTS, quick=quick, as_json=as_json)
        return
    if only == "doors":  # not among all: it takes a quarter of an hour, and every core
        doors.measure(console, clips(sounds), parts=chosen, quick=quick, as_json=as_json)
        return
    if only == "verdicts":  # not among all: it takes some ten minutes
        with command_errors(console):
            verdicts.measure(
                console,
                sounds,
                parts=chosen or verdicts.PARTS,
                quick=quick,
                picture=plot,
                report=report,
                as_json=as_json,
            )
        return
    spoken = clips(sounds)
    console.print(f"{len(spoken)} interruptions are at hand.")
    rows: list[SpreadRow | Check] = []
    if only in ("", "browser"):
        console.print("A Chromium is being talked to, twice ...")
        rows += asyncio.run(browser.run(spoken, times))
    if only in ("", "server"):
        console.print(f"{calls} calls are being interrupted ...")
        rows += asyncio.run(server.run(spoken, calls, 4))
    if only in ("", "phone"):
        console.print("Telephones are ringing, for some minutes ...")
        rows += phone.measure(spoken, quick=quick, picture=plot)
    if only in ("", "cascade"):
        console.print("The cascade is being called, three times ...")
        rows += cascade.measure(spoken, number=10 if quick else calls)
    if only in ("", "realtime"):
        console.print("A speech model is being called, by WebRTC and by telephone ...")
        rows += realtime.measure(spoken, number=10 if quick else calls, times=times)
    if only in ("", "voxtral"):
        console.print("Voxtral is being interrupted, in a Chromium and in a process of its own ...")
        rows += voxtral.measure(spoken, times=times)
    if only in ("", "words"):
        console.print("Sentences are being cut ...")
        rows += words.measure()
    show(console, rows)
    if as_json is not None:
        as_json.write_text(json.dumps({"machine": machine(), "rows": [r.facts() for r in rows]}, indent=1))


if __name__ == "__main__":
    app()
