"""`bargein call`: a running server calls a phone, and this shows how the call goes until it is over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.console import Console

from bargein.cli.server_answers import RunningServer
from bargein.foreign import printable

MOST_CONNECTIONS = 5  # for the events of one call: each is lost once, at most
EXIT = {"busy": 3, "no answer": 4}
NOT_ANSWERED = 1

console = Console()


def call_command(
    to: Annotated[str, typer.Argument(help="A number such as +4930123456, or sip:user@host")],
    agent: Annotated[str | None, typer.Option(help="The agent that speaks; default: the server's first")] = None,
    policy: Annotated[str | None, typer.Option(help="instant, balanced or patient")] = None,
    language: Annotated[str | None, typer.Option(help="Language of the call, such as de")] = None,
    caller: Annotated[str | None, typer.Option("--from", help="As whom the callee sees the call")] = None,
    via: Annotated[str | None, typer.Option(help="sip or twilio, for a number; default: what the server has")] = None,
    ring_s: Annotated[float, typer.Option(help="Seconds that it may ring", min=1, max=180)] = 60,
    url: Annotated[str | None, typer.Option(help="The server's address; default: this machine, BARGEIN_PORT")] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Only say the call's id")] = False,
) -> None:
    """Have a running server call a phone, by Twilio or by SIP.

    Needs BARGEIN_TOKEN where the server does. Ctrl-C hangs up. Exit code 3: busy; 4: no answer; 1: not answered for
    another reason. What the server needs: docs/outbound.md.
    """
    server = RunningServer(url)
    wanted = {"to": to, "agent": agent, "policy": policy, "language": language, "from": caller, "ring_s": ring_s}
    call_id = str(server.ask("POST", "/calls", wanted | ({"via": via} if via else {}))["id"])
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
        why = over.removeprefix("not answered: ")
        raise typer.Exit(next((code for words, code in EXIT.items() if why.startswith(words)), NOT_ANSWERED))


def _watch(server: RunningServer, call_id: str) -> str:
    """Until the call is over; why it is."""
    shown: set[str] = set()
    for _ in range(MOST_CONNECTIONS):
        for event in server.events(f"/calls/{call_id}/events"):
            for line in _lines(event):
                if line not in shown or line.startswith("  "):
                    console.print(printable(line, 400), highlight=False)
                shown.add(line)
        status = server.get(f"/calls/{call_id}")
        if status["over"] is not None:
            return str(status["over"])
    return "the events of the call are lost; look at the call's page"


def _lines(event: dict[str, Any]) -> Iterator[str]:
    """What a person is shown of an event."""
    match event:
        case {"type": "call" | "state", "state": str(state)} if state in ("dialing", "ringing"):
            yield state
        case {"type": "call" | "state", "state": str(_)}:
            yield "answered"
        case {"type": "transcript", "role": "user", "text": str(text), "final": True}:
            yield f"  callee: {text}"
        case {"type": "transcript", "role": "agent", "text": str(text)} if text:
            yield f"  agent: {text}"
        case {"type": "decision", "kind": "machine", "why": str(why)}:
            yield f"  {why}"
        case _:
            pass
