"""Redis and HAProxy as plain processes. Each ends with its block; nothing is left on the machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bargein.errors import Unavailable

START_S = 60.0
SBIN = ":/usr/sbin:/usr/local/sbin"  # Debian's haproxy is no user's command
LINES = 10_000  # of a process's output that are kept


def program(name: str) -> str:
    """The path of a program that `make test` has installed. Raises Unavailable."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + SBIN)
    if path is None:
        raise Unavailable(f"{name} is not here", advice="Run tools/services.sh")
    return path


@dataclass
class ServiceProcess:
    """A process that runs, and what it says."""

    process: asyncio.subprocess.Process
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=LINES))
    said: int = 0
    """Lines so far."""
    _came: asyncio.Condition = field(default_factory=asyncio.Condition)
    _over: bool = False

    @property
    def pid(self) -> int:
        return self.process.pid

    async def until(self, words: str, *, after: int = 0) -> str:
        """The first line that holds these words, of those after the first `after` lines. Raises Unavailable."""

        def there() -> str | None:
            fresh = self.said - after
            return next((line for line in list(self.lines)[-fresh:] if words in line), None) if fresh > 0 else None

        async with asyncio.timeout(START_S), self._came:
            await self._came.wait_for(lambda: self._over or there() is not None)
        line = there()
        if line is None:
            said = "".join(list(self.lines)[-20:])
            raise Unavailable(f"A process ended, and never said {words!r}:\n{said}", advice="Run it by hand")
        return line

    async def kill(self, sig: int = signal.SIGKILL) -> None:
        """End it, with all that it has started. SIGTERM and SIGINT: the process alone, which ends its own."""
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if sig == signal.SIGKILL else os.kill)(self.pid, sig)
        await self.process.wait()

    async def read(self) -> None:
        """Take its output, to the end."""
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            await self._say(line.decode(errors="replace"))
        async with self._came:
            self._over = True
            self._came.notify_all()

    async def _say(self, line: str) -> None:
        async with self._came:
            self.lines.append(line)
            self.said += 1
            self._came.notify_all()


@contextlib.asynccontextmanager
async def running(
    *command: str | Path, env: Mapping[str, str] | None = None, ready: str = "", fds: tuple[int, ...] = ()
) -> AsyncIterator[ServiceProcess]:
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
    service = ServiceProcess(process)
    reader = asyncio.create_task(service.read(), name=f"output of {command[0]}")
    try:
        if ready:
            await service.until(ready)
        yield service
    finally:
        await service.kill()
        await reader


@dataclass(frozen=True, slots=True)
class Balancer:
    """HAProxy before nodes. address: host:port."""

    service: ServiceProcess
    address: str


@contextlib.asynccontextmanager
async def haproxy(config: Path, nodes: Mapping[str, str]) -> AsyncIterator[Balancer]:
    """The shipped HAProxy on a free port. nodes: host:port by name.

    The listening socket is ours, so a connection can be made before HAProxy is up.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        environment = {"BIND": f"fd@{listener.fileno()}"}
        environment |= {f"NODE_{name.upper()}": address for name, address in nodes.items()}
        command = (program("haproxy"), "-db", "-f", config)
        async with running(*command, env=environment, fds=(listener.fileno(),)) as service:
            host, port = listener.getsockname()
            yield Balancer(service, f"{host}:{port}")


@contextlib.asynccontextmanager
async def redis_server(port: int, *words: str) -> AsyncIterator[ServiceProcess]:
    """Redis on a port of loopback, in memory."""
    command = (program("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
    async with running(*command, *words, ready="Ready to accept connections") as process:
        yield process


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as s:
        port: int = s.getsockname()[1]
        return port
