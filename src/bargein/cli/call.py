"""`bargein call`: a running server calls a phone by SIP, and this shows how the call goes until it is over."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.console import Console

from bargein.cli.server_answers import RunningServer
from bargein.foreign import printable

LOOK_S = 0.5  # between two looks at the call

console = Console()


def call_command(
    to: Annotated[str, typer.Argument(help="sip:user@host, or a number such as +4930123456 by the server's trunk")],
    agent: Annotated[str | None, typer.Option(help="The agent that speaks; default: the server's first")] = None,
    policy: Annotated[str | None, typer.Option(help="instant, balanced or patient")] = None,
    language: Annotated[str | None, typer.Option(help="Language of the call, such as de")] = None,
    caller: Annotated[str | None, typer.Option("--from", help="As whom the callee sees the call")] = None,
    ring_s: Annotated[float, typer.Option(help="Seconds that it may ring", min=1, max=180)] = 60,
    url: Annotated[str | None, typer.Option(help="The server's address; default: this machine, BARGEIN_PORT")] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Only say the call's id")] = False,
) -> None:
    """Have a running server call a phone by SIP.

    The server needs --sip. Needs BARGEIN_TOKEN where the server does. Ctrl-C hangs up. Exit code 1: not answered.
    """
    server = RunningServer(url)
    wanted = {"to": to, "agent": agent, "policy": policy, "language": language, "from": caller, "ring_s": ring_s}
    call_id = str(server.ask("POST", "/calls", wanted)["id"])
    console.print(f"Call {call_id}", highlight=False)
    if no_wait:
        return
    try:
        over = _watch(server, call_id)
    except KeyboardInterrupt:
        server.ask("POST", f"/calls/{call_id}/hangup")
        over = _watch(server, call_id)
    console.print(f"Over: {printable(over, 200)}", highlight=False)
    if over.startswith("not answered"):
        raise typer.Exit(1)


def _watch(server: RunningServer, call_id: str) -> str:
    """Until the call is over; why it is."""
    shown = ""
    while True:
        told = server.get(f"/calls/{call_id}")
        if told["over"] is not None:
            return str(told["over"])
        state = str(told["state"])
        if state != shown:
            console.print(printable(state, 40), highlight=False)
            shown = state
        time.sleep(LOOK_S)
