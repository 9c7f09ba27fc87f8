"""`bargein fleet`: the nodes and calls of a fleet, as any node of it knows them."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bargein.cli.server_answers import RunningServer
from bargein.errors import BargeinError, CommandRefused
from bargein.foreign import printable

LOOK_S = 1.0  # between an answer and the next question
LEAST_ROWS = 5  # of calls, however low the window is
AROUND = 12  # lines of the screen that are no calls and no nodes
HIGH = 0.8  # of a node's capacity
CELL = 60  # characters


def fleet_command(
    url: Annotated[str | None, typer.Argument(help="Any node's address; default: this machine, BARGEIN_PORT")] = None,
    once: Annotated[bool, typer.Option("--once", help="Show it once, with every call")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print it once, as JSON")] = False,
) -> None:
    """Watch the nodes of a fleet and their calls. Needs BARGEIN_TOKEN where the server does. Ctrl-C ends it."""
    server = RunningServer(url)
    known = look(server)
    if as_json:
        typer.echo(json.dumps(known))
        return
    console = Console()
    if once:
        console.print(picture(known, most=None))
        return
    try:
        with Live(console=console, auto_refresh=False, screen=console.is_terminal) as live:
            while True:
                live.update(picture(known, most=max(LEAST_ROWS, console.height - AROUND)), refresh=True)
                time.sleep(LOOK_S)
                known = _again(server, known)
    except KeyboardInterrupt:
        pass  # as it is told


def look(server: RunningServer) -> dict[str, Any]:
    """Everything that is known now. `unknown`: what is not, and why. Raises Unavailable, CommandRefused."""
    unknown: list[str] = []
    there: dict[str, Any] = {"here": "", "nodes": []}
    listed = server.get("/calls")
    try:
        there = server.get("/nodes")
    except CommandRefused as error:
        if error.status != 503:
            raise
        unknown.append(str(error))
    if listed.get("unknown"):
        unknown.append(str(listed["unknown"]))
    found = {"here": there["here"], "nodes": there["nodes"], "calls": listed["calls"], "finished": listed["finished"]}
    return found | {"unknown": " ".join(unknown) or None}


def _again(server: RunningServer, before: dict[str, Any]) -> dict[str, Any]:
    """The next look. A server that does not answer leaves what was known."""
    try:
        return look(server)
    except BargeinError as error:
        return before | {"unknown": f"{error} What stands here is older"}


def picture(known: dict[str, Any], *, most: int | None) -> Group:
    """The two tables. most: calls that are shown."""
    parts: list[Table | Text] = []
    if known["nodes"]:
        parts.append(_nodes(known))
    parts.append(_calls(known["calls"], most))
    if known["unknown"]:
        parts.append(Text(printable(str(known["unknown"]), 600), style="bold red"))
    return Group(*parts)


def _nodes(known: dict[str, Any]) -> Table:
    table = Table("node", "state", "load", "calls", "late", "version", title="Nodes", title_justify="left")
    for node in known["nodes"]:
        load = node["load"]
        state = "draining" if node["draining"] else "ready" if node["ready"] else "starting"
        mark = " *" if node["id"] == known["here"] else ""
        table.add_row(
            _text(f"{node['id']}{mark}"),
            Text(state, style="green" if state == "ready" else "yellow"),
            Text(f"{load['used']:.0%}", style="red" if load["used"] >= HIGH else ""),
            f"{load['calls']} of {load['most']}",
            f"{load['late_ms']:.0f} ms",
            _text(node["version"]),
        )
    return table


def _calls(calls: list[dict[str, Any]], most: int | None) -> Table:
    shown = calls if most is None else calls[:most]
    left = len(calls) - len(shown)
    table = Table("call", "state", "lasted", "agent", "node", "who", title=f"Calls: {len(calls)}", title_justify="left")
    for call in shown:
        facts = call.get("facts") or {}
        minutes, seconds = divmod(int(call["lasted_ms"] / 1000), 60)
        who = " > ".join(str(facts[end]) for end in ("from", "to") if facts.get(end)) or "page"
        cells = (call["id"], call["state"], f"{minutes}:{seconds:02}", call["agent"], call.get("node", ""), who)
        table.add_row(*(_text(cell) for cell in cells))
    if left:
        table.caption = f"{left} more: --once shows every call"
    return table


def _text(value: object) -> Text:
    """Foreign text: on one line, and no markup."""
    return Text(printable(str(value), CELL))
