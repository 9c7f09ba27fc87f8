"""`bargein simulate gemini-live` and `gemini-chat`."""

from __future__ import annotations

import socket

import pytest
import typer
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from google.genai import types
from typer.testing import CliRunner

from bargein_simulators.all_vendors import AllVendors, gemini_answer
from bargein_simulators.gemini_chat import GeminiRequest
from bargein_simulators.gemini_commands import gemini_chat, gemini_live


@pytest.fixture
def group() -> typer.Typer:
    made = typer.Typer()
    made.command("gemini-live")(gemini_live)
    made.command("gemini-chat")(gemini_chat)
    return made


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ("gemini-live", "/ws/google.ai.generativelanguage.{version}.GenerativeService.BidiGenerateContent"),
        ("gemini-chat", "/v1beta/models/{model}:{method}"),
    ],
)
def test_each_serves_its_wire_and_takes_its_faults_and_tool_calls(
    group: typer.Typer, monkeypatch: pytest.MonkeyPatch, command: str, path: str
) -> None:
    apps: list[tuple[FastAPI, int]] = []

    def run(server: uvicorn.Server, sockets: list[socket.socket]) -> None:
        assert isinstance(server.config.app, FastAPI)
        apps.append((server.config.app, sockets[0].getsockname()[1]))

    monkeypatch.setattr(uvicorn.Server, "run", run)
    result = CliRunner().invoke(group, [command, "--port", "0", "--fault", "500"])
    assert result.exit_code == 0, result.output
    [(app, port)] = apps
    assert f"BARGEIN_GOOGLE_URL=http://127.0.0.1:{port}" in result.output
    assert path in {route.path for route in app.routes if hasattr(route, "path")}
    client = TestClient(app)
    for fault, status in (("401", 200), ("flood", 422)):
        assert client.post(f"/simulator/{command}/faults", json={"faults": [fault]}).status_code == status
    assert client.post(f"/simulator/{command}/tool-calls", json={"calls": ["look"]}).json() == {"waiting": 1}
    wrong = CliRunner().invoke(group, [command, "--port", "0", "--fault", "flood"])
    assert wrong.exit_code == 2
    assert "There is no fault 'flood'" in wrong.output


def test_all_vendors_have_both_and_the_chat_knows_where_it_was_stopped() -> None:
    assert {"gemini-live", "gemini-chat"} <= AllVendors().queues().keys()
    note = "[The user interrupted you here. They heard your words up to 'the wind and the'.]"
    parts = [types.Part(text=note), types.Part(text="Where did you stop?")]
    contents = [types.Content(role="user", parts=parts)]
    request = GeminiRequest(contents, "", types.GenerationConfig(), {})
    assert "the last words you heard were: the wind and the." in gemini_answer(request)
