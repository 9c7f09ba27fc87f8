"""`bargein drain`: a server takes no new call, and this shows how many are left until none is."""

from __future__ import annotations

import time
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console

from bargein.cli.server_answers import RunningServer
from bargein.errors import BargeinError
from bargein.foreign import printable

LOOK_S = 1.0  # between two looks at the calls
GONE_LOOKS = 3  # without an answer; then the server has ended

console = Console()


def drain_command(
    url: Annotated[str | None, typer.Argument(help="The server's address; default: this machine, BARGEIN_PORT")] = None,
    now: Annotated[
        bool, typer.Option("--now", help="Move calls to other servers at once, at their next pause")
    ] = False,
    node: Annotated[str | None, typer.Option(help="Only this node; default: the server with all its workers")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take calls again")] = False,
) -> None:
    """Let a server take no new call, and wait until its calls are over.

    Calls may end by themselves for BARGEIN_DRAIN_S; then they move to other servers of the fleet, where there are some.
    Needs BARGEIN_TOKEN where the server does. Ctrl-C ends the waiting only.
    """
    server = RunningServer(url)
    if undo:
        told = server.ask("DELETE", f"/drain?node={quote(node)}" if node else "/drain")
        console.print(f"{_names(told)} takes calls again", highlight=False)
        return
    told = server.ask("POST", "/drain", {"move": now, "node": node})
    console.print(f"{_names(told)} takes no new calls", highlight=False)
    _wait(server, {str(each["node"]) for each in told["nodes"]})


def _wait(server: RunningServer, nodes: set[str]) -> None:
    """Until the nodes have no calls, or are gone."""
    silent = 0
    with console.status("...") as status:
        while silent < GONE_LOOKS:
            try:
                known = server.ask("GET", "/nodes")["nodes"]
            except BargeinError:
                silent += 1  # a server that has ended stays silent; one whose store is away comes back
            else:
                silent = 0
                left = sum(int(each["load"]["calls"]) for each in known if each["id"] in nodes)
                if not left:
                    console.print("No calls are left", highlight=False)
                    return
                status.update(f"{left} {'call is' if left == 1 else 'calls are'} left")
            time.sleep(LOOK_S)
    console.print("The server answers no more: it has ended, or cannot be reached", highlight=False)


def _names(told: dict[str, Any]) -> str:
    return ", ".join(printable(str(each["node"]), 60) for each in told["nodes"])
