"""`make run` on a fresh machine: what it does for minutes is shown, and nothing when there is nothing to do."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Stands in for Python: makes an environment whose programs print how they are called.
PYTHON = """#!/bin/sh
mkdir -p "$3/bin"
for name in python bargein; do
  printf '#!/bin/sh\\necho "%s $*"\\n' "$name" > "$3/bin/$name"
  chmod +x "$3/bin/$name"
done
"""


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "python3").write_text(PYTHON)
    (tmp_path / "python3").chmod(0o755)
    return tmp_path


def make(folder: Path, *words: str) -> list[str]:
    told = subprocess.run(
        ["make", "--no-print-directory", *words, "PYTHON=./python3"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout.splitlines()


def test_each_step_is_said_and_pip_shows_what_it_fetches(fresh: Path) -> None:
    lines = make(fresh, "run")
    assert lines[0].startswith("Making an environment")
    assert lines[1].startswith("Installing what 'make run' needs")
    (pip,) = [line for line in lines if "pip install" in line]
    assert "-e .[embedded]" in pip
    assert "-q" not in pip
    assert lines[-1] == "bargein serve"


def test_a_second_run_installs_nothing_and_says_nothing_of_it(fresh: Path) -> None:
    make(fresh, "run")
    lines = make(fresh, "run", "ARGS=--port 0")
    assert [line for line in lines if "nstall" in line or "environment" in line] == []
    assert lines[-1] == "bargein serve --port 0"


def test_every_test_is_in_a_stage() -> None:
    text = (ROOT / "Makefile").read_text()
    lists = dict(line.split(" := ", 1) for line in text.splitlines() if " := " in line)
    named = " ".join(lists[name] for name in ("COMPUTING", "WAITING", "ALONE", "TWO")).split()
    folders = {f"tests/{path.name}" for path in (ROOT / "tests").iterdir() if any(path.glob("**/test_*.py"))}
    assert folders - set(named) == set()
