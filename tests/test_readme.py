"""What the README shows is true: its snippet runs, its files are there, its commands exist."""

from __future__ import annotations

import re
from pathlib import Path

from typer.testing import CliRunner

from bargein.agent import Agent
from bargein.cli import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def agents(text: str) -> list[Agent]:
    found = []
    for snippet in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        made: dict[str, object] = {}
        exec(snippet, made)
        agent = made["AGENT"]
        assert isinstance(agent, Agent)
        found.append(agent)
    return found


def test_the_agents_of_the_readme_are_some() -> None:
    concierge, porter = agents(README)
    assert concierge.policy.verdict.confirm_ms == 250
    assert porter.streaming_stt is not None


def test_the_agent_of_the_cascades_page_has_tools() -> None:
    (agent,) = agents((ROOT / "docs" / "cascade.md").read_text())
    assert [tool.effect for tool in agent.tools] == ["read", "commit", "terminal"]


def test_the_agent_of_the_realtime_page_has_a_speech_model() -> None:
    (agent,) = agents((ROOT / "docs" / "realtime.md").read_text())
    assert agent.realtime is not None


def test_every_file_that_the_readme_and_the_docs_link_is_there() -> None:
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_every_command_of_the_readme_exists() -> None:
    shown = CliRunner().invoke(app, ["--help"]).output
    for command in re.findall(r"`bargein (\w+)", README):
        assert command in shown


def test_every_file_named_in_the_architecture_is_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    for name in re.findall(r"`((?:server|transports|call|audio|floor|stt|tests)/[\w/]+\.(?:py|js))", text):
        assert (ROOT / "src" / "bargein" / name).exists() or (ROOT / name).exists(), name
