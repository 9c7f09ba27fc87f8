"""From an empty environment to the talking page: `python -m benchmarks.first_hour`.

Builds the wheel, makes an environment, installs the wheel with the extra `embedded` as a new user would (`--cold`: pip
keeps no cache, else it has one), runs `bargein demo`, and waits until the page takes calls. All commands run in a
terminal of their own, whose longest silence is measured: something should move all the time. The environment gets a new
pip (`--upgrade-deps`): the one that Python brings is silent while it installs.
"""

from __future__ import annotations

import argparse
import os
import pty
import re
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIMIT_S = 900.0
COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True, slots=True)
class FirstHourStage:
    """One command, and how long it took."""

    name: str
    seconds: float
    core_s: float
    """Time of a processor, which other work on the machine does not lengthen."""
    silence_s: float
    """The longest time in which nothing moved on the screen."""


class Terminal:
    """A command in a terminal of its own."""

    def __init__(self, *words: str | Path, folder: Path) -> None:
        self._main, other = pty.openpty()
        # pip's own settings and the network's stay; ours, and this environment's packages, are not a new user's.
        ours = ("BARGEIN_", "PYTHON", "VIRTUAL_ENV")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        self.process = subprocess.Popen(
            [str(word) for word in words],
            cwd=folder,
            env=environment | {"TERM": "xterm", "COLUMNS": "120", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
            stdin=subprocess.DEVNULL,
            stdout=other,
            stderr=other,
        )
        os.close(other)
        self.text = ""
        self.silence_s = 0.0
        self._moved = time.monotonic()

    def wait(self, until: Callable[[], bool]) -> None:
        """Read what is shown until something holds. Raises RuntimeError for a command that ended badly, or too late."""
        end = time.monotonic() + LIMIT_S
        while not until():
            readable, _, _ = select.select([self._main], [], [], 0.2)
            now = time.monotonic()
            if readable:
                try:
                    self.text += os.read(self._main, 65_536).decode(errors="replace")
                except OSError:  # the terminal's other end is closed
                    break
                self.silence_s = max(self.silence_s, now - self._moved)
                self._moved = now
            if now > end:
                raise RuntimeError(f"{self.process.args!r} takes too long:\n{self.text[-2000:]}")
        self.silence_s = max(self.silence_s, time.monotonic() - self._moved)

    def finish(self) -> None:
        self.wait(lambda: self.process.poll() is not None)
        if self.process.wait() != 0:
            raise RuntimeError(f"{self.process.args!r} ended with {self.process.returncode}:\n{self.text[-2000:]}")


@contextmanager
def demo(bargein: Path, folder: Path) -> Iterator[Terminal]:
    """`bargein demo`, while the block runs."""
    terminal = Terminal(bargein, "demo", folder=folder)
    try:
        yield terminal
    finally:
        terminal.process.send_signal(signal.SIGINT)
        terminal.process.wait(30)


def core_s() -> float:
    """Of all commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def takes_calls(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:  # noqa: S310  # our own address
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def measure(folder: Path, *, cold: bool) -> list[FirstHourStage]:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    python = folder / "venv" / "bin" / "python"
    stages: list[FirstHourStage] = []

    def stage(name: str, *words: str | Path) -> None:
        began, used_s = time.monotonic(), core_s()
        terminal = Terminal(*words, folder=folder)
        terminal.finish()
        stages.append(FirstHourStage(name, time.monotonic() - began, core_s() - used_s, terminal.silence_s))
        print(f"{stages[-1].seconds:.1f} s: {name}", file=sys.stderr, flush=True)

    stage("python -m venv --upgrade-deps", sys.executable, "-m", "venv", "--upgrade-deps", folder / "venv")
    cache = ("--no-cache-dir",) if cold else ()
    pip = (python, "-m", "pip", "install", *cache, "-c", ROOT / "constraints.txt")
    stage('pip install "bargein[embedded]"', *pip, f"bargein[embedded] @ file://{wheel}")
    began, used_s = time.monotonic(), core_s()
    with demo(python.parent / "bargein", folder) as terminal:

        def ready() -> bool:
            shown = COLOURS.sub("", terminal.text)
            return "/?dummy=1" in shown and takes_calls(shown.partition("listens on ")[2].split()[0])

        terminal.wait(ready)
        took_s = time.monotonic() - began
    demo_s = core_s() - used_s
    stages.append(FirstHourStage("bargein demo, until its page takes calls", took_s, demo_s, terminal.silence_s))
    return stages


def main() -> None:
    """Print the stages as a table for Markdown."""
    parser = argparse.ArgumentParser(description="From an empty environment to the talking page")
    parser.add_argument("--cold", action="store_true", help="pip has no cache")
    cold: bool = parser.parse_args().cold
    with tempfile.TemporaryDirectory(prefix="bargein-first-hour-") as folder:
        stages = measure(Path(folder), cold=cold)
    print("| stage | s | of a core, s | longest silence on the screen, s |\n| --- | --- | --- | --- |")
    for each in stages:
        print(f"| `{each.name}` | {each.seconds:.1f} | {each.core_s:.1f} | {each.silence_s:.1f} |")
    took_s, used_s = sum(each.seconds for each in stages), sum(each.core_s for each in stages)
    print(f"| **all** | **{took_s:.1f}** | {used_s:.1f} | {max(each.silence_s for each in stages):.1f} |")


if __name__ == "__main__":
    main()
