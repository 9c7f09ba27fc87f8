"""`bargein dev` in the terminal: what it takes, and what it says of each change."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from bargein.cli import app, dev
from bargein.errors import UsageError
from bargein.server.reloading import FirstLoadFailed, Reloaded
from bargein.server.settings import Settings

runner = CliRunner()
MISTAKE = UsageError("agent.py:3 failed with NameError: name '[red]' is not defined", advice="Run `python agent.py`")


def said(*changes: Reloaded) -> list[str]:
    text = io.StringIO()
    for change in changes:
        dev.tell(change, "agent.py", Console(file=text, width=40))
    return text.getvalue().splitlines()


def test_a_change_is_told_with_the_calls_that_keep_the_former_agent() -> None:
    assert said(Reloaded(["agent.py"], 12, 0)) == ["Loaded agent.py again in 12 ms (agent.py)"]
    (one,) = (" ".join(said(Reloaded(["a.py", ".env"], 7, 1))),)
    assert "(a.py, .env); 1 call goes on with the former" in one
    assert "; 2 calls go on with the former" in " ".join(said(Reloaded(["a.py"], 7, 2)))


def test_a_mistake_is_one_line_with_its_place_and_no_traceback() -> None:
    first, second = said(Reloaded(["agent.py"], 3, 1, MISTAKE))
    assert first == f"{MISTAKE.message}. {MISTAKE.advice}"
    assert "before answers until it is mended" in second


@pytest.mark.parametrize("agent", ["guide", "cascade", "agent", "my_agents"])
def test_only_a_file_can_change(agent: str) -> None:
    refused = runner.invoke(app, ["dev", agent])
    assert refused.exit_code == 2
    assert f"{agent} is no agent's file. Give FILE.py" in refused.stderr


@pytest.mark.parametrize("agent", ["/nowhere.py", "nowhere.py:AGENT", "nowhere.toml"])
def test_a_file_that_is_not_there_is_told_at_once(agent: str) -> None:
    refused = runner.invoke(app, ["dev", agent])
    assert refused.exit_code == 2
    assert f"There is no file {agent.partition(':')[0]}" in refused.stderr


def test_a_file_that_cannot_be_loaded_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agent.py").touch()
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    monkeypatch.delenv("MY_KEY", raising=False)
    seen: list[str] = []

    def serve(settings: Settings, console: Console, how: Any) -> None:
        import os  # noqa: PLC0415

        seen.append(os.environ.get("MY_KEY", ""))
        assert settings.workers == 1
        if len(seen) == 1:
            raise FirstLoadFailed(MISTAKE.message, advice=MISTAKE.advice)

    def change(agent: str) -> bool:
        Path(".env").write_text("MY_KEY=abc\n")
        return True

    monkeypatch.setattr(dev, "serve_settings", serve)
    monkeypatch.setattr("bargein.server.reloading.wait_for_change", change)
    shown = runner.invoke(app, ["dev", "agent.py", "--port", "0"])
    assert shown.exit_code == 0, shown.output
    assert MISTAKE.message in shown.output
    assert "Waiting until it changes" in shown.output
    assert seen == ["", "abc"]
    monkeypatch.delenv("MY_KEY", raising=False)


def test_a_wrong_setting_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agent.py").touch()
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    refused = runner.invoke(app, ["dev", "agent.py", "--policy", "eager"])
    assert refused.exit_code == 2
    assert "There is no policy 'eager'" in refused.stderr
