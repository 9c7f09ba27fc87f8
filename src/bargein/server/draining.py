"""A drain that an operator has asked for, and may take back."""

from __future__ import annotations

import asyncio

from bargein.server.calls import Calls


class DrainControl:
    """Of one node. The process stays when its calls are gone."""

    def __init__(self, calls: Calls, drain_s: float, tasks: asyncio.TaskGroup) -> None:
        self._calls, self._drain_s, self._tasks = calls, drain_s, tasks
        self._running: asyncio.Task[None] | None = None
        self._move = False

    def begin(self, *, move: bool) -> None:
        """No new call; those that run end within the time of the settings, or move now. A drain that runs already may
        be told to move."""
        if self._running is None or (move and not self._move):
            self._move = move
            self._running = self._tasks.create_task(self._drain(move), name="drain")

    async def stop(self) -> None:
        """Calls are taken again. Those that were asked to leave and have not left stay."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
            self._running = None
        self._calls.reopen()

    async def _drain(self, move: bool) -> None:
        await self._calls.drain(self._drain_s, asyncio.Event(), move=move)
