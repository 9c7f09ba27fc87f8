"""`bargein dev`: serve an agent's file, and load it again when it changes."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from bargein.cli.demo import on_free_port, progress
from bargein.cli.run_command import ServeWith, serve_settings, with_settings
from bargein.cli.serve import (
    HostOption,
    NoRecordOption,
    PolicyOption,
    PortOption,
    RecordOption,
    SimulateOption,
    VerboseOption,
)
from bargein.errors import BargeinError, UsageError
from bargein.server.env_file import agent_file

if TYPE_CHECKING:
    from rich.console import Console

    from bargein.server.hub import Hub
    from bargein.server.reloading import Reloaded
    from bargein.server.settings import Settings


def dev(
    agent: Annotated[str, typer.Argument(help="FILE.py, FILE.py:NAME or FILE.toml")] = "agent.py",
    host: HostOption = None,
    port: PortOption = None,
    policy: PolicyOption = None,
    record: RecordOption = None,
    no_record: NoRecordOption = False,
    simulate: SimulateOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Serve an agent's file, and load it again whenever it changes.

    Watched are .py, .toml and .env in its folder. New calls get the new agent, calls that run go on with the one that
    they began with. A file with a mistake changes nothing, and the mistake is shown with its line. A port that is taken
    gives way to the next one that is free.
    """
    file = agent_file(agent)
    if file is None:
        raise UsageError(f"{agent} is no agent's file", advice="Give FILE.py, FILE.py:NAME or FILE.toml")
    if not file.is_file():
        raise UsageError(f"There is no file {file}", advice="Write an agent there first, or make one: bargein new")
    # Bytecode is found again by its source's second and length: two saves within a second would bring back the first.
    sys.dont_write_bytecode = True
    with_settings(
        _serve,
        verbose=verbose,
        no_record=no_record,
        agent=agent,
        host=host,
        port=port,
        policy=policy,
        record=record,
        simulate=simulate or None,
        workers=1,  # an agent is loaded again in the process that has its calls
        drain_s=None if os.environ.get("BARGEIN_DRAIN_S") else 0,  # Ctrl-C ends it at once
    )


def _serve(settings: Settings, console: Console) -> None:
    from bargein.server.env_file import read_env_file  # noqa: PLC0415  # only where a server is to run
    from bargein.server.reloading import FirstLoadFailed, wait_for_change  # noqa: PLC0415

    settings = on_free_port(settings, console)
    while True:
        try:
            _serve_reloading(settings, console)
        except FirstLoadFailed as error:
            show_mistake(error, console)
            console.print("[dim]Waiting until it changes[/dim]")
            if not wait_for_change(settings.agent):
                return
            read_env_file(settings.agent)
        else:
            return


def _serve_reloading(settings: Settings, console: Console) -> None:
    from bargein.server.reloading import Reloader  # noqa: PLC0415  # only where a server is to run

    reloader = Reloader(lambda reloaded: tell(reloaded, settings.agent, console))
    with progress(console) as stop:

        def started(hub: Hub) -> None:
            reloader.attach(hub.calls)
            stop()

        serve_settings(settings, console, ServeWith(agents=reloader.opened, on_hub=started))


def tell(reloaded: Reloaded, agent: str, console: Console) -> None:
    """What became of a change, in a line or two."""
    from rich.markup import escape  # noqa: PLC0415  # where a server runs, rich is imported already

    changed = ", ".join(reloaded.files)
    if reloaded.error is not None:
        show_mistake(reloaded.error, console)
        console.print("[dim]The agent as it was before answers until it is mended[/dim]", soft_wrap=True)
        return
    calls = {0: "", 1: "; 1 call goes on with the former"}.get(
        reloaded.calls, f"; {reloaded.calls} calls go on with the former"
    )
    line = f"[green]Loaded {escape(agent)} again[/green] in {reloaded.ms} ms ({escape(changed)}){calls}"
    console.print(line, highlight=False, soft_wrap=True)


def show_mistake(error: BargeinError, console: Console) -> None:
    """A mistake in the user's file: where, what, and what to do."""
    from rich.markup import escape  # noqa: PLC0415  # where a server runs, rich is imported already

    console.print(f"[red]{escape(error.message)}[/red]. {escape(error.advice)}", highlight=False, soft_wrap=True)
