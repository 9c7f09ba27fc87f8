"""An environment in which bargein is installed from its wheel, with its base dependencies and nothing else.

The dependencies are links to those of the environment that runs the tests, found by their metadata: what no base
dependency requires is not there at all. So the environment takes seconds, and no network.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import venv
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
BUILD_S, RUN_S = 120, 60


@dataclass(frozen=True, slots=True)
class BaseInstall:
    """python, bargein: the environment's executables. names: what is installed in it."""

    python: Path
    bargein: Path
    names: frozenset[str]

    def run(self, *words: str | Path, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command there, in a folder of its own, with an environment that has no setting of ours."""
        return subprocess.run(
            [str(word) for word in words],
            cwd=folder,
            env=_clean() | variables,
            capture_output=True,
            text=True,
            timeout=RUN_S,
            check=False,
        )


def _clean() -> dict[str, str]:
    """The environment's variables that are nobody's settings: neither Python's path nor ours."""
    return {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}


def base_requirements() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [Requirement(text) for text in project["dependencies"]]


def closure(requirements: list[Requirement]) -> dict[str, Distribution]:
    """Every distribution that these need on this machine, by canonical name. An extra counts where one asks for it."""
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    todo = [(requirement, frozenset[str]()) for requirement in requirements]
    while todo:
        requirement, extras = todo.pop()
        if requirement.marker and not any(requirement.marker.evaluate({"extra": extra}) for extra in extras or {""}):
            continue
        name, wanted = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        found[name] = distribution(name)
        todo += [(Requirement(text), wanted) for text in found[name].requires or ()]
    return found


def build_wheel(folder: Path) -> Path:
    """The project's wheel, built by hatchling as pip would."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=BUILD_S,
    )
    (wheel,) = folder.glob("bargein-*.whl")
    return wheel


def base_install(folder: Path) -> BaseInstall:
    """Make the environment in an empty folder."""
    wheel = build_wheel(folder / "dist")
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    python = folder / "venv" / "bin" / "python"
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    needed = closure(base_requirements())
    for each in needed.values():
        for top in {path.parts[0] for path in each.files or () if path.parts[0] not in ("..", "__pycache__")}:
            if not (site / top).exists():
                (site / top).symlink_to(Path(str(each.locate_file(top))))
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "install", "--quiet", "--no-index", "--no-deps", str(wheel)],
        env=_clean(),
        check=True,
        capture_output=True,
        timeout=BUILD_S,
    )
    return BaseInstall(python, python.parent / "bargein", frozenset({*needed, "bargein"}))
