"""`bargein replay`: a recorded call is decided again, by its own policy or by another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bargein.floor import Policy
from bargein.floor.numbers import parse_numbers
from bargein.recorder.reading import read
from bargein.recorder.replay import Decided, ReplayResult, replay

console = Console()


def replay_command(
    file: Annotated[Path, typer.Argument(help="A call's events.jsonl, or its folder")],
    policy: Annotated[str | None, typer.Option(help="Decide by this preset instead")] = None,
    change: Annotated[list[str] | None, typer.Option("--set", help="name=value: decide by another number")] = None,
    all_actions: Annotated[bool, typer.Option("--all", help="Also show what only listens or passes over")] = False,
) -> None:
    """Decide a recorded call again.

    Exit code 1: the same policy decides otherwise than was recorded.
    """
    recording = read(file)
    other = _other_policy(recording.header.policy, policy, change or [])
    result = replay(recording, other)
    _show(result, all_actions=all_actions)
    torn = f", {recording.torn} lines torn" if recording.torn else ""
    console.print(
        f"{result.events} events, {result.actions} actions recorded{torn}; {len(result.differences)} differences"
        + (f" under {other.preset}" if other else ""),
        highlight=False,
    )
    if other is None and result.differences:
        raise typer.Exit(1)


def _other_policy(recorded: Policy, preset: str | None, changes: Sequence[str]) -> Policy | None:
    """The policy that is asked for; None: the recorded one. Raises UsageError."""
    if preset is None and not changes:
        return None
    base = Policy.named(preset) if preset is not None else recorded
    return base.with_(parse_numbers(changes))


def _show(result: ReplayResult, *, all_actions: bool) -> None:
    table = Table("at ms", "", "decision", "reply", "why", box=None, pad_edge=False)
    for decided in result.decisions:
        kind = type(decided.action).__name__.lower()
        if decided.same and not all_actions and kind in ("listen", "readwords", "ignore", "dismiss"):
            continue
        mark, style = _mark(decided)
        reply = getattr(decided.action, "reply", None)
        table.add_row(
            f"{decided.at_ms:.0f}", mark, kind, "" if reply is None else str(reply), decided.action.why, style=style
        )
    console.print(table)


def _mark(decided: Decided) -> tuple[str, str]:
    if decided.same:
        return "", ""
    return ("-", "red") if decided.recorded else ("+", "green")
