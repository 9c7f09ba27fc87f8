"""`bargein drain`: a server takes no new call, and this shows how many are left until none is."""

from __future__ import annotations

import http.client
import json
import os
import time
import urllib.error
import urllib.request
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console

from bargein.errors import BargeinError, CommandRefused, Unavailable
from bargein.foreign import printable

LOOK_S = 1.0  # between two looks at the calls
ANSWER_S = 10.0
ANSWER_BYTES = 16 << 20
GONE_LOOKS = 3  # without an answer; then the server has ended
UNAUTHORIZED = 401

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
    base = (url or f"http://127.0.0.1:{os.environ.get('BARGEIN_PORT') or 8080}").rstrip("/")
    if not base.startswith(("http://", "https://")):
        raise Unavailable(f"{printable(base, 200)!r} is no address", advice="Write http://HOST:PORT")
    if undo:
        told = _ask(base, "DELETE", f"/drain?node={quote(node)}" if node else "/drain")
        console.print(f"{_names(told)} takes calls again", highlight=False)
        return
    told = _ask(base, "POST", "/drain", {"move": now, "node": node})
    console.print(f"{_names(told)} takes no new calls", highlight=False)
    _wait(base, {str(each["node"]) for each in told["nodes"]})


def _wait(base: str, nodes: set[str]) -> None:
    """Until the nodes have no calls, or are gone."""
    silent = 0
    with console.status("...") as status:
        while silent < GONE_LOOKS:
            try:
                known = _ask(base, "GET", "/nodes")["nodes"]
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


def _ask(base: str, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Raises Unavailable where no server of ours answers, CommandRefused for a refusal."""
    headers = {"Content-Type": "application/json"}
    if token := os.environ.get("BARGEIN_TOKEN", "").strip():
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    try:
        request = urllib.request.Request(base + path, data, headers, method=method)  # noqa: S310  # http, as checked
        with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:  # noqa: S310
            status, text = answer.status, answer.read(ANSWER_BYTES)
    except urllib.error.HTTPError as error:
        with error:
            status, text = error.code, error.read(ANSWER_BYTES)
    except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: of addresses that are none
        why = getattr(error, "reason", None) or error
        raise Unavailable(
            f"No server answers at {printable(base, 200)}: {why}",
            advice="Name its address: bargein drain http://HOST:PORT",
        ) from error
    return _told(base, status, text)


def _told(base: str, status: int, text: bytes) -> dict[str, Any]:
    try:
        told = json.loads(text)
        if status < 300:
            return dict(told)
        error = told["error"]
        code, message, advice = str(error["code"]), str(error["message"]), str(error["advice"])
    except (ValueError, KeyError, TypeError):
        raise Unavailable(
            f"What answers at {printable(base, 200)} is no server of Bargein ({status})",
            advice="Name the address of one, with the path under which it is",
        ) from None
    if status == UNAUTHORIZED:
        advice = "Set BARGEIN_TOKEN to the server's token"
    raise CommandRefused(status, code, message, advice=advice)


def _names(told: dict[str, Any]) -> str:
    return ", ".join(printable(str(each["node"]), 60) for each in told["nodes"])
