"""Redis and HAProxy as plain processes. Each ends with its block; nothing is left on the machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

START_S = 20.0
SBIN = ":/usr/sbin:/usr/local/sbin"  # Debian's haproxy is no user's command


def program(name: str) -> str:
    """The path of a program that `make test` has installed."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + SBIN)
    assert path is not None, f"{name} is not here: tools/services.sh installs it"
    return path


@contextlib.asynccontextmanager
async def running(
    *command: str | Path, env: Mapping[str, str] | None = None, ready: str = "", fds: tuple[int, ...] = ()
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process, from the line that holds `ready` on. At the end it is killed, with all that it has started."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **(env or {})},
        pass_fds=fds,
        start_new_session=True,
    )
    reader: asyncio.Task[None] | None = None
    try:
        if ready:
            async with asyncio.timeout(START_S):
                await until(process, ready)
        reader = asyncio.create_task(_drain(process), name=f"output of {command[0]}")
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        if reader is not None:
            reader.cancel()


async def until(process: asyncio.subprocess.Process, words: str) -> str:
    """The first line that holds these words."""
    assert process.stdout is not None
    said = []
    while line := (await process.stdout.readline()).decode(errors="replace"):
        if words in line:
            return line
        said.append(line)
    raise AssertionError(f"It ended, and never said {words!r}:\n{''.join(said[-30:])}")


async def _drain(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    while await process.stdout.read(65_536):
        pass


@contextlib.asynccontextmanager
async def haproxy(config: Path, nodes: Mapping[str, str], *, bind: str = "") -> AsyncIterator[str]:
    """The shipped HAProxy on a free port; gives host:port. nodes: host:port by name.

    The listening socket is ours, so a connection can be made before HAProxy is up. bind: more words for its `bind`.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        environment = {"BIND": f"fd@{listener.fileno()} {bind}".strip()}
        environment |= {f"NODE_{name.upper()}": address for name, address in nodes.items()}
        command = (program("haproxy"), "-db", "-f", config)
        async with running(*command, env=environment, fds=(listener.fileno(),)):
            host, port = listener.getsockname()
            yield f"{host}:{port}"


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A redis-server that is there."""

    process: asyncio.subprocess.Process
    url: str


@contextlib.asynccontextmanager
async def redis_server(port: int, *words: str, password: str = "") -> AsyncIterator[RedisServer]:
    """Redis on a port of loopback, in memory."""
    command = (program("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
    secret = ("--requirepass", password) if password else ()
    async with running(*command, *secret, *words, ready="Ready to accept connections") as process:
        yield RedisServer(process, f"redis://{f':{password}@' if password else ''}127.0.0.1:{port}/0")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as s:
        port: int = s.getsockname()[1]
        return port
