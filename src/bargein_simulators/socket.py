"""What all simulated streaming ears share: the record of a line, its sound, and answers that come with a delay."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from bargein.audio.mulaw import from_mulaw
from bargein.audio.pcm import Samples

Ended = Literal["open", "closed", "disconnected", "refused", "faulty", "error"]
Json = Mapping[str, Any]
Close = tuple[int, str]  # code, reason

KEPT_LINES = 200
MOST_WAITING = 5_000  # messages on their way to a client; one more is a defect of the simulator's, and raises


@dataclass(slots=True, kw_only=True)
class SimulatedSocket:
    """One connection: how much sound came (ms), how it ended; over: set when it has."""

    heard_ms: float = 0.0
    ended: Ended = "open"
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, ended: Ended) -> None:
        """How it ended first is kept."""
        if self.ended == "open":
            self.ended = ended
        self.over.set()


class Answers:
    """What is told on one socket, in its order. sent: called with each message that has left."""

    def __init__(self, socket: WebSocket, sent: Callable[[Json], None] = lambda _: None) -> None:
        self._socket, self._sent = socket, sent
        # When each is due, by the event loop's clock; what is to be done then, and the message that is told by it.
        self._out: asyncio.Queue[tuple[float, str | Close, Json | None]] = asyncio.Queue(maxsize=MOST_WAITING)

    def tell(self, message: Json, delay_ms: float) -> None:
        self._out.put_nowait((asyncio.get_running_loop().time() + delay_ms / 1000, json.dumps(message), message))

    def garble(self, text: str) -> None:
        """Tell what is no message."""
        self._out.put_nowait((0.0, text, None))

    def close(self, code: int, reason: str = "") -> None:
        """Once all is told that was said before."""
        self._out.put_nowait((0.0, (code, reason), None))

    @asynccontextmanager
    async def told(self) -> AsyncIterator[None]:
        """While the block runs, and behind it until the socket is closed. What the block raises ends it at once, and is
        raised in a group."""
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(self._send(), name="simulator: send")
            try:
                yield
            except BaseException:
                sending.cancel()
                raise

    async def _send(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, what, message = await self._out.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if isinstance(what, tuple):
                await self._socket.close(*what)
                return
            await self._socket.send_text(what)
            if message is not None:
                self._sent(message)


async def received(socket: WebSocket, within_s: float | None = None) -> Message:
    """The next message. Raises TimeoutError where none comes so long, WebSocketDisconnect."""
    async with asyncio.timeout(within_s):
        message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1006))
    return message


def samples_of(data: bytes, *, mulaw: bool = False) -> Samples:
    """16-bit PCM (half a sample at the end is dropped), or mu-law."""
    if mulaw:
        return from_mulaw(data)
    samples: Samples = np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.int16)
    return samples
