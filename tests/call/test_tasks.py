"""The tasks of a call: none outlives it, and a commit is never cancelled by its end."""

from __future__ import annotations

import asyncio

import pytest

from bargein.call.tasks import CallTasks
from bargein.errors import UsageError
from tests.call.parts import settle


async def test_the_end_cancels_what_may_be_cancelled_and_waits_for_the_rest() -> None:
    go, done = asyncio.Event(), list[str]()

    async def work(name: str) -> None:
        try:
            await go.wait()
            done.append(name)
        except asyncio.CancelledError:
            done.append(f"{name} cancelled")
            raise

    async def call() -> None:
        async with CallTasks("c1") as tasks:
            assert tasks.spawn(work("reply"), "reply 1").get_name() == "call c1: reply 1"
            tasks.spawn_commit(work("booking"), "tool book")
            await settle()
            tasks.cancel()

    running = asyncio.create_task(call())
    await settle()
    await settle()
    assert done == ["reply cancelled"]
    assert not running.done(), "the booking still runs"
    go.set()
    await running
    assert done == ["reply cancelled", "booking"]


async def test_a_task_that_is_over_is_forgotten() -> None:
    async def work() -> None: ...

    async with CallTasks("c1") as tasks:
        task = tasks.spawn(work(), "short")
        await settle()
        tasks.cancel()
        assert not task.cancelled()


async def test_a_call_that_does_not_run_has_no_tasks() -> None:
    async def work() -> None: ...

    with pytest.raises(UsageError, match="does not run"):
        CallTasks("c1").spawn(work(), "too early")
