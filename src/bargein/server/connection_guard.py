"""Bounds on connections, before any request: how many, of one address and in all, and how long each may be idle.

A connection that is open costs a file, whether it says anything or not. So the server takes fewer connections than it
may have files; each beyond the cap is closed as it comes. A connection whose request does not come, or comes by single
bytes, or whose answer is not read, is closed, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import h11
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from bargein.server.connection_census import ConnectionCensus

REQUEST_S = 10.0  # from the first byte of a request, or the opening of the connection, to the request's end
UNREAD_S = 20.0  # that an answer may wait for its reader
HEAD_BYTES = 64 * 1024  # of one request: httptools has no bound of its own
REST_BYTES = 1 << 20  # of a request that is answered already
TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Passed(Protocol):
    """The supervisor that passed a connection, as far as the connection is concerned."""

    def made(self, transport: asyncio.BaseTransport, number: int) -> None: ...

    def settled(self, transport: asyncio.BaseTransport, *, is_socket: bool) -> None:
        """The connection's first request is known."""
        ...

    def left(self, transport: asyncio.BaseTransport) -> None:
        """The connection is closed."""
        ...

    def is_elsewhere(self, head: bytes) -> bool | None:
        """Whether a request is for another node. None: more bytes would tell; there is a bound on how many."""
        ...

    def hand_back(self, transport: asyncio.BaseTransport, head: bytes) -> bool:
        """Give the connection to the node that its request names. True: it is not ours any more."""
        ...


class GuardedHTTP(AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # one of two classes, by what is installed
    """uvicorn's HTTP on one connection, within bounds."""

    def __init__(self, census: ConnectionCensus, request_s: float, **more: Any) -> None:
        super().__init__(**more)
        self._census = census
        self._request_s = request_s
        self._timer: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._counted = False
        self._upgraded = False
        self._in_head = False
        self._unused = 0  # bytes that no request of the app's took
        self._passed: Passed | None = None
        self._number, self._first = 0, b""
        self._settled = False
        self._between = True  # the next byte begins a request
        self._head = b""  # of a request whose node is not known yet

    def is_passed(self, by: Passed, number: int, data: bytes) -> None:
        """Before the connection is made: who passed it, as which one, and what was read of it."""
        self._passed, self._number, self._first = by, number, data

    def connection_made(self, transport: asyncio.Transport) -> None:
        if self._passed is not None:
            self._passed.made(transport, self._number)
        self._counted = self._census.enter(transport)
        if not self._counted:
            self.transport = transport
            transport.abort()
            return
        super().connection_made(transport)
        self._wait()
        if self._first:
            first, self._first, self._between = self._first, b"", False  # it was passed on once
            self.data_received(first)

    def data_received(self, data: bytes) -> None:
        if not self._counted or self.transport.is_closing():
            return
        if self._passed is not None and self._begins_request():
            data = self._head + data
            elsewhere = self._passed.is_elsewhere(data)
            self._head = data if elsewhere is None else b""
            if elsewhere is None:
                self._wait()
                return
            if elsewhere and self._passed.hand_back(self.transport, data):
                self._rest()
                self.transport.abort()  # our copy of it
                return
            self._between = False
        super().data_received(data)
        if not self._settled and self._passed is not None and (self._upgraded or self.cycle is not None):
            self._settled = True
            self._passed.settled(self.transport, is_socket=self._upgraded)
        if self._upgraded or (self.cycle is not None and not self.cycle.response_complete):
            self._rest()  # the app has the request or the socket, and its own bounds
            self._unused = 0
            return
        self._unused += len(data)
        head = self.cycle is None or self._in_head
        if self._unused > (HEAD_BYTES if head else REST_BYTES):
            if head and not self.transport.is_closing():
                self.transport.write(TOO_LONG)
            self._rest()
            self.transport.close()
        else:
            self._wait()

    def _begins_request(self) -> bool:
        if self._upgraded or (self.cycle is not None and not self.cycle.response_complete):
            return False
        conn = getattr(self, "conn", None)  # of h11; httptools tells by its callbacks
        if conn is None:
            return self._between
        return bool(conn.their_state is h11.IDLE and not conn.trailing_data[0] and (self.cycle or self._between))

    def on_message_begin(self) -> None:  # of httptools, like the next two
        self._in_head = True
        self._between = False
        self._unused = 0  # what came before belongs to another request
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._between = True

    def handle_websocket_upgrade(self, *event: Any) -> None:
        self._upgraded = True
        super().handle_websocket_upgrade(*event)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._rest()  # uvicorn's own timer waits for another request

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(UNREAD_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest()
        if self._unread is not None:
            self._unread.cancel()
        if self._counted:
            self._census.leave(self.transport)
            super().connection_lost(exc)
        if self._passed is not None:
            self._passed.left(self.transport)

    def _wait(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self._request_s, self._late)

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        self.transport.abort()


def guarded_http(census: ConnectionCensus, request_s: float = REQUEST_S) -> Callable[..., GuardedHTTP]:
    """For uvicorn's `http`."""

    def make(**more: Any) -> GuardedHTTP:
        return GuardedHTTP(census, request_s, **more)

    return make
