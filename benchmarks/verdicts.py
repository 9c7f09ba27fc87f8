"""`python -m benchmarks --only verdicts`: what ends a reply, and what ends a turn.

Three parts: looks at single recordings (words by sound, voices, echo), each in a module of its own; calls over the
telephone in which a caller interrupts, laughs, coughs and is silent; and the ends of turns. Every row has its n and its
95 % interval. Without a folder the sounds are those of the packages.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from rich.console import Console
from rich.table import Table

from bargein.errors import Unavailable, UsageError
from bargein_bench.machine import machine
from bargein_bench.measures import Measure
from bargein_bench.measures import measures as measures_of
from bargein_bench.report import write
from bargein_bench.scenarios.clips import Library
from benchmarks import verdicts_calls, verdicts_turns
from benchmarks.rows import Row, show_rows
from benchmarks.verdicts_turns import TurnFigures

# Modules with `rows(folder: Path | None) -> list[Row]`, and their titles.
LOOKS = {
    "benchmarks.verdicts_sound": "Words or no words, by sound",
    "benchmarks.verdicts_voices": "Whose voice",
    "benchmarks.verdicts_echo": "The agent's own echo",
    "benchmarks.verdicts_endings": "How much quiet ends a turn, without a call",
}
QUICK = 0.3  # share of the sounds
PARTS = ("looks", "calls", "turns")


def measure(
    console: Console,
    folder: Path | None,
    *,
    parts: Sequence[str] = PARTS,
    quick: bool = False,
    picture: Path | None = None,
    report: Path | None = None,
    as_json: Path | None = None,
) -> None:
    """Print the tables. quick: fewer sounds. picture: measure the curve of waiting against cutting in, and draw it.
    report: the calls as a report with the sound of what was heard wrongly."""
    if unknown := sorted(set(parts) - set(PARTS)):
        raise UsageError(f"There is no part {unknown[0]!r}", advice=f"Choose among {', '.join(PARTS)}")
    share = QUICK if quick else 1.0
    rows: dict[str, list[Row]] = {}
    spreads: dict[str, list[Measure]] = {}
    load = [os.getloadavg()[0]]
    if "looks" in parts:
        for module, title in LOOKS.items():
            if find_spec(module) is not None:
                rows[title] = _looks(console, module, folder)
                show_rows(console, title, rows[title])
    sounds = verdicts_calls.library(folder)
    if "calls" in parts:
        console.print("Callers interrupt, laugh, cough and are silent, for some minutes ...")
        calls = asyncio.run(verdicts_calls.run(sounds, share))
        title = "Calls over the telephone, words read by Moonshine"
        rows[title], spreads[title] = calls.rows, calls.spreads
        show_rows(console, title, calls.rows)
        show_spreads(console, "Times of these calls", calls.spreads)
        if report is not None:
            write(report, calls.results, measures_of(calls.results))
            console.print(f"Report, with the sound of what was heard wrongly: {report}", highlight=False)
    if "turns" in parts:
        console.print("Callers end their turns, and pause in the middle of others ...")
        title = "The end of a turn"
        figures = asyncio.run(_turns(sounds, share, curve=picture is not None))
        rows[title] = [each for f in figures[:2] for each in f.rows()]
        spreads[title] = [each for f in figures[:2] for each in f.spreads()]
        show_rows(console, title, rows[title])
        show_spreads(console, "Times of these turns", spreads[title])
        if picture is not None:
            fixed = [f for f in figures if f.name.startswith("fixed")]
            verdicts_turns.draw(picture, fixed, [f for f in figures if f not in fixed])
    load.append(os.getloadavg()[0])
    console.print(f"{machine()}; load before and after: {load[0]:.1f}, {load[1]:.1f}", highlight=False)
    if as_json is not None:
        facts = {
            "machine": machine(),
            "load": load,
            "sounds": sounds.counts(),
            "rows": {title: [each.facts() for each in of] for title, of in rows.items()},
            "times": {title: [each.facts() for each in of] for title, of in spreads.items()},
        }
        as_json.write_text(json.dumps(facts, indent=1))


def _looks(console: Console, module: str, folder: Path | None) -> list[Row]:
    """The rows of one module. Empty where a part of it is not installed, which is said."""
    try:
        return cast("Callable[[Path | None], list[Row]]", import_module(module).rows)(folder)
    except Unavailable as error:
        console.print(f"Left out: {error}", markup=False, highlight=False)
        return []


async def _turns(sounds: Library, share: float, *, curve: bool) -> list[TurnFigures]:
    """Today's policy and a fixed quiet first, and then the rest of the curve."""
    calls = verdicts_turns.scripts(sounds, share)
    fixed_ms = verdicts_turns.FIXED_MS
    done = [
        await verdicts_turns.run("by evidence", calls),
        await verdicts_turns.run(f"fixed {fixed_ms:.0f} ms", calls, verdicts_turns.fixed(fixed_ms)),
    ]
    if curve:
        for ms in verdicts_turns.CURVE_MS:
            if ms != fixed_ms:
                done.append(await verdicts_turns.run(f"fixed {ms:.0f} ms", calls, verdicts_turns.fixed(ms)))
        for by in verdicts_turns.SCALES:
            if by != 1.0:
                done.append(await verdicts_turns.run(f"by evidence, {by:g} of it", calls, verdicts_turns.scaled(by)))
    return done


def show_spreads(console: Console, title: str, spreads: Sequence[Measure]) -> None:
    """A table of times, each with its interval and n."""
    table = Table(title=title, title_justify="left")
    for name in ("what", "ms", "95 %", "n", "note"):
        table.add_column(name, justify="left" if name in ("what", "note") else "right")
    for each in spreads:
        if each.value is None or each.low is None or each.high is None:
            table.add_row(each.name, "none", "", "0", each.what)
        else:
            between = f"{each.low:.0f} to {each.high:.0f}"
            table.add_row(each.name, f"{each.value:.0f}", between, str(each.n), each.what)
    console.print(table)
