"""The wheel, installed in an environment of its own, whose other packages are those of the environment of the tests.

Nothing is downloaded: a path file leads to the packages that are there, and the project's own editable install, which
is a path file of theirs, is not read.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import venv
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from sysconfig import get_path

from tests.base_install import build_wheel

SAYS_S = 30  # until a command says what a test waits for


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment with the wheel. folder: where a new user works."""

    bin: Path
    folder: Path
    environment: dict[str, str]

    def run(self, command: str, *words: str, inside: str = "", **variables: str) -> str:
        """What a command prints; it must end well."""
        done = subprocess.run(
            [self.bin / command, *words],
            cwd=self.folder / inside,
            env=self.environment | variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @asynccontextmanager
    async def running(self, *words: str, inside: str = "", **variables: str) -> AsyncIterator[Command]:
        """`bargein` with these words, until the block ends; then Ctrl-C, upon which it must end well."""
        process = await asyncio.create_subprocess_exec(
            self.bin / "bargein",
            *words,
            cwd=self.folder / inside,
            env=self.environment | variables,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        command = Command(process)
        try:
            yield command
            process.send_signal(signal.SIGINT)
            async with asyncio.timeout(SAYS_S):
                await command.rest()
                assert await process.wait() == 0, command.lines
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


@dataclass(slots=True)
class Command:
    """A command that runs. lines: all that it has printed."""

    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list)

    async def says(self, text: str) -> str:
        """The next line that has this text in it."""
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(SAYS_S):
                async for line in self.process.stdout:
                    self.lines.append(line.decode().rstrip())
                    if text in self.lines[-1]:
                        return self.lines[-1]
        except TimeoutError:
            pass
        raise AssertionError(f"{text!r} was not said: {self.lines}")

    async def url(self) -> str:
        return (await self.says("Bargein listens on")).split()[-1]

    async def rest(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(line.decode().rstrip())


def install(folder: Path) -> Installed:
    """Build the wheel, and install it into a new environment in the folder."""
    wheel = build_wheel(folder / "dist")
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    python = folder / "venv" / "bin" / "python"
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (site / "packages_of_the_tests.pth").write_text(f"{get_path('purelib')}\n{get_path('platlib')}\n")
    kept = {
        name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR", "BARGEIN_CHROMIUM") if name in os.environ
    }
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", "--no-deps", wheel],
        env=kept | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        check=True,
        timeout=120,
    )
    work = folder / "work"
    work.mkdir()
    return Installed(python.parent, work, kept | {"PYTHONUNBUFFERED": "1", "COLUMNS": "200"})
