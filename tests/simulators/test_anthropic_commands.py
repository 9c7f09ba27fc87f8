"""`bargein simulate anthropic`, as it is called."""

from __future__ import annotations

import socket

import pytest
import typer
import uvicorn
from fastapi import FastAPI
from typer.testing import CliRunner

from bargein_simulators.anthropic_commands import anthropic


@pytest.mark.parametrize(
    ("arguments", "exit_code", "told"),
    [
        (["--fault", "529"], 0, "BARGEIN_ANTHROPIC_URL=http://127.0.0.1:"),
        (["--fault", "no such"], 2, "There is no fault"),
        (["--tool-call", "look [1]"], 2, "is no tool call"),
    ],
)
def test_it_serves_the_messages_api_and_says_what_it_does_not_know(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], exit_code: int, told: str
) -> None:
    served: list[object] = []

    def run(server: uvicorn.Server, sockets: list[socket.socket]) -> None:
        served.append(server.config.app)

    monkeypatch.setattr(uvicorn.Server, "run", run)
    app = typer.Typer()
    app.command()(anthropic)
    result = CliRunner().invoke(app, ["--port", "0", *arguments])
    assert (result.exit_code == 0, told in result.output) == (exit_code == 0, True), result.output
    for made in served:
        assert isinstance(made, FastAPI)
        assert "/v1/messages" in {getattr(route, "path", "") for route in made.routes}
    assert bool(served) == (exit_code == 0)
