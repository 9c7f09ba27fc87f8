"""What comes live of a call, to a WebSocket that only reads."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from starlette.websockets import WebSocket, WebSocketDisconnect

SLOW_S = 10  # one who takes nothing for so long is sent away

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class LiveFeed(Protocol[T_co]):
    """What waits for one socket."""

    async def next(self) -> T_co | None:
        """The next piece. None: the call is over, or `end` was called."""
        ...

    def end(self) -> None: ...


async def pour(socket: WebSocket, feed: LiveFeed[T], first: T | None, send: Callable[[T], Awaitable[None]]) -> bool:
    """Send what comes until the call is over, or leaves. False: the other end went away, or reads no more."""
    async with asyncio.TaskGroup() as group:
        leaving = group.create_task(_until_gone(socket, feed), name="watcher")
        try:
            piece = first
            while piece is not None:
                async with asyncio.timeout(SLOW_S):
                    await send(piece)
                piece = await feed.next()
            there = not leaving.done()
        except (TimeoutError, WebSocketDisconnect, RuntimeError):
            there = False
        finally:
            leaving.cancel()
    return there


async def close_over(socket: WebSocket) -> None:
    """Close a socket whose call is over. The other end may have gone, or read no more."""
    with contextlib.suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
        async with asyncio.timeout(SLOW_S):
            await socket.close(1000, "the call is over")


async def _until_gone(socket: WebSocket, feed: LiveFeed[T]) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass  # it has nothing to say
    feed.end()
