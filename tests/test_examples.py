"""Every example runs: those that serve are called in moved time, the others as a stranger would run them."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import wave
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from bargein import Agent
from bargein.protocols import ToolCall
from bargein.testing import ScriptedLLM, call
from tests.server.kit import on_uvicorn

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
LINES = 40
RUN_S = 60


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> ModuleType:
    """The example named by the test's parameter, imported as if its folder were the working directory."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    for name in [path.stem for path in EXAMPLES.glob("*.py")]:
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module(request.param)


def test_every_example_is_short_and_says_what_it_shows() -> None:
    paths = sorted(EXAMPLES.glob("*.py"))
    assert [path.stem for path in paths] == [
        "custom_llm",
        "custom_stt",
        "custom_transport",
        "embed_in_fastapi",
        "hello",
        "test_my_agent",
        "tools",
    ]
    for path in paths:
        text = path.read_text()
        assert len(text.splitlines()) <= LINES, path.name
        assert text.startswith('"""'), path.name


@pytest.mark.parametrize("example", ["hello"], indirect=True)
async def test_hello_greets_and_answers(example: ModuleType) -> None:
    agent: Agent = example.agent
    async with call(agent) as c:
        await c.agent_says("Good evening, how may I help?")
        await c.user_says("What can you do?")
        await c.agent_is_silent()
        assert c.heard


@pytest.mark.parametrize("example", ["tools"], indirect=True)
async def test_the_tools_are_used_as_their_effects_say(example: ModuleType) -> None:
    llm = ScriptedLLM(
        [ToolCall("1", "free_rooms", '{"day": "Friday"}')],
        ["Three are free. I book one for you.", ToolCall("2", "book", '{"day": "Friday", "name": "Ada"}')],
        ["It is booked. Goodbye.", ToolCall("3", "hang_up", "{}")],
    )
    async with call(example.agent, llm=llm) as c:
        await c.user_says("A room for Friday, please. My name is Ada.")
        await c.agent_says("Goodbye")
        await c.ends()
        assert [(used.tool, used.result) for used in c.tools_used][:2] == [("free_rooms", "3"), ("book", "booked")]
        assert example.booked == ["Ada, Friday"]


@pytest.mark.parametrize("example", ["custom_llm"], indirect=True)
async def test_a_custom_llm_knows_what_was_heard(example: ModuleType) -> None:
    async with call(example.agent) as c:
        await c.user_says("wait, stop", over="how may")
        await c.agent_says("You said: wait, stop. You stopped me after: Good evening, how may.")


@pytest.mark.parametrize("example", ["custom_stt"], indirect=True)
async def test_a_custom_stt_reads_the_turn(example: ModuleType) -> None:
    llm = ScriptedLLM("I see.")
    async with call(example.agent, stt=example.agent.stt, llm=llm) as c:
        await c.user_says("anything at all")
        await c.agent_says("I see")
        assert "seconds of quiet speech" in c.transcript


@pytest.mark.parametrize("example", ["embed_in_fastapi"], indirect=True)
async def test_the_embedded_agent_is_called_under_its_path(
    example: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with on_uvicorn(example.app) as url, httpx.AsyncClient(base_url=url) as http:
        assert (await http.get("/")).json() == {"talk": "/voice/"}
        assert "Bargein" in (await http.get("/voice/")).text
        assert (await http.get("/voice/agents")).json()["agents"][0]["llm"] == "porter"


def test_a_custom_transport_gets_the_agents_audio(tmp_path: Path) -> None:
    shown = run(tmp_path, str(EXAMPLES / "custom_transport.py"))
    assert "'text': 'Good evening'" in shown
    with wave.open(str(tmp_path / "agent.wav")) as file:
        assert file.getnframes() == 2 * 24_000 * 200 // 1000, "two words of the tone TTS"


def test_the_test_of_an_agent_passes() -> None:
    shown = run(ROOT, "-m", "pytest", "-v", "-p", "no:cacheprovider", "examples/test_my_agent.py")
    assert "2 passed" in shown


def run(folder: Path, *words: str) -> str:
    """What Python prints; it must end well."""
    place = {"PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=os.environ | place,
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
