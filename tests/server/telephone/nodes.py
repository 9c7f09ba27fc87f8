"""Several nodes of one fleet in one process, each a whole server, over one store."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bargein.agent import Agent
from bargein.fleet.fleet import Fleet
from bargein.fleet.memory import MemoryStore
from bargein.fleet.records import Load
from bargein.fleet.store import Operation, StoreAway
from bargein.server import own_fleet
from tests.server.kit import World, settings, tone_agent, world
from tests.server.telephone.test_twilio import GREETING, TOKEN


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class SharedStore(MemoryStore):
    """away: the store cannot be reached."""

    away = False

    async def run(self, steps: Sequence[Operation[Any]]) -> list[Any]:
        if self.away:
            raise StoreAway("a test has taken it away")
        return await super().run(steps)


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> SharedStore:
    """The store of every server that a test starts."""
    store = SharedStore(shared=True)
    monkeypatch.setattr(own_fleet, "store_for", lambda *_: store)
    return store


@asynccontextmanager
async def node(name: str, *agents: Agent, **more: object) -> AsyncIterator[World]:
    """A server with an address of its own, that Twilio calls."""
    port = free_port()
    given: dict[str, object] = {
        "node": name,
        "port": port,
        "node_url": f"http://127.0.0.1:{port}",
        "twilio_auth_token": TOKEN,
        "twilio_account_sid": "AC1",
        "keep_s": 5.0,
    }
    offered = agents or (tone_agent(greeting=GREETING),)
    async with world(settings(None, **given | more), *offered, alone=False) as here:
        calls = here.hub.calls  # a machine that runs tests is late, whatever the calls
        here.hub.fleet.load = lambda: Load(calls.taken, calls.most, 0.0, calls.taken / calls.most)
        await here.hub.readiness.done.wait()
        await drained(here, drains=False)
        yield here


async def drained(here: World, *, drains: bool = True) -> None:
    """The node drains, or takes calls, and every node knows so."""
    (here.hub.fleet.drain if drains else here.hub.fleet.undrain)()
    await asyncio.sleep(0.05)  # the heartbeat leaves at once


@asynccontextmanager
async def ghost(store: MemoryStore, name: str = "ghost") -> AsyncIterator[Fleet]:
    """A node without a server."""
    async with Fleet(store, name) as fleet:
        yield fleet
