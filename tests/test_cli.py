"""The command line: what it refuses, what it replays, and how it says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bargein.cli import app
from bargein.floor import Policy
from tests.recorder.test_replay import STORY, play

runner = CliRunner()


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BARGEIN_TOKEN", "BARGEIN_HOST", "BARGEIN_PORT", "BARGEIN_AGENT", "BARGEIN_RECORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")


def test_help_names_every_command() -> None:
    result = runner.invoke(app, ["--help"])
    assert result.exit_code == 0
    for command in ("serve", "demo", "replay", "simulate"):
        assert command in result.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["serve", "--host", "0.0.0.0"], "no token is set"),
        (["serve", "--policy", "eager"], "There is no policy 'eager'"),
        (["serve", "--port", "70000"], "Setting port"),
        (["serve", "--host", "no.such.host.invalid"], "no.such.host.invalid"),
        (["demo", "--policy", "eager"], "There is no policy 'eager'"),
        (["replay", "nowhere.jsonl"], "cannot be read"),
    ],
)
def test_what_cannot_be_is_refused_with_advice(
    words: list[str], says: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    if "no.such.host.invalid" in words:
        monkeypatch.setenv("BARGEIN_TOKEN", "long-enough-to-be-a-token")
    result = runner.invoke(app, words)
    assert result.exit_code == 2
    assert says in result.stderr
    assert "Traceback" not in result.output


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "calls").write_text("a file")
    result = runner.invoke(app, ["serve", "--port", "0", "--record", str(tmp_path / "calls")])
    assert result.exit_code == 2
    assert "cannot be recorded" in result.stderr


def test_a_replay_that_decides_the_same_ends_well(tmp_path: Path) -> None:
    result = runner.invoke(app, ["replay", str(play(tmp_path, STORY, Policy.balanced()))])
    assert result.exit_code == 0
    assert "0 differences" in result.stdout
    for word in ("hold", "resume", "cut"):
        assert word in result.stdout


def test_a_replay_that_decides_otherwise_ends_with_1(tmp_path: Path) -> None:
    path = play(tmp_path, STORY, Policy.balanced())
    path.write_text("\n".join(line for line in path.read_text().splitlines() if '"Resume"' not in line))
    result = runner.invoke(app, ["replay", str(path)])
    assert result.exit_code == 1
    assert "1 differences" in result.stdout
    assert "+" in result.stdout


def test_a_replay_under_another_policy_shows_the_differences_and_ends_well(tmp_path: Path) -> None:
    path = str(play(tmp_path, STORY, Policy.balanced()))
    result = runner.invoke(app, ["replay", path, "--policy", "patient", "--set", "confirm_ms=2000"])
    assert result.exit_code == 0
    assert "under patient" in result.stdout
    assert " 0 differences" not in result.stdout
    for bad, says in (("confirm_ms", "changes nothing"), ("confirm_ms=soon", "confirm_ms is 'soon'"), ("x=1", "'x'")):
        refused = runner.invoke(app, ["replay", path, "--set", bad])
        assert refused.exit_code == 2
        assert says in refused.stderr


def test_all_actions_are_shown_when_asked_for(tmp_path: Path) -> None:
    path = str(play(tmp_path, STORY, Policy.balanced()))
    assert "listen" not in runner.invoke(app, ["replay", path]).stdout
    assert "listen" in runner.invoke(app, ["replay", path, "--all"]).stdout
