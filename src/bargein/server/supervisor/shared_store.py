"""What the workers of one server share where there is no Redis: the supervisor's store, on a Unix socket."""

from __future__ import annotations

import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from bargein.fleet.keys import NODES, node_key
from bargein.fleet.memory import MemoryStore
from bargein.fleet.remote import StoreServer
from bargein.fleet.store import Delete, Unrank
from bargein.server.settings import Settings


class SharedStore:
    """Runs while its block does. With Redis there is nothing to run."""

    def __init__(self, settings: Settings) -> None:
        self._store = None if settings.redis_url is not None else MemoryStore(shared=True)
        self._stack = AsyncExitStack()
        self.path: Path | None = None
        """The socket. None: the workers have Redis, or the block does not run."""

    async def __aenter__(self) -> Self:
        if self._store is not None:
            folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="bargein-"))  # for its owner only
            self.path = Path(folder) / "store"
            await self._stack.enter_async_context(StoreServer(self._store, self.path))
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._stack.aclose()

    def died(self, node: str) -> None:
        """A worker's process is over: no other need wait for its heartbeat to grow old."""
        if self._store is not None:
            self._store.step(Delete(node_key(node)))
            self._store.step(Unrank(NODES, node))
