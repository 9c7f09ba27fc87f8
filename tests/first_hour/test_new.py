"""`bargein new`: what it makes works as it is, and what it cannot make is refused in one line."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from typer.testing import CliRunner

from bargein.cli import app
from bargein.cli.project_templates import TEMPLATES
from bargein.server.agent_file import load_agent

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
runner = CliRunner()


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one project of each template."""
    folder = tmp_path_factory.mktemp("projects")
    for name in TEMPLATES:
        made = runner.invoke(app, ["new", str(folder / f"my-{name}"), "--template", name])
        assert made.exit_code == 0, made.output
    return folder


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_project_is_whole(template: str, projects: Path) -> None:
    project = projects / f"my-{template}"
    assert sorted(path.name for path in project.iterdir() if path.is_file()) == [
        ".dockerignore",
        ".env.example",
        ".gitignore",
        "AGENTS.md",
        "Dockerfile",
        "README.md",
        "agent.py",
        "pytest.ini",
        "requirements-dev.txt",
        "requirements.txt",
        "test_agent.py",
    ]
    for path in project.iterdir():
        if path.is_file():
            text = path.read_text()
            assert "{{" not in text, path
            assert "{%" not in text, path
            assert text.endswith("\n"), path
            assert "\n\n\n\n" not in text, path
    ignored = (project / ".gitignore").read_text().split()
    assert ".env" in ignored


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_requirements_are_extras_that_there_are(template: str, projects: Path) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    first = (projects / f"my-{template}" / "requirements.txt").read_text().splitlines()[0]
    requirement = Requirement(first)
    assert requirement.name == "bargein"
    assert requirement.extras <= extras.keys()


def test_the_server_takes_the_agent_of_a_template(projects: Path) -> None:
    assert load_agent(str(projects / "my-simple" / "agent.py")).name == "my-simple"


def test_ruff_and_hadolint_find_nothing(projects: Path) -> None:
    ours = "lint.isort.known-first-party=['agent']"
    for words in (["check", "--select", "E,F,W,I,UP,B,ASYNC", "--config", ours], ["format", "--check"]):
        told = subprocess.run(
            [BIN / "ruff", *words, "--line-length", "120", "--isolated", "--no-cache", projects],
            capture_output=True,
            text=True,
            check=False,
        )
        assert told.returncode == 0, told.stdout + told.stderr
    docker = projects / "my-phone" / "Dockerfile"
    told = subprocess.run([BIN / "hadolint", docker], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout) == (0, "")


def test_the_next_commands_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = runner.invoke(app, ["new", "my-agent"]).stdout
    assert told.splitlines()[-3:] == [
        "  cd my-agent",
        "  pip install -r requirements-dev.txt && pytest",
        "  bargein dev agent.py",
    ]


@pytest.mark.parametrize("name", ["2fast", "my agent", "bargein", "Bargein", "..", ".", "", "a" * 65, "über", "a/.b"])
def test_a_bad_name_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refused = runner.invoke(app, ["new", name])
    assert refused.exit_code == 2
    assert "cannot be the name" in refused.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", ["a folder", "a file", "a link to nothing"])
def test_what_is_there_is_never_touched(there: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "my-agent"
    if there == "a folder":
        path.mkdir()
    elif there == "a file":
        path.write_text("mine")
    else:
        path.symlink_to(tmp_path / "nowhere")
    refused = runner.invoke(app, ["new", "my-agent"])
    assert refused.exit_code == 2
    assert "my-agent is there already" in refused.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["my-agent"]


def test_another_template_is_refused_with_those_there_are() -> None:
    refused = runner.invoke(app, ["new", "my-agent", "--template", "video"])
    assert refused.exit_code == 2
    assert "simple, phone, cascade" in refused.stderr


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "cannot be made" in runner.invoke(app, ["new", "nowhere/my-agent"]).stderr

    def full(self: Path, text: str, **_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    refused = runner.invoke(app, ["new", "my-agent"])
    assert "my-agent cannot be made: No space left on device" in refused.stderr
    assert list(tmp_path.iterdir()) == []
