"""A node whose process is known to be over: the others do not wait for its heartbeat to grow old."""

from __future__ import annotations

from contextlib import AsyncExitStack

from bargein.clock import ManualClock
from bargein.fleet.fleet import Fleet
from bargein.fleet.memory import MemoryStore
from bargein.fleet.remote import RemoteStore
from bargein.server.settings import Settings
from bargein.server.supervisor.shared_store import SharedStore


async def test_a_dead_node_is_gone_for_the_others_at_once() -> None:
    clock = ManualClock()
    store = MemoryStore(clock, shared=True)
    async with AsyncExitStack() as stack:
        alive, _ = [await stack.enter_async_context(Fleet(store, name, clock=clock)) for name in ("w-0", "w-1")]
        assert [record.id for record in await alive.nodes()] == ["w-0", "w-1"]
        await alive.forget("w-1")
        assert [record.id for record in await alive.nodes()] == ["w-0"]


async def test_the_supervisor_store_forgets_a_worker_that_died() -> None:
    async with SharedStore(Settings(_env_file=None)) as shared:  # type: ignore[call-arg]
        assert shared.path is not None
        assert shared.path.parent.stat().st_mode & 0o077 == 0
        async with Fleet(RemoteStore(shared.path), "w-0") as alive, Fleet(RemoteStore(shared.path), "w-1"):
            assert [record.id for record in await alive.nodes()] == ["w-0", "w-1"]
            shared.died("w-1")
            assert [record.id for record in await alive.nodes()] == ["w-0"]
    assert not shared.path.exists()
