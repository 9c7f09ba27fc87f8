"""The tasks of one call: all of them are over when the call is."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine
from types import TracebackType
from typing import Any

from bargein.errors import UsageError


async def _shallow(work: Coroutine[Any, Any, None]) -> None:
    """Await the work. A task keeps the error that cancelled it, the error keeps every frame on its way, and a frame may
    keep what leads back to the task (an asyncio.Timeout does). So the error is raised anew, without its way."""
    cancelled = False
    try:
        await work
    except asyncio.CancelledError:
        cancelled = True
    if cancelled:
        raise asyncio.CancelledError


class CallTasks:
    """An async context manager. Leaving the block waits for every task of the call. Each task runs in a copy of the
    context (contextvars) of the block, whatever the part of the server that makes the task: the ticker, say.

    Raises UsageError for a task outside the block.
    """

    def __init__(self, call_id: str) -> None:
        self._call_id = call_id
        self._group: asyncio.TaskGroup | None = None
        self._context: contextvars.Context | None = None
        self._cancellable: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> CallTasks:
        group = asyncio.TaskGroup()
        await group.__aenter__()
        self._group = group
        self._context = contextvars.copy_context()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._group is not None
        try:
            await self._group.__aexit__(kind, error, trace)
        finally:
            self._group = self._context = None  # it holds the task that ran the call

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """A task that `cancel` cancels."""
        task = self.spawn_commit(work, name)
        self._cancellable.add(task)
        task.add_done_callback(self._cancellable.discard)
        return task

    def spawn_commit(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """A task that is awaited, and never cancelled by the call."""
        if self._group is None or self._context is None:
            work.close()
            raise UsageError("A call that does not run cannot speak", advice="Await Call.run() first")
        task = self._group.create_task(
            _shallow(work), name=f"call {self._call_id}: {name}", context=self._context.copy()
        )
        task.add_done_callback(lambda _: work.close())  # where the task was cancelled before it began
        return task

    def cancel(self) -> None:
        """Cancel every task that `spawn` made."""
        for task in self._cancellable:
            task.cancel()
