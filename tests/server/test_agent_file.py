"""`--agent FILE.py`: which agent is taken, and what is said when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from bargein.errors import UsageError
from bargein.server.agent_file import load_agent

KIT = Path(__file__).parent / "kit.py"
AGENT = "from tests.server.kit import tone_agent\n"


def test_an_agent_is_loaded_from_a_file_by_its_name() -> None:
    assert load_agent(f"{KIT}:agent").name == "from-a-file"


def test_the_only_agent_of_a_file_needs_no_name(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(AGENT + "porter = tone_agent('porter')\nagent = porter\n")
    assert load_agent(f"{tmp_path}/one.py").name == "porter"


def test_a_file_of_several_agents_wants_a_name_and_says_which_there_are(tmp_path: Path) -> None:
    (tmp_path / "two.py").write_text(AGENT + "first = tone_agent('a')\nsecond = tone_agent('b')\n")
    with pytest.raises(UsageError, match=r"two\.py has 2 agents: first, second. Name one: .*two\.py:first"):
        load_agent(f"{tmp_path}/two.py")
    with pytest.raises(UsageError, match=r"has nothing called third. Choose one of first, second"):
        load_agent(f"{tmp_path}/two.py:third")
    assert load_agent(f"{tmp_path}/two.py:second").name == "b"


def test_a_file_may_import_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "neighbour_of_agent.py").write_text("NAME = 'next door'\n")
    (tmp_path / "mine.py").write_text(
        AGENT + "import neighbour_of_agent\nagent = tone_agent(neighbour_of_agent.NAME)\n"
    )
    assert load_agent(f"{tmp_path}/mine.py").name == "next door"


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("nowhere.py", "There is no Python file nowhere.py. Write the agent as FILE.py:NAME"),
        (f"{KIT}:no-name", "names no agent"),
        ("nowhere/agent.py:agent", "no Python file"),
        (f"{KIT}:nobody", "has nothing called nobody. Choose one of agent"),
        (f"{KIT}:HELLO", "has a dict called HELLO"),
    ],
)
def test_what_is_wrong_with_it_is_said(where: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        load_agent(where)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1 / 0", r"bad\.py:1 failed with ZeroDivisionError"),
        ("x = 1\nif x\n", r"bad\.py:2 failed with SyntaxError"),
        ("import no_such_package", r"bad\.py:1 failed with ModuleNotFoundError: No module named 'no_such_package'"),
        ("import sys\nsys.exit(3)", r"bad\.py:2 failed with SystemExit"),
        ("x = 1", r"bad\.py has no agent. Let it say agent = Agent\(llm=\.\.\., tts=\.\.\.\)"),
        ("from bargein import Agent\n\nagent = Agent()", r"bad\.py:3: Agent 'agent' needs either llm and tts, or"),
    ],
)
def test_a_file_that_fails_is_named_with_its_line_and_failure(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(UsageError, match=says):
        load_agent(f"{tmp_path}/bad.py")
