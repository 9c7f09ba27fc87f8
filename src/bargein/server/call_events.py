"""The live events of a call to a WebSocket, from whichever node has the call, and after it when it moves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.websockets import WebSocket

from bargein.errors import BargeinError
from bargein.protocols import MOVED
from bargein.server.call_commands import command, home_of
from bargein.server.calls import Watcher
from bargein.server.hub import Hub
from bargein.server.live_feed import close_over, pour
from bargein.server.refusals import Refusal

EVENTS = "bargein.events"  # the subprotocol
FOLLOW_S = 10.0  # that a watcher waits for a call which has left this node
_LOOK_S = 0.25  # between two looks for it


async def watch_call(hub: Hub, socket: WebSocket, call_id: str) -> None:
    """First the call's status (`{"type": "call", ...}`), then every notice as it comes; closes with the call. Raises
    BargeinError before the socket is accepted."""
    accepted = False
    while True:
        try:
            async with _watched(hub, call_id) as watcher:
                status = await command(hub, "status", call_id)
                if not accepted:
                    # A browser closes a socket that takes none of the protocols which it offered.
                    await socket.accept(EVENTS if EVENTS in socket.scope["subprotocols"] else None)
                    accepted = True
                if not await pour(socket, watcher, json.dumps({"type": "call", **status}), socket.send_text):
                    return
        except BargeinError:
            if not accepted:
                raise
            break
        if not await goes_on(hub, call_id):
            break
    await close_over(socket)


@asynccontextmanager
async def _watched(hub: Hub, call_id: str) -> AsyncIterator[Watcher]:
    """A watcher of a call on any node."""
    if await home_of(hub, call_id) is None:
        with hub.calls.watchers(call_id).one_more() as watcher:
            yield watcher
        return
    watcher = Watcher(hub.metrics)
    async with hub.fleet.watch(call_id) as texts:
        passing = asyncio.create_task(_pass_on(texts, watcher), name=f"events of {call_id}")
        try:
            yield watcher
        finally:
            passing.cancel()
            await asyncio.wait([passing])


async def _pass_on(texts: AsyncIterator[str], watcher: Watcher) -> None:
    try:
        async for text in texts:
            watcher.tell(text)
    finally:
        watcher.end()


async def goes_on(hub: Hub, call_id: str) -> bool:
    """Whether the call left this node and is at another now."""
    ended = hub.calls.ended(call_id)
    if not hub.fleet.shared or ended is None or ended["over"] != MOVED:
        return False
    try:
        async with asyncio.timeout(FOLLOW_S):
            while True:
                try:
                    return await home_of(hub, call_id) is not None
                except Refusal:  # it is on its way; its next node tells no one but the store
                    await asyncio.sleep(_LOOK_S)
    except (BargeinError, TimeoutError):
        return False
