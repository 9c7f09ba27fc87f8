"""`bargein simulate VENDOR`: what it serves, what it refuses, and what it says where a package is missing."""

from __future__ import annotations

import json
import socket
import subprocess
import sys

import pytest
import typer
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from bargein.protocols import Prompt, TextDelta, UserSaid
from bargein.vendors.groq.chat import GroqChat
from bargein_simulators import commands
from bargein_simulators.chat import ChatSimulator, chat_app
from bargein_simulators.commands import add_commands
from tests.simulators.serving import serving

COMMANDS = ("deepgram", "chat", "elevenlabs", "cartesia", "mistral", "vllm-realtime", "openai-realtime")


@pytest.fixture
def group() -> typer.Typer:
    made = typer.Typer()
    add_commands(made)
    return made


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[FastAPI, int]]:
    """What uvicorn was told to serve, and on which port."""
    apps: list[tuple[FastAPI, int]] = []

    def run(server: uvicorn.Server, sockets: list[socket.socket]) -> None:
        app = server.config.app
        assert isinstance(app, FastAPI)
        apps.append((app, sockets[0].getsockname()[1]))

    monkeypatch.setattr(uvicorn.Server, "run", run)
    return apps


@pytest.mark.parametrize(
    ("command", "path", "setting"),
    [
        ("deepgram", "/v2/listen", "BARGEIN_DEEPGRAM_URL=ws://127.0.0.1:PORT"),
        ("chat", "/v1/chat/completions", "OPENAI_BASE_URL=http://127.0.0.1:PORT/v1"),
        ("elevenlabs", "/v1/text-to-speech/{voice}/multi-stream-input", "BARGEIN_ELEVENLABS_URL=ws://127.0.0.1:PORT"),
        ("cartesia", "/tts/websocket", "BARGEIN_CARTESIA_URL=ws://127.0.0.1:PORT"),
        ("mistral", "/v1/audio/transcriptions/realtime", "BARGEIN_MISTRAL_URL=http://127.0.0.1:PORT"),
        ("vllm-realtime", "/v1/realtime", "BARGEIN_VLLM_URL=http://127.0.0.1:PORT/v1"),
        ("openai-realtime", "/v1/realtime", "BARGEIN_OPENAI_URL=http://127.0.0.1:PORT/v1"),
    ],
)
def test_each_serves_its_vendor_and_prints_what_points_at_it(
    group: typer.Typer, served: list[tuple[FastAPI, int]], command: str, path: str, setting: str
) -> None:
    result = CliRunner().invoke(group, [command, "--port", "0"])
    assert result.exit_code == 0, result.output
    [(app, port)] = served
    assert setting.replace("PORT", str(port)) in result.output
    paths = {route.path for route in app.routes if hasattr(route, "path")}
    names = result.output.split("NAME:")[1].split("tool calls")[0].replace("\n", " ").split(",")
    for name in (each.strip() for each in names):
        sent = [TestClient(app).post(f"/simulator/{name}/faults", json={"faults": [one]}) for one in ("500", "flood")]
        assert [answer.status_code for answer in sent] == [200, 422], name
    assert {path, "/simulator/{name}/faults"} <= paths


def test_the_chat_server_prints_a_line_for_each_reader_of_its_address(
    group: typer.Typer, served: list[tuple[FastAPI, int]]
) -> None:
    result = CliRunner().invoke(group, ["chat", "--port", "0"])
    [(_, port)] = served
    assert result.output.replace(str(port), "PORT").splitlines()[:4] == [
        "OPENAI_BASE_URL=http://127.0.0.1:PORT/v1",
        "BARGEIN_OPENAI_URL=http://127.0.0.1:PORT/v1",
        "BARGEIN_GROQ_URL=http://127.0.0.1:PORT/openai/v1",
        "for Groq's own SDK: GROQ_BASE_URL=http://127.0.0.1:PORT",
    ]


async def test_groqs_chat_finds_the_server_at_the_printed_address(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(chat_app(ChatSimulator(models=(), respond=lambda _: "Yes."))) as url:
        monkeypatch.setenv("BARGEIN_GROQ_URL", f"{url}/openai/v1")
        model = GroqChat(api_key="k")
        said = [piece async for piece in model.reply(Prompt("", [UserSaid(1, "hello")]))]
        await model.aclose()
    assert said == [TextDelta("Yes.")]


@pytest.mark.parametrize(
    ("command", "option"), [("deepgram", "--nova-fault"), ("cartesia", "--fault"), ("chat", "--fault")]
)
def test_a_fault_that_the_simulator_does_not_have_is_refused_with_those_it_has(
    group: typer.Typer, served: list[tuple[FastAPI, int]], command: str, option: str
) -> None:
    result = CliRunner().invoke(group, [command, option, "flood"])
    assert result.exit_code == 2
    assert "There is no fault 'flood'" in result.output
    assert "429" in result.output
    assert served == []


@pytest.mark.parametrize(
    ("command", "exit_code", "printed"),
    [
        ("elevenlabs", 2, "Unavailable: The package espeakng_loader is not installed: the simulator has no voice."),
        ("deepgram", 0, "Aura will be silent. The package espeakng_loader is not installed"),
    ],
)
def test_without_espeak_a_voice_is_missing_and_everything_else_is_served(
    group: typer.Typer,
    served: list[tuple[FastAPI, int]],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    exit_code: int,
    printed: str,
) -> None:
    monkeypatch.setattr(commands, "find_spec", lambda _: None)
    result = CliRunner().invoke(group, [command, "--port", "0"])
    assert result.exit_code == exit_code
    assert printed in " ".join(result.output.split())
    assert "bargein[espeak]" in result.output
    assert len(served) == (exit_code == 0)


@pytest.mark.parametrize(
    ("command", "model"),
    [
        ("chat", "chat"),
        ("mistral", "chat"),
        ("vllm-realtime", "chat"),
        ("openai-realtime", "openai-realtime"),
    ],
)
def test_a_tool_call_on_demand_is_given_at_start_or_over_the_wire(
    group: typer.Typer, served: list[tuple[FastAPI, int]], command: str, model: str
) -> None:
    result = CliRunner().invoke(group, [command, "--port", "0", "--tool-call", 'weather {"city": "Oslo"}'])
    assert result.exit_code == 0, result.output
    client = TestClient(served[0][0])
    added = client.post(f"/simulator/{model}/tool-calls", json={"calls": ["hang_up"]})
    assert added.json() == {"waiting": 2}
    assert client.post(f"/simulator/{model}/tool-calls", json={"calls": ["weather Oslo"]}).status_code == 422
    assert client.post("/simulator/nobody/tool-calls", json={"calls": []}).status_code == 404


@pytest.mark.parametrize("wrong", ["weather Oslo", 'weather ["Oslo"]', " "])
def test_what_is_no_tool_call_is_refused(group: typer.Typer, served: list[tuple[FastAPI, int]], wrong: str) -> None:
    result = CliRunner().invoke(group, ["chat", "--tool-call", wrong])
    assert result.exit_code == 2
    assert "is no tool call" in result.output
    assert served == []


def test_the_model_of_the_command_calls_the_tool_once(group: typer.Typer, served: list[tuple[FastAPI, int]]) -> None:
    CliRunner().invoke(group, ["chat", "--port", "0", "--tool-call", 'weather {"city": "Oslo"}', "--token-ms", "0"])
    client = TestClient(served[0][0])
    asked = {"model": "m", "messages": [{"role": "user", "content": "Hello?"}]}
    [first, second] = [
        client.post("/v1/chat/completions", json=asked).json()["choices"][0]["message"] for _ in range(2)
    ]
    assert first["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city": "Oslo"}'}
    assert "tool_calls" not in second


@pytest.mark.parametrize(
    ("command", "given"),
    [
        ("chat", ["--port", "65536"]),
        ("chat", ["--port", "-1"]),
        ("chat", ["--token-ms", "-5"]),
        ("chat", ["--token-ms", "inf"]),
        ("chat", ["--first-token-ms", "nan"]),
        ("deepgram", ["--delay-ms", "nan"]),
        ("deepgram", ["--speed", "-1"]),
        ("cartesia", ["--speed", "nan"]),
        ("openai-realtime", ["--transcript-ms", "-1"]),
        ("deepgram", ["--say", ""]),
        ("mistral", ["--say", " | "]),
        ("vllm-realtime", ["--say", ""]),
        ("openai-realtime", ["--say", ""]),
    ],
)
def test_numbers_and_words_that_cannot_be_are_refused_by_name(
    group: typer.Typer, served: list[tuple[FastAPI, int]], command: str, given: list[str]
) -> None:
    result = CliRunner().invoke(group, [command, *(["--port", "0"] if "--port" not in given else []), *given])
    assert result.exit_code == 2
    assert given[0] in result.output
    assert served == []


def test_a_port_that_is_taken_is_told_before_any_address_is_printed(
    group: typer.Typer, served: list[tuple[FastAPI, int]]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(group, ["chat", "--port", str(port)])
    assert result.exit_code == 2
    assert f"Cannot listen on 127.0.0.1:{port}" in result.output
    assert "Choose another --port" in result.output
    assert "OPENAI_BASE_URL" not in result.output
    assert served == []


WITHOUT_SDKS = """
import json, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocked())
import typer, uvicorn
from typer.testing import CliRunner
from bargein_simulators.commands import add_commands
uvicorn.Server.run = lambda *_, **__: None
group = typer.Typer()
add_commands(group)
ran = {{command: CliRunner().invoke(group, [command, "--port", "0"]) for command in {commands!r}}}
print(json.dumps({{command: (result.exit_code, result.output) for command, result in ran.items()}}))
"""
SDKS = {"openai", "aiortc", "av", "mistralai", "deepgram", "moonshine_voice", "elevenlabs", "cartesia", "groq"}


def test_without_any_sdk_only_openai_realtime_is_missing_and_names_its_extra() -> None:
    code = WITHOUT_SDKS.format(blocked=SDKS, commands=COMMANDS)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    results = json.loads(ran.stdout)
    assert {command for command, (exit_code, _) in results.items() if exit_code} == {"openai-realtime"}
    exit_code, printed = results["openai-realtime"]
    assert exit_code == 2
    assert printed == "Unavailable: The package openai is not installed. Install the extra: bargein[openai]\n"
