"""The command line: its commands, ours and other packages', what it refuses, what it replays, and how it says so."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bargein import __version__
from bargein.cli import app
from bargein.cli.command_table import GROUP, OURS, Command
from bargein.floor import Policy
from tests.recorder.test_replay import STORY, play

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
runner = CliRunner()


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BARGEIN_TOKEN", "BARGEIN_HOST", "BARGEIN_PORT", "BARGEIN_AGENT", "BARGEIN_RECORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    """The entry points of our own metadata, as an installation has them; a test may add some."""
    points = [EntryPoint(name, target, GROUP) for name, target in PROJECT["entry-points"][GROUP].items()]
    monkeypatch.setattr("bargein.cli.command_table.entry_points", lambda *, group: points if group == GROUP else [])
    return points


# ----------------------------------------------------------------------------------------------------- commands


def test_help_names_every_command_with_a_line_of_help() -> None:
    result = runner.invoke(app, ["--help"])
    assert result.exit_code == 0
    for line in (
        "serve     Serve calls, and the page to make them with",
        "demo      Serve, open the page, and let the dummy caller show",
        "replay    Decide a recorded call again",
        "show      Write a recorded call as a page: what was said, heard and decided",
        "drain     Let a server take no new call, and wait until its calls are over",
        "fleet     Watch the nodes of a fleet and their calls",
        "doctor    Say what is set, reachable and missing",
        "bench     Call an agent, interrupt it, and score what the caller hears",
        "tune      Let recorded calls decide again under other policies",
        "simulate  Vendors' wire protocols, spoken locally",
    ):
        assert line in result.stdout


def test_the_version_is_told() -> None:
    assert runner.invoke(app, ["--version"]).stdout == f"bargein {__version__}\n"


@pytest.mark.parametrize("command", [*OURS, *(Command(*entry) for entry in PROJECT["entry-points"][GROUP].items())])
def test_every_command_is_there_and_has_help(command: Command) -> None:
    assert command.help
    assert callable(command.load())
    result = runner.invoke(app, [*command.name.split("."), "--help"])
    assert result.exit_code == 0, result.output


def test_a_command_that_is_not_there_is_named() -> None:
    for words in (["srve"], ["simulate", "acme"]):
        result = runner.invoke(app, words)
        assert result.exit_code == 2
        assert f"No such command '{words[-1]}'" in result.stderr


def test_another_package_adds_a_command_and_it_is_imported_only_when_it_is_called(
    installed: list[EntryPoint], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "acme_commands.py").write_text(
        'def dial(number: str) -> None:\n    """Call a number. By telephone."""\n    print("calling", number)\n'
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    installed += [EntryPoint("dial", "acme_commands:dial", GROUP), EntryPoint("acme.dial", "acme_commands:dial", GROUP)]
    shown = runner.invoke(app, ["--help"]).stdout
    assert "dial      Call a number\n" in shown
    assert "acme      More commands: see `bargein acme --help`" in shown
    assert "dial  Call a number" in runner.invoke(app, ["acme", "--help"]).stdout
    assert "acme_commands" not in sys.modules
    assert runner.invoke(app, ["dial", "5"]).stdout == "calling 5\n"
    assert runner.invoke(app, ["acme", "dial", "6"]).stdout == "calling 6\n"
    monkeypatch.delitem(sys.modules, "acme_commands")


def test_another_package_cannot_take_the_place_of_our_own(installed: list[EntryPoint]) -> None:
    installed.append(EntryPoint("serve", "acme_commands:serve", GROUP))
    assert "serve     Serve calls" in runner.invoke(app, ["--help"]).stdout


@pytest.mark.parametrize(
    ("target", "text", "says"),
    [
        ("no_such_module:run", "", "The command 'acme' needs the package no_such_module, which is not installed"),
        ("acme_broken:run", "import no_such_sdk", "The command 'acme' needs the package no_such_sdk"),
        ("acme_broken:run", "x = 1", "The command 'acme' cannot be loaded from acme_broken:run"),
        ("acme_broken", "x = 1", "The command 'acme' cannot be loaded from acme_broken"),
        ("acme_broken:run", "1 / 0", "The command 'acme' cannot be loaded from acme_broken:run: division by zero"),
        ("acme_broken:run", "def run(:", "The command 'acme' cannot be loaded from acme_broken:run"),
        (
            "acme_broken:run",
            "def run(x: 'NoSuchType'): ...",
            "The command 'acme' cannot be loaded from acme_broken:run",
        ),
    ],
)
def test_a_broken_command_is_one_clear_line_and_the_others_work(
    target: str, text: str, says: str, installed: list[EntryPoint], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"acme_broken_{abs(hash((target, text)))}"  # of its own: Python remembers modules
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    installed.append(EntryPoint("acme", target.replace("acme_broken", name), GROUP))
    result = runner.invoke(app, ["acme"])
    assert result.exit_code == 2
    assert says.replace("acme_broken", name) in result.stderr
    assert result.stderr.count("\n") == 1
    listed = runner.invoke(app, ["--help"])
    assert listed.exit_code == 0
    assert "acme" in listed.stdout
    assert "serve     Serve calls" in listed.stdout


def test_make_run_shows_where_the_command_is() -> None:
    """`bargein` alone is found by nobody's shell after `make run`: the README and the Makefile name its folder."""
    done = subprocess.run(
        ["make", "--dry-run", "--always-make", "run", "ARGS=--port 9"],
        cwd=ROOT,
        env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ".venv/bin/bargein serve --port 9" in done.stdout
    assert ".venv/bin/bargein --help" in done.stdout
    assert ".venv/bin/bargein" in (ROOT / "README.md").read_text()


# ------------------------------------------------------------------------------------------------------ refused


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["serve", "--host", "0.0.0.0"], "no token is set"),
        (["serve", "--policy", "eager"], "There is no policy 'eager'"),
        (["serve", "--port", "70000"], "Setting port"),
        (["serve", "--host", "no.such.host.invalid"], "no.such.host.invalid"),
        (["demo", "--policy", "eager"], "There is no policy 'eager'"),
        (["replay", "nowhere.jsonl"], "cannot be read"),
        (["serve", "--port", "0", "--agent", "nowhere.py"], "There is no Python file nowhere.py"),
        (["serve", "--port", "0", "--agent", "nowhere.toml"], "nowhere.toml cannot be read"),
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


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1", "mine.py has no agent. Let it say agent = Agent(llm=..., tts=...)"),
        ("raise KeyError('x')", "mine.py:1 failed with KeyError: 'x'"),
        ("from bargein import tool\n\n@tool\ndef f(): ...", "mine.py:3: @tool is not told the tool's effect"),
        ("from bargein import Agent\nagent = Agent()", "mine.py:2: Agent 'agent' needs either llm and tts"),
        ("from bargein import serve\nserve(None)", "mine.py:2: serve() needs an Agent"),
    ],
)
def test_a_users_own_error_is_one_line_and_no_traceback(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(text)
    result = runner.invoke(app, ["serve", "--port", "0", "--no-record", "--agent", str(tmp_path / "mine.py")])
    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stderr.startswith("UsageError: ")
    assert result.stderr.count("\n") == 1


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
