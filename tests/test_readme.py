"""What the README and the docs show is true: snippets run, files that are linked are there, commands exist."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

import bargein
import bargein.testing
from bargein import Agent
from bargein.cli import app
from bargein.cli.command_table import GROUP, OURS
from bargein.floor.policy_groups import NUMBERS
from bargein.testing import ScriptedLLM, ScriptedSTT, ToneTTS
from tests.docs.shell_blocks import blocks
from tests.test_cli import PROJECT

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
SNIPPET = re.compile(r"```python\n(.*?)```", re.DOTALL)
SNIPPETS = [
    pytest.param(block.text, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, block in enumerate(blocks(page))
    if block.language == "python" and block.mark != "file"  # the tutorial's files run in tests/docs/test_tutorial.py
]
KEYS = ("DEEPGRAM", "GROQ", "ELEVENLABS", "OPENAI", "MISTRAL", "CARTESIA")


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A vendor's part wants its key when it is made, and calls the vendor only in a call."""
    for vendor in KEYS:
        monkeypatch.setenv(f"{vendor}_API_KEY", "a-key-for-a-test")


async def run(text: str, **names: object) -> dict[str, object]:
    """What a snippet defines. Statements may await, as the docs' do."""
    made: dict[str, object] = {"__name__": "snippet", "bargein": bargein, **names}
    code = compile(text, "snippet", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    waiting = eval(code, made)
    if inspect.isawaitable(waiting):
        await waiting
    return made


def stand_in() -> Agent:
    """The agent that a page speaks of, where it is defined elsewhere."""
    llm = ScriptedLLM("Of course.", "Of course.", "Of course.")
    return Agent(stt=ScriptedSTT(), llm=llm, tts=ToneTTS(), greeting="Good evening, how may I help?")


@pytest.mark.parametrize("text", SNIPPETS)
async def test_every_snippet_runs_and_the_tests_in_it_pass(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("my_agent")
    module.agent = stand_in()  # type: ignore[attr-defined]  # as the reader's own file has it
    monkeypatch.setitem(sys.modules, "my_agent", module)
    made = await run(text, agent=module.agent)
    for name, value in made.items():
        if name.startswith("test_"):
            assert callable(value)
            await value()


async def test_the_readmes_test_passes_with_the_readmes_agent() -> None:
    shown, tested = SNIPPET.findall(README)
    agent = (await run(shown))["agent"]
    assert isinstance(agent, Agent)
    assert agent.streaming_stt is not None
    assert [tool.spec.name for tool in agent.tools] == ["free_rooms"]
    await run(tested, agent=replace(agent, llm=ScriptedLLM("Of course.")))


async def test_the_agent_of_the_cascades_page_has_tools() -> None:
    (text,) = SNIPPET.findall((ROOT / "docs" / "cascade.md").read_text())
    agent = (await run(text))["agent"]
    assert isinstance(agent, Agent)
    assert [tool.effect for tool in agent.tools] == ["read", "commit", "terminal"]


async def test_the_agent_of_the_realtime_page_has_a_realtime_model() -> None:
    (text,) = SNIPPET.findall((ROOT / "docs" / "realtime.md").read_text())
    agent = (await run(text))["agent"]
    assert isinstance(agent, Agent)
    assert agent.realtime is not None


def test_every_command_of_the_readme_exists() -> None:
    known = {command.name for command in OURS} | set(PROJECT["entry-points"][GROUP])
    named = re.findall(r"`bargein ((?:simulate )?[\w-]+)", README)
    assert named
    for command in named:
        assert command.replace(" ", ".") in known, command
    shown = CliRunner().invoke(app, ["--help"]).output
    assert all(f"  {command.name} " in shown for command in OURS)


def test_every_file_named_in_the_architecture_is_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    for name in re.findall(r"`((?:server|transports|call|audio|floor|vendors|tests)/[\w/]+\.(?:py|js))", text):
        assert (ROOT / "src" / "bargein" / name).exists() or (ROOT / name).exists(), name


def test_the_names_in_place_of_other_frameworks_are_ours() -> None:
    ours = {*NUMBERS, *inspect.signature(Agent).parameters, *dir(bargein)}
    page = (ROOT / "docs" / "coming_from.md").read_text()
    rows = [line.split(" | ")[-1] for line in page.splitlines() if line.startswith("| ")]
    named = {name for row in rows for name in re.findall(r"`([a-z]+(?:_[a-z]+)+)\b", row)}
    assert len(named) > 20
    assert named <= ours
