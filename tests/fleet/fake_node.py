"""A node as HAProxy sees it: health, readiness, paths, one WebSocket that echoes. It can refuse, hang up, and die."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that a node got."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class FakeNode:
    """Answers every path with its name."""

    name: str
    ready: bool = True
    drops: bool = False
    """Hang up after the head of each request, without an answer."""
    asked: list[Asked] = field(default_factory=list)
    """What came, health checks left out."""
    address: str = ""
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _checks: dict[str, int] = field(default_factory=dict)
    _checked: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen, at the address it had before if there was one."""
        if self.address:
            host, _, known = self.address.partition(":")
            port = int(known)
        self._server = await asyncio.start_server(self._serve, host, port)
        self.address = "{}:{}".format(*self._server.sockets[0].getsockname())

    async def die(self) -> None:
        """As kill -9: nobody listens, and every connection is reset."""
        assert self._server is not None
        self._server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()
        await asyncio.gather(*self._tasks)

    async def checked(self, times: int = 2) -> None:
        """Until each of HAProxy's checks has asked this often again."""
        before = dict(self._checks)

        def enough() -> bool:
            return len(self._checks) == 2 and all(n >= before.get(p, 0) + times for p, n in self._checks.items())

        async with self._checked, asyncio.timeout(8):
            await self._checked.wait_for(enough)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await self._answer(head.decode(), reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = head.strip().split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        checked = path in ("/healthz", "/readyz") and "x-forwarded-for" not in headers
        if self.drops and not checked:
            self.asked.append(Asked(method, path, headers, b""))
            writer.transport.abort()
            raise ConnectionAbortedError
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if checked:
            await self._check(path, writer)
            return
        self.asked.append(Asked(method, path, headers, body))
        if headers.get("upgrade") == "websocket":
            accept = base64.b64encode(hashlib.sha1(headers["sec-websocket-key"].encode() + MAGIC).digest()).decode()
            words = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}"
            writer.write(f"HTTP/1.1 101 Switching Protocols\r\n{words}\r\n\r\n".encode())
            while data := await reader.read(65_536):
                writer.write(data)
            raise ConnectionAbortedError
        await _reply(writer, 200, self.name)

    async def _check(self, path: str, writer: asyncio.StreamWriter) -> None:
        await _reply(writer, 200 if path == "/healthz" or self.ready else 503, "")
        async with self._checked:
            self._checks[path] = self._checks.get(path, 0) + 1
            self._checked.notify_all()


async def _reply(writer: asyncio.StreamWriter, status: int, text: str) -> None:
    writer.write(f"HTTP/1.1 {status} .\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())
    await writer.drain()


@contextlib.asynccontextmanager
async def fake_nodes(*names: str, hosts: tuple[str, ...] = ()) -> AsyncIterator[dict[str, FakeNode]]:
    """Nodes that listen; they end with the block. hosts: an address of loopback for each, all on one port."""
    nodes = {name: FakeNode(name) for name in names}
    port = 0
    for n, node in enumerate(nodes.values()):
        await node.start(hosts[n] if hosts else "127.0.0.1", port if hosts else 0)
        port = int(node.address.rpartition(":")[2])
    try:
        yield nodes
    finally:
        for node in nodes.values():
            await node.die()
