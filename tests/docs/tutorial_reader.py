"""A reader who follows the tutorial: writes the files that it shows, and runs its commands in their order."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue

from tests.docs.shell_blocks import Block, lines

ROOT = Path(__file__).parents[2]
# The reader's environment is there before the first page: what these lines make is another test's (the wheel's).
INSTALLS = re.compile(r"python3 -m venv --upgrade-deps \.venv|source \.venv/bin/activate|pip install [\w\"\[\], .-]+")
SERVES = re.compile(r"bargein (demo|dev|serve)\b")
LISTENS = re.compile(r"http://127\.0\.0\.1:\d+")
START_S = 60.0
PROGRAM = '#!/bin/sh\nexec "{python}" {start} "$@"\n'


@dataclass
class TutorialReader:
    """One reader, in a folder of their own. A server runs until the next one is started, or the reader leaves."""

    folder: Path
    port: int
    path: Path = field(init=False)
    """The working folder, as `cd` has left it."""
    address: str = ""
    """Of the server that runs."""
    shown: dict[str, str] = field(default_factory=dict)
    """What each command printed. A server's is what it printed until it could be called."""
    _server: subprocess.Popen[str] | None = None
    _reading: threading.Thread | None = None

    def __post_init__(self) -> None:
        self.path = self.folder / "work"
        self.path.mkdir()
        programs = self.folder / "bin"
        programs.mkdir()
        for name, start in (("bargein", "-m bargein"), ("python", "")):
            program = programs / name
            program.write_text(PROGRAM.format(python=sys.executable, start=start))
            program.chmod(0o755)
        self.environment = os.environ | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "src"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "BARGEIN_PORT": str(self.port),
            "BROWSER": "true",  # the program that opens nothing
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # only what the page installs
            "PYTEST_ADDOPTS": "-p pytest_asyncio.plugin -p no:cacheprovider",
        }

    def follow(self, block: Block) -> None:
        """Do what a block of the page asks for."""
        if block.mark == "file":
            (self.path / block.about).write_text(block.text)
        elif block.language == "sh" and block.mark != "not run":
            for line in lines(block.text):
                self._type(line)

    def newest_call(self) -> str:
        """The id of the newest call that the server has written down."""
        folders = sorted((self.path / "calls").iterdir(), key=lambda folder: folder.stat().st_mtime)
        return folders[-1].name

    def leave(self) -> None:
        """Ctrl-C."""
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            try:
                self._server.wait(20)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
            assert self._reading is not None
            assert self._server.stdout is not None
            self._reading.join()
            self._server.stdout.close()
        self._server = None

    def _type(self, line: str) -> None:
        if INSTALLS.fullmatch(line):
            return
        if line.startswith("cd "):
            self.path /= shlex.split(line)[1]
            return
        if re.search(r"\bID\b", line):
            line = re.sub(r"\bID\b", self.newest_call(), line)
        line = line.replace("http://127.0.0.1:8080", self.address or "http://127.0.0.1:8080")
        if SERVES.match(line):
            self._serve(line)
        else:
            done = subprocess.run(
                ["sh", "-c", line],
                cwd=self.path,
                env=self.environment,
                capture_output=True,
                text=True,
                timeout=START_S,
                check=False,
            )
            self.shown[line] = done.stdout + done.stderr
            assert done.returncode == 0, f"{line}\n{self.shown[line]}"

    def _serve(self, line: str) -> None:
        self.leave()
        server = self._server = subprocess.Popen(
            ["sh", "-c", f"exec {line}"],
            cwd=self.path,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        printed: Queue[str] = Queue()

        def read() -> None:
            assert server.stdout is not None
            for told in server.stdout:
                printed.put(told)
            printed.put("")

        self._reading = threading.Thread(target=read, name="read a server")
        self._reading.start()
        text = ""
        try:
            while not (found := LISTENS.search(text)):
                told = printed.get(timeout=START_S)
                text += told
                assert told, f"{line} ended:\n{text}"
        except Empty:
            raise AssertionError(f"{line} is not ready:\n{text}") from None
        self.address = found[0]
        self.shown[line] = text
