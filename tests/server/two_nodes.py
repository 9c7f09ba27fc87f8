"""Several whole servers of one fleet in one process, of which one can seem to die."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bargein.agent import Agent
from bargein.fleet.memory import MemoryStore
from bargein.fleet.records import Load
from bargein.fleet.store import Operation, QueueItem, StoreAway
from bargein.server import own_fleet
from bargein.server.settings import Settings
from tests.server.kit import World, settings, world


class NodeStore:
    """One node's way to the store of all. gone: the way is cut, and to the others the node is dead."""

    shared = True

    def __init__(self, inner: MemoryStore) -> None:
        self.inner = inner
        self.gone = False

    async def run(self, steps: Sequence[Operation[Any]]) -> list[Any]:
        if self.gone:
            raise StoreAway("a test has cut it off")
        return await self.inner.run(steps)

    async def pull(self, queue: str, after: str, wait_ms: int) -> list[QueueItem]:
        found = await self.inner.pull(queue, after, wait_ms)
        if self.gone:
            raise StoreAway("a test has cut it off")
        return found

    def listen(self, channel: str) -> Any:
        return self.inner.listen(channel)

    async def aclose(self) -> None:
        await self.inner.aclose()


class Stores:
    """By the node's name."""

    def __init__(self) -> None:
        self.inner = MemoryStore(shared=True)
        self.of: dict[str, NodeStore] = {}

    def __call__(self, chosen: Settings, *_: object) -> NodeStore:
        return self.of.setdefault(chosen.node, NodeStore(self.inner))

    def cut(self, *names: str) -> None:
        for name in names:
            self.of[name].gone = True


def shared_stores(monkeypatch: pytest.MonkeyPatch) -> Stores:
    """What the servers of a test have in common."""
    made = Stores()
    monkeypatch.setattr(own_fleet, "store_for", made)
    return made


@asynccontextmanager
async def node(name: str, *agents: Agent, **more: object) -> AsyncIterator[World]:
    """A server with an address of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    given: dict[str, object] = {"node": name, "port": port, "node_url": f"http://127.0.0.1:{port}", "keep_s": 5.0}
    async with world(settings(None, **given | more), *agents, alone=False) as here:
        async with asyncio.timeout(10):
            await here.hub.readiness.done.wait()
        calls = here.hub.calls  # how late this machine runs is another test's
        here.hub.fleet.load = lambda: Load(calls.taken, calls.most, 0.0, calls.taken / calls.most)
        await here.hub.fleet._nodes.beat()  # the others know at once that it is ready
        yield here
