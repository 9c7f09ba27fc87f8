"""What the simulators of streaming STT share: the record of a connection, its audio, and answers with a delay."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from starlette.responses import JSONResponse
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from bargein.audio.alaw import from_alaw
from bargein.audio.mulaw import from_mulaw
from bargein.audio.pcm import Samples

Ended = Literal["open", "closed", "disconnected", "refused", "faulty", "error"]
Json = Mapping[str, Any]
Close = tuple[int, str]  # code, reason

KEPT_CONNECTIONS = 200
MAX_QUEUED = 5_000  # messages to one client; one more is a defect of the simulator and raises QueueFull


@dataclass(slots=True, kw_only=True)
class SimulatedConnection:
    """The record of one connection."""

    audio_ms: float = 0.0
    """Length of the audio that came."""
    ended: Ended = "open"
    """How the connection ended."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the connection has ended."""

    def end(self, ended: Ended) -> None:
        """Record how the connection ended. Only the first call counts."""
        if self.ended == "open":
            self.ended = ended
        self.over.set()


class SendQueue:
    """The messages to one client, sent in their order, each when it is due.

    sent: called with each message that has left.
    """

    def __init__(self, socket: WebSocket, sent: Callable[[Json], None] = lambda _: None) -> None:
        self._socket, self._record = socket, sent
        # Due time (s, by the event loop's clock); the text or the close; the message in that text, None for raw text.
        self._queue: asyncio.Queue[tuple[float, str | Close, Json | None]] = asyncio.Queue(maxsize=MAX_QUEUED)

    def send(self, message: Json, delay_ms: float) -> None:
        """Queue a message. It leaves delay_ms from now, and after all that was queued before."""
        self._queue.put_nowait((asyncio.get_running_loop().time() + delay_ms / 1000, json.dumps(message), message))

    def send_raw(self, text: str) -> None:
        """Queue text that is no message."""
        self._queue.put_nowait((0.0, text, None))

    def close(self, code: int, reason: str = "") -> None:
        """Queue the close of the socket."""
        self._queue.put_nowait((0.0, (code, reason), None))

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Send while the block runs, and after it until the socket is closed.

        An exception of the block stops the sending at once, and is raised in a group.
        """
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
            due, what, message = await self._queue.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if isinstance(what, tuple):
                await self._socket.close(*what)
                return
            await self._socket.send_text(what)
            if message is not None:
                self._record(message)


async def serve_connection(
    socket: WebSocket,
    connection: SimulatedConnection,
    refusal: JSONResponse | None,
    handle: Callable[[], Awaitable[None]],
) -> None:
    """Refuse a handshake, or accept it and handle the connection until its end.

    refusal: the response to a refused handshake; None: the handshake is accepted. handle: called once, after that.
    """
    if refusal is not None:
        connection.end("refused")
        await socket.send_denial_response(refusal)
        return
    await socket.accept()
    try:
        await handle()
    except* WebSocketDisconnect:
        connection.end("disconnected")


async def receive(socket: WebSocket, within_s: float | None = None) -> Message:
    """The next message of the client.

    Raises TimeoutError after within_s without a message, WebSocketDisconnect when the client has left.
    """
    async with asyncio.timeout(within_s):
        message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1006))
    return message


def samples_of(data: bytes, encoding: str = "s16le") -> Samples:
    """Samples of an encoding: "s16le", "s32le", "f16le", "f32le", "mulaw", "alaw".

    Bytes at the end that are no whole sample are discarded.
    """
    match encoding:
        case "mulaw":
            return from_mulaw(data)
        case "alaw":
            return from_alaw(data)
        case "s16le":
            return np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.int16)
        case "s32le":
            return (np.frombuffer(data[: len(data) // 4 * 4], "<i4") >> 16).astype(np.int16)
        case _:
            size = 2 if encoding == "f16le" else 4
            floats = np.frombuffer(data[: len(data) // size * size], f"<f{size}").astype(np.float32)
            return (np.nan_to_num(floats).clip(-1, 1) * 32_767).astype(np.int16)
