"""`.env` beside an agent: read before the agent is, and under the environment's own variables."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bargein.errors import UsageError
from bargein.server.env_file import read_env_file

FILE = 'FIRST_KEY=abc\nSECOND_KEY="with space"  # why\nexport THIRD_KEY=$FIRST_KEY\nEMPTY_KEY=\n'


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("FIRST_KEY", "SECOND_KEY", "THIRD_KEY", "EMPTY_KEY", "BARGEIN_AGENT"):
        monkeypatch.setenv(name, "")  # put back after the test, whatever the test sets


@pytest.mark.parametrize("agent", ["mine/agent.py", "mine/agent.py:agent", "mine/agent.toml"])
def test_it_lies_in_the_agents_folder(agent: str, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / ".env").write_text(FILE)
    assert read_env_file(agent) == Path("mine/.env")
    shown = [os.environ[name] for name in ("FIRST_KEY", "SECOND_KEY", "THIRD_KEY", "EMPTY_KEY")]
    assert shown == ["abc", "with space", "$FIRST_KEY", ""]


@pytest.mark.parametrize("agent", [None, "guide"])
def test_else_in_the_working_directory(agent: str | None, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(FILE)
    assert read_env_file(agent) == Path(".env")


def test_the_environments_agent_counts_where_none_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / ".env").write_text(FILE)
    monkeypatch.setenv("BARGEIN_AGENT", "mine/agent.py")
    assert read_env_file(None) == Path("mine/.env")


def test_the_environments_own_variables_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text(FILE)
    monkeypatch.setenv("FIRST_KEY", "mine")
    read_env_file(None)
    assert os.environ["FIRST_KEY"] == "mine"


def test_a_file_that_changed_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECOND_KEY", "mine")
    (tmp_path / ".env").write_text("FIRST_KEY=old\nSECOND_KEY=theirs\nTHIRD_KEY=old\n")
    read_env_file(None)
    (tmp_path / ".env").write_text("FIRST_KEY=new\nSECOND_KEY=newer\n")
    read_env_file(None)
    assert (os.environ["FIRST_KEY"], os.environ["SECOND_KEY"]) == ("new", "mine")
    assert "THIRD_KEY" not in os.environ


def test_there_may_be_none() -> None:
    assert read_env_file(None) is None
    assert read_env_file("nowhere/agent.py") is None


def test_what_is_no_text_is_refused_without_its_content(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"KEY=\xff\xfe\x00secret")
    with pytest.raises(UsageError, match="cannot be read") as raised:
        read_env_file(None)
    assert "secret" not in str(raised.value)
