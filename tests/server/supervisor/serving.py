"""A real `bargein serve --workers 2`, and what a test looks at of it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.server.kit import HELLO, Client

ROOT = Path(__file__).parents[3]
AGENT = str(ROOT / "tests/server/kit.py") + ":agent"


@dataclass
class Supervised:
    process: subprocess.Popen[str]
    url: str
    folder: Path
    """Its temporary files."""
    log: Path

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def workers(self) -> list[int]:
        """Process ids."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    async def http(self, path: str) -> httpx.Response:
        async with httpx.AsyncClient(base_url=self.url) as http:
            return await http.get(path)

    async def states(self) -> dict[str, str]:
        """Of each worker, as any of them tells."""
        told: dict[str, str] = (await self.http("/readyz")).json().get("workers", {})
        return told

    async def all_ready(self) -> None:
        async with asyncio.timeout(30):
            while set((await self.states()).values()) != {"ready"}:  # noqa: ASYNC110  # a test may look
                await asyncio.sleep(0.1)

    @asynccontextmanager
    async def call(self, path: str = "", **hello: object) -> AsyncIterator[tuple[Client, str]]:
        """A page's call, and its id. It is hung up at the end."""
        url = self.url.replace("http", "ws") + path + "/calls/browser"
        async with connect(url, subprotocols=[Subprotocol("bargein.v1")], close_timeout=0.2) as socket:
            client = Client(socket)
            await client.send(HELLO | hello)
            try:
                welcome = await client.until("welcome", 15)
            except ConnectionClosed:
                raise AssertionError(f"{client.messages} {socket.close_code} {self.log.read_text()}") from None
            yield client, str(welcome["call_id"])
            with suppress(ConnectionClosed):
                await client.send({"type": "hangup"})
                await client.closed(15)

    @property
    def left(self) -> list[str]:
        """Files of ours that are there."""
        return [path.name for path in self.folder.glob("bargein-*")]


@contextmanager
def supervised(*more: str, agent: str = AGENT, drain_s: float = 600) -> Iterator[Supervised]:
    given = {k: v for k, v in os.environ.items() if not k.startswith("BARGEIN_")}
    with tempfile.TemporaryDirectory(prefix="bargein-test-") as name:
        folder = Path(name)
        log = folder / "log"
        (folder / "tmp").mkdir()
        env = given | {"PYTHONPATH": f"{ROOT}:{ROOT}/src", "TMPDIR": str(folder / "tmp")}
        env |= {"BARGEIN_NODE": "w"}
        command = ["serve", "--agent", agent, "--port", "0", "--no-record", "--workers", "2", "--drain-s", str(drain_s)]
        with log.open("w") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", "bargein", *command, *more],
                env=env,
                stdout=subprocess.PIPE,
                stderr=err,
                text=True,
            )
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            found = re.search(r"http://\S+", line)
            assert found, line + log.read_text()
            yield Supervised(process, found[0], folder / "tmp", log)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()
            process.stdout.close()
            gone_within(10, pids_with(str(folder)))


def pids_with(text: str) -> list[int]:
    """The processes that have a text in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdecimal() and text.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
    return found


def gone_within(seconds: float, pids: list[int]) -> bool:
    """Whether the processes end by themselves; those that do not are ended."""
    until = time.monotonic() + seconds
    while (alive := [pid for pid in pids if running(pid)]) and time.monotonic() < until:
        time.sleep(0.02)
    for pid in alive:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return not alive


def running(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    return False
