"""A bound on WebSocket frames, checked before anything parses them.

The package `websockets` parses a frame in some 20 microseconds, and a frame can have six bytes: one read of a client
that sends empty frames would stop every call for a second. So the heads of the frames are counted first, which costs a
fiftieth; a few frames at a time are parsed, and other calls run in between; a client that sends too many is closed.
Control frames and parts of messages count like messages.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

from bargein.clock import MonotonicClock
from bargein.transports.rate_limit import RateLimit

FRAMES, BURST = 500, 2000  # a second, and at once: a page sends some 80 a second, and after a break those of the break
AT_ONCE = 64  # frames that are parsed before other calls have their turn
PARTS = 100  # of one message
WAITING_BYTES = 1 << 20  # not parsed yet
UNSENT_BYTES = 64 * 1024  # that a client has not read, when it asks for one more pong
NOT_UTF8, POLICY_VIOLATION = 1007, 1008


class FrameCounter:
    """Follows the frames of a stream of bytes by their heads."""

    def __init__(self) -> None:
        self.parts = 0
        """Frames of the message that has not ended yet."""
        self._head = bytearray()
        """The beginning of a frame whose head is not whole."""
        self._payload = 0
        """Bytes of the newest frame that have not come yet."""

    def take(self, data: memoryview, most: int) -> tuple[int, int]:
        """Take bytes up to the end of so many frames. Returns the bytes that were taken, and the frames that began."""
        at, frames, size = 0, 0, len(data)
        while at < size:
            if self._payload:
                step = min(self._payload, size - at)
                self._payload -= step
                at += step
                continue
            if frames == most and not self._head:
                break
            while at < size and len(self._head) < _head_bytes(self._head):
                self._head.append(data[at])
                at += 1
            if len(self._head) == _head_bytes(self._head):
                self._begin(self._head)
                self._head.clear()
                frames += 1
        return at, frames

    def _begin(self, head: bytearray) -> None:
        length = head[1] & 0x7F
        if length == 126:
            length = int.from_bytes(head[2:4])
        elif length == 127:
            length = int.from_bytes(head[2:10])
        self._payload = length
        if head[0] & 0x0F < 8:  # no control frame
            self.parts = 0 if head[0] & 0x80 else self.parts + 1


def _head_bytes(head: bytearray) -> int:
    """Bytes of a frame's head, as far as its beginning tells."""
    if len(head) < 2:
        return 2
    length = head[1] & 0x7F
    return 2 + (2 if length == 126 else 8 if length == 127 else 0) + (4 if head[1] & 0x80 else 0)


class GuardedWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket on the package `websockets`, behind a FrameCounter."""

    def __init__(self, *args: Any, on_lost: Callable[[asyncio.BaseTransport], None], **more: Any) -> None:
        """on_lost: told once, when the connection is gone."""
        super().__init__(*args, **more)
        self._on_lost = on_lost
        self._counter = FrameCounter()
        self._limit = RateLimit(MonotonicClock(), FRAMES, BURST)
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._next: asyncio.Handle | None = None
        self._opened = False
        self._refused = False

    def data_received(self, data: bytes) -> None:
        if not self._opened:  # the head of the request, whole: uvicorn has parsed it, and writes it anew
            self._opened = True
            # Of a header that is no ASCII `websockets` makes a refusal whose text it cannot encode.
            with suppress(UnicodeEncodeError):
                super().data_received(data)
            if not self.handshake_initiated:
                self._no_request()
            return
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        if self._waiting_bytes > WAITING_BYTES:
            self._refuse("too many bytes at once")
        elif self._next is None and len(self._waiting) == 1:
            self._parse()

    async def receive(self) -> ASGIReceiveEvent:
        message = await super().receive()
        if self._waiting:
            self.transport.pause_reading()
            if self.queue.empty():
                self._parse_soon()
        return message

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True  # refused: uvicorn would log an error for each
        if self.close_sent and self._waiting:
            self._stop()
            self.transport.close()  # the answer to our close stands behind what is not parsed any more

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        self._on_lost(self.transport)
        super().connection_lost(exc)

    def handle_ping(self) -> None:
        if self.transport.get_write_buffer_size() > UNSENT_BYTES:
            self._refuse("pings from a client that reads nothing")
        else:
            super().handle_ping()

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text":
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:  # uvicorn would log a traceback for each
                self.frames = []
                self._refuse("a text that is no UTF-8", NOT_UTF8)
                return
        super().send_receive_event_to_app()

    def _no_request(self) -> None:
        """Answer a head that uvicorn's HTTP takes and `websockets` does not (a control character, a long line). uvicorn
        would leave the connection as it is, and fail on it when the server closes."""
        self.handshake_complete = self.close_sent = True
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        self.transport.close()

    def _parse(self) -> None:
        """Some of the frames that wait."""
        self._next = None
        left = AT_ONCE
        while self._waiting and left and not self._refused:
            data = self._waiting.popleft()
            taken, frames = self._counter.take(memoryview(data), left)
            if (frames and not self._limit.take(frames)) or self._counter.parts > PARTS:
                self._refuse("too many frames")
                return
            left -= frames
            self._waiting_bytes -= taken
            if taken < len(data):
                self._waiting.appendleft(data[taken:])
            super().data_received(data[:taken])
        if self._waiting and not self._refused:
            self.transport.pause_reading()
            if self.queue.empty():  # else when the app has taken what is there
                self._parse_soon()
        elif not self.read_paused and not self._refused:
            self.transport.resume_reading()

    def _parse_soon(self) -> None:
        if self._next is None:
            self._next = self.loop.call_soon(self._parse)

    def _refuse(self, why: str, code: int = POLICY_VIOLATION) -> None:
        """Close the connection: no call listens to a client any more that does so."""
        if self._refused:
            return
        self._stop()
        self._refused = True
        if self.transport.is_closing():
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": why})
        if self.handshake_complete and not self.close_sent and self.conn.state is State.OPEN:
            self.conn.send_close(code, why)
            self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.transport.get_write_buffer_size() > UNSENT_BYTES:
            self.transport.abort()  # what waits there is never read
        else:
            self.transport.close()

    def _stop(self) -> None:
        if self._next is not None:
            self._next.cancel()
            self._next = None
        self._waiting.clear()
        self._waiting_bytes = 0
