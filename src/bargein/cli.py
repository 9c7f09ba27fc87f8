"""`bargein`: serve, demo, replay, bench, simulate."""

from __future__ import annotations

import logging
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table

from bargein.errors import BargeinError, UsageError
from bargein.floor import Policy
from bargein.floor.numbers import parse_numbers
from bargein.recorder.reading import read
from bargein.recorder.replay import Decided, ReplayResult, replay
from bargein.server.doctor import doctor_command
from bargein.server.serve import serve as run_server
from bargein.server.settings import Settings
from bargein_bench.callers.command import simulate_twilio
from bargein_bench.command import bench
from bargein_bench.tuning.command import tune
from bargein_simulators.commands import add_commands

app = typer.Typer(
    help="Voice agents that can be interrupted as a person can.", no_args_is_help=True, pretty_exceptions_enable=False
)
simulators = typer.Typer(help="Vendors' wire protocols, spoken locally.", no_args_is_help=True)
app.add_typer(simulators, name="simulate")
app.command("bench")(bench)
app.command("tune")(tune)
app.command("doctor")(doctor_command)
simulators.command("twilio")(simulate_twilio)
add_commands(simulators)
console = Console()
errors = Console(stderr=True)

AgentOption = Annotated[
    str | None, typer.Option(help="guide, cascade, voxtral, openai-realtime, FILE.py:NAME, FILE.toml")
]
SimulateOption = Annotated[bool, typer.Option("--simulate", help="Our simulators stand in for every vendor: no key")]
HostOption = Annotated[str | None, typer.Option(help="Address to listen on; others than 127.0.0.1 need BARGEIN_TOKEN")]
PortOption = Annotated[int | None, typer.Option(help="Port to listen on; 0: any that is free")]
PolicyOption = Annotated[str | None, typer.Option(help="instant, balanced or patient, for every call")]
RecordOption = Annotated[Path | None, typer.Option(help="Folder for what happened in each call")]
NoRecordOption = Annotated[bool, typer.Option("--no-record", help="Keep no record of calls")]
OriginOption = Annotated[list[str] | None, typer.Option(help="Another site whose pages may call; may be repeated")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Say more in the log")]


def _settings(
    agent: str | None,
    host: str | None,
    port: int | None,
    policy: str | None,
    record: Path | None,
    no_record: bool,
    origin: Sequence[str] | None,
    *,
    simulate: bool = False,
) -> Settings:
    """What the command line says stands above the environment. Raises Misuse."""
    if policy is not None:
        Policy.named(policy)
    given = {"agent": agent, "host": host, "port": port, "policy": policy, "record": record, "origins": origin or None}
    chosen: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    if no_record:
        chosen["record"] = None
    if simulate:
        chosen["simulate"] = True
    try:
        return Settings(**chosen)  # type: ignore[arg-type]  # pydantic checks each
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"])
        raise UsageError(
            f"Setting {name}: {first['msg']}", advice=f"Change --{name} or BARGEIN_{name.upper()}"
        ) from None


def _run(settings: Callable[[], Settings], *, verbose: bool, on_ready: Callable[[str], None] | None = None) -> None:
    handler = RichHandler(console=errors, show_path=False, markup=False)
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(message)s", handlers=[handler])
    try:
        started = run_server(settings(), console, on_ready=on_ready)
    except BargeinError as error:
        _fail(error)
    except KeyboardInterrupt:
        return  # uvicorn has shut down in good order, and then tells how it was asked to
    if not started:
        raise typer.Exit(1)


def _fail(error: BargeinError) -> NoReturn:
    errors.print(f"[red]{type(error).__name__}[/red]: ", end="", highlight=False)
    errors.print(str(error), markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(2)


@app.command()
def serve(
    agent: AgentOption = None,
    host: HostOption = None,
    port: PortOption = None,
    policy: PolicyOption = None,
    record: RecordOption = None,
    no_record: NoRecordOption = False,
    origin: OriginOption = None,
    simulate: SimulateOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Serve calls, and the page to make them with. Every option is also a BARGEIN_* setting."""
    _run(lambda: _settings(agent, host, port, policy, record, no_record, origin, simulate=simulate), verbose=verbose)


@app.command()
def demo(
    agent: AgentOption = None,
    port: PortOption = None,
    policy: PolicyOption = None,
    simulate: SimulateOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Serve, open the page, and let the dummy caller show what can happen."""

    def show(url: str) -> None:
        if not webbrowser.open(f"{url}/?dummy=1"):
            console.print(f"Open {url}/?dummy=1 in a browser", highlight=False, soft_wrap=True)

    _run(
        lambda: _settings(agent, None, port, policy, None, False, None, simulate=simulate),
        verbose=verbose,
        on_ready=show,
    )


@app.command("replay")
def replay_command(
    file: Annotated[Path, typer.Argument(help="A call's events.jsonl, or its folder")],
    policy: Annotated[str | None, typer.Option(help="Decide by this preset instead")] = None,
    change: Annotated[list[str] | None, typer.Option("--set", help="name=value: decide by another number")] = None,
    all_actions: Annotated[bool, typer.Option("--all", help="Also show what only listens or passes over")] = False,
) -> None:
    """Decide a recorded call again. Exit code 1: the same policy decides otherwise than was recorded."""
    try:
        recording = read(file)
        other = _other_policy(recording.header.policy, policy, change or [])
        result = replay(recording, other)
    except BargeinError as error:
        _fail(error)
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
