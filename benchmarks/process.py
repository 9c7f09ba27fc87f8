"""Real processes for the benchmarks: our server on a free port, and simulated vendors. They end with their block."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from bargein.errors import Unavailable
from bargein_bench import agent

READY_S = 60.0


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


_pids: dict[str, int] = {}


def pid_of(address: str) -> int:
    """The process id of the server at an address."""
    return _pids[address]


@asynccontextmanager
async def served(*command: str | Path) -> AsyncIterator[str]:
    """A process that prints its address in its first line, and ends when its input is closed. Gives the address."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        address = (await process.stdout.readline()).decode().strip()
        _pids[address] = process.pid
        yield address
    finally:
        process.stdin.close()
        await process.wait()


@asynccontextmanager
async def server(
    *extra: str,
    name: str = f"{Path(agent.__file__)}:AGENT",
    env: Mapping[str, str] | None = None,
    record: Path | None = None,
) -> AsyncIterator[str]:
    """`bargein serve` with an agent; yields host:port once the server is ready. record: keep the calls' journals."""
    port = free_port()
    with TemporaryDirectory(prefix="bargein-bench-") as calls:
        words = ["serve", "--agent", name, "--port", str(port), "--record", str(record or calls), *extra]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bargein",
            *words,
            stdout=asyncio.subprocess.DEVNULL,
            env={**os.environ, **(env or {})},
        )
        try:
            await _ready(f"http://127.0.0.1:{port}/readyz", process)
            address = f"127.0.0.1:{port}"
            _pids[address] = process.pid
            yield address
        finally:
            if process.returncode is None:
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 10)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _ready(url: str, process: asyncio.subprocess.Process) -> None:
    """Wait until the server answers. Asking is the only way to know another process's state."""
    ended = asyncio.create_task(process.wait())
    try:
        async with asyncio.timeout(READY_S):
            while True:
                done, _ = await asyncio.wait({ended}, timeout=0.2)
                if done:
                    raise Unavailable("The server ended as it started", advice="Run `bargein serve` to see why")
                if await asyncio.to_thread(_answers, url):
                    return
    finally:
        ended.cancel()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310  # our own loopback address
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def family(pid: int) -> list[int]:
    """A process and those that it started. Ended ones are left out."""
    found = [pid]
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in path.read_text().split():
                found += family(int(child))
    return found


def cpu_s(pid: int) -> float:
    """Processor time that a process and its children have used so far."""
    ticks = 0
    for each in family(pid):
        with suppress(OSError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    """Resident memory of a process and its children."""
    pages = 0
    for each in family(pid):
        with suppress(OSError):
            pages += int(Path(f"/proc/{each}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
