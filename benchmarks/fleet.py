"""Many nodes on one machine: `python -m benchmarks --only fleet`. Nodes, Redis, HAProxy and callers share its cores."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bargein_bench.machine import machine
from benchmarks import fleet_commands, fleet_deaths, fleet_paper, fleet_restarts, fleet_workers
from benchmarks.phone import at_eight
from benchmarks.sounds import VoiceClip
from benchmarks.table import Check, SpreadRow, show

PARTS = ("deaths", "restarts", "redis", "commands", "workers", "paper")


def measure(
    console: Console,
    sounds: Sequence[VoiceClip],
    *,
    parts: Sequence[str] = PARTS,
    quick: bool = False,
    as_json: Path | None = None,
) -> None:
    """All parts, or those that are named, each with its table. quick: fewer calls, nodes and commands."""
    number = 9 if quick else 60
    rows: list[SpreadRow | Check] = []
    facts: dict[str, object] = {}
    if "deaths" in parts:
        for name, played_out in (("buffer discarded", False), ("buffer played out", True)):
            console.print(f"A node dies under {number} calls ({name}) ...")
            rows += asyncio.run(fleet_deaths.run(number, played_out=played_out)).rows(f"{number} calls, {name}")
    if "restarts" in parts:
        console.print(f"Three nodes are restarted under {number} calls ...")
        rows += asyncio.run(fleet_restarts.restart(number)).rows()
    if "redis" in parts:
        console.print(f"Redis dies under {number} calls ...")
        rows += asyncio.run(fleet_restarts.outage(number)).rows()
    if "commands" in parts:
        console.print("Commands go from node to node ...")
        rows += fleet_commands.rows(100 if quick else 1000)
    if "workers" in parts:
        console.print("One process and two are called by more and more callers ...")
        rows += fleet_workers.rows(at_eight(sounds), (10,) if quick else (40, 60, 80, 100, 120, 140, 160, 200))
    if rows:
        show(console, rows)
    if "paper" in parts:
        facts = fleet_paper.measure(console, quick=quick)
    if as_json is not None:
        found = {"machine": machine(), "rows": [row.facts() for row in rows], "paper": facts}
        as_json.write_text(json.dumps(found, indent=1, default=float))  # numpy has numbers of its own
