"""`bargein tune`: the command."""

from __future__ import annotations

import json
import os
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bargein.errors import UsageError
from bargein_bench.tuning import show, truth
from bargein_bench.tuning.ending_score import propose
from bargein_bench.tuning.page import page
from bargein_bench.tuning.records import gather
from bargein_bench.tuning.score import ScoreLimits
from bargein_bench.tuning.search import search
from bargein_bench.tuning.space import parse_fixed
from bargein_simulators.command_errors import command_errors


class By(StrEnum):
    """Which percentile of the cut latency is to be short."""

    P50 = "p50"
    P95 = "p95"


def tune(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Recorded calls, as `bargein serve --record` writes them")
    ],
    *,
    limit: Annotated[float, typer.Option(min=0, max=1, help="Most false stops, as a share of what is no turn")] = 0.02,
    missed: Annotated[float, typer.Option(min=0, max=1, help="Most missed interruptions, as a share")] = 0.01,
    labels: Annotated[
        Path | None, typer.Option(help="What a person would do, by line; DIR/labels.jsonl if any")
    ] = None,
    tries: Annotated[int, typer.Option("--try", min=0, help="Policies to draw, before those beside the best")] = 200,
    fixed: Annotated[list[str] | None, typer.Option("--set", help="name=value: a number that stays as it is")] = None,
    by: Annotated[By, typer.Option(help="The latency of the cut that is to be short")] = By.P50,
    seed: Annotated[int, typer.Option(help="Of the draws: the same seed tries the same policies")] = 1,
    jobs: Annotated[int, typer.Option(min=0, help="Processes; 0: one for each core")] = 0,
    as_json: Annotated[Path | None, typer.Option("--json", help="Write what was found here, too")] = None,
    report: Annotated[
        Path | None, typer.Option(help="The trade-off drawn, with its policies, as one HTML file")
    ] = None,
) -> None:
    """Let recorded calls decide again under other policies, and propose one. Exit code 1: none keeps the limits."""
    with command_errors(Console(stderr=True)):
        found = run(
            folder,
            ScoreLimits(limit, missed, float(by.value[1:])),
            labels=labels,
            tries=tries,
            fixed=fixed or [],
            seed=seed,
            jobs=jobs or len(os.sched_getaffinity(0)),
        )
    if as_json is not None:
        as_json.write_text(json.dumps(show.facts(found), indent=1) + "\n")
    if report is not None:
        report.write_text(page(found), "utf-8")
    wide = Console()
    show.show(wide if wide.is_terminal else Console(width=160), found)
    if not found.found.within:
        raise typer.Exit(1)


def run(
    folder: Path,
    limits: ScoreLimits,
    *,
    labels: Path | None = None,
    tries: int = 200,
    fixed: list[str],
    seed: int = 1,
    jobs: int = 1,
) -> show.TuningReport:
    """Read the calls and search. Raises UsageError without a usable call, and for values that no policy has."""
    numbers = parse_fixed(fixed)
    beside = folder / truth.FILE
    path = labels or (beside if beside.is_file() else None)
    known, bad = truth.read_labels(path) if path is not None else ({}, 0)
    errors = Console(stderr=True)
    with errors.status(f"Reading calls in {folder} ...") as status:
        gathered = gather(folder, known, jobs)
        scored = sum(e.want is not None for call in gathered.calls for e in call.episodes)
        if not scored:
            raise UsageError(
                f"{len(gathered.calls)} calls in {folder} hold nothing that can be scored",
                advice=f"Record calls in which people speak over the agent, or say in {truth.FILE} what was right",
            )
        began = time.perf_counter()
        tried = 0

        def on_tried(number: int) -> None:
            nonlocal tried
            tried = number
            status.update(f"{number} policies on {len(gathered.calls)} calls ...")

        found = search(gathered.calls, limits, tries=tries, fixed=numbers, seed=seed, jobs=jobs, on_tried=on_tried)
        seconds = time.perf_counter() - began
    speed = show.Speed(tried * len(gathered.calls), tried * scored, seconds, jobs)
    ends = [ending for call in gathered.calls for ending in call.endings]
    return show.TuningReport(gathered, found, limits, speed, bad, propose(ends, found.base, tuple(numbers)))
