"""A part's start and end: `start()` where it has one, and `aclose()`, within a bound, where it has one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

log = logging.getLogger(__name__)

CLOSE_S = 5  # a part that takes longer to close is left to itself


async def start_part(stack: AsyncExitStack, part: object, *, close: bool = True) -> None:
    """Start a part that can be started; the stack closes it. close: False leaves its end to its owner."""
    end: Callable[[], Awaitable[None]] | None = getattr(part, "aclose", None)
    if close and end is not None:
        stack.push_async_callback(_close, type(part).__name__, end)
    start: Callable[[], Awaitable[None]] | None = getattr(part, "start", None)
    if start is not None:
        await start()


async def _close(name: str, end: Callable[[], Awaitable[None]]) -> None:
    """Within a bound: a vendor that does not let go may not hold up the call that is over."""
    try:
        async with asyncio.timeout(CLOSE_S):
            await end()
    except TimeoutError:
        log.warning("%s did not close within %d s", name, CLOSE_S)
