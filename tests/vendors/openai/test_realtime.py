"""A connection that stands and carries nothing: the line notices, and makes another. Both ends are played by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bargein import protocols as c
from bargein.vendors.common.openai_realtime.connection import OpenAIRealtimeConnection
from bargein.vendors.common.openai_realtime.send_queue import WAITING
from bargein.vendors.openai.realtime import OpenAIRealtime


class Wire:
    """One connection. It opens a session, and then tells what is put `down`. error: of everything that is sent then;
    stuck: nothing that is sent ever leaves."""

    def __init__(self, *, error: Exception | None = None, stuck: bool = False) -> None:
        self.down: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.up: list[dict[str, Any]] = []
        self.error, self.stuck = error, stuck
        self.down.put_nowait({"type": "session.created"})

    async def recv_bytes(self) -> bytes:
        return json.dumps(await self.down.get()).encode()

    async def send_raw(self, text: str) -> None:
        event = json.loads(text)
        if event["type"] == "session.update":
            self.down.put_nowait({"type": "session.updated"})
            return
        if self.error is not None:
            raise self.error
        if self.stuck:
            await asyncio.Event().wait()
        self.up.append(event)


class Model(OpenAIRealtime):
    """wires: the connections that it makes, in their order."""

    def __init__(self, *wires: Wire) -> None:
        super().__init__(api_key="k")
        self.wires = list(wires)

    @asynccontextmanager
    async def connect(self, call_id: str | None = None) -> AsyncIterator[Any]:
        yield self.wires.pop(0)


async def listen(line: OpenAIRealtimeConnection, heard: list[c.STTEvent], back: asyncio.Event) -> None:
    async for item in line.events():
        heard.append(item)
        if isinstance(item, c.STTRestored):
            back.set()


async def lost(broken: Wire, *, orders: int) -> str:
    """Why the line gave up a connection with so many orders on it; it must make another."""
    well, heard, back = Wire(), list[c.STTEvent](), asyncio.Event()
    model = Model(broken, well)
    line = model.open(c.SessionConfig("Be short.", "en", (), 16_000, False), list)
    task = asyncio.create_task(listen(line, heard, back))
    try:
        async with asyncio.timeout(5):
            await line._connected()
            for _ in range(orders):
                line.dismiss(0, 0, c.UserBackchannel("mm-hmm"))
            await back.wait()
    finally:
        task.cancel()
        await asyncio.wait([task])
        await model.aclose()
    (why,) = [item.why for item in heard if isinstance(item, c.STTLost)]
    return why


async def test_a_line_that_cannot_send_is_given_up_at_once_and_not_when_something_comes() -> None:
    why = await lost(Wire(error=ConnectionResetError()), orders=1)
    assert why == "OpenAI Realtime broke off (ConnectionResetError)"


async def test_a_line_that_does_not_read_is_given_up_when_too_much_waits() -> None:
    why = await lost(Wire(stuck=True), orders=WAITING + 2)
    assert why == "OpenAI Realtime does not read"
