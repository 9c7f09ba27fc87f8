"""Bounds on connections, before any request: how many, of one address and in all, and how long each may be idle.

A connection that is open costs a file, whether it says anything or not. So the server takes fewer connections than it
may have files; each beyond the cap is closed as it comes. A connection whose request does not come, or comes by single
bytes, or whose answer is not read, is closed, too.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from bargein.clock import Clock, MonotonicClock
from bargein.server.addresses import peer_at
from bargein.server.settings import Settings
from bargein.transports.rate_limit import RateLimit

if sys.platform != "win32":  # which has no such limit
    from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit

log = logging.getLogger(__name__)

REQUEST_S = 10.0  # from the first byte of a request, or the opening of the connection, to the request's end
UNREAD_S = 20.0  # that an answer may wait for its reader
HEAD_BYTES = 64 * 1024  # of one request: httptools has no bound of its own
REST_BYTES = 1 << 20  # of a request that is answered already
TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
FILES = 65_536  # that are wanted
FILES_OF_A_CALL = 4  # its client, its record, and connections with vendors
OTHER_FILES = 100
SCARCE_FILES, LAST_FILES = 80, 20  # left: from here on it is told, and from here on no connection is taken


class ConnectionCensus:
    """Counts the open connections. most: in all; of_one: of one address; files: that the process may have (0: any)."""

    def __init__(self, most: int, of_one: int, clock: Clock | None = None, *, files: int = 0) -> None:
        self.most = most
        self.of_one = of_one
        self.refused = 0
        self._files = files
        self._address: dict[int, str] = {}
        self._by_address: Counter[str] = Counter()
        self._warning = RateLimit(clock or MonotonicClock(), 1 / 60, 1)

    def __len__(self) -> int:
        return len(self._address)

    def enter(self, transport: asyncio.BaseTransport) -> bool:
        """Count a connection. False: it is one too many, and not counted."""
        address = _address_of(transport)
        if self._files and not self._enough_files(transport):
            self.refused += 1
            return False
        if len(self._address) >= self.most or self._by_address[address] >= self.of_one:
            self.refused += 1
            if self._warning.take():
                which = "in all" if len(self._address) >= self.most else f"of {address}"
                log.warning(
                    "Connections are refused: there are %d, %d %s. BARGEIN_MAX_CONNECTIONS and "
                    "BARGEIN_MAX_CONNECTIONS_PER_ADDRESS allow more, and so does a higher limit of files (ulimit -n)",
                    *(len(self._address), len(self._address) if which == "in all" else self._by_address[address]),
                    which,
                )
            return False
        self._address[id(transport)] = address
        self._by_address[address] += 1
        return True

    def _enough_files(self, transport: asyncio.BaseTransport) -> bool:
        """Whether files are left for what calls need. The least free number is a new connection's."""
        number: int = transport.get_extra_info("socket").fileno()
        if number >= self._files - SCARCE_FILES and self._warning.take():
            log.warning(
                "%d of %d files are open: connections will be refused. Raise the limit (ulimit -n)",
                *(number, self._files),
            )
        return number < self._files - LAST_FILES

    def leave(self, transport: asyncio.BaseTransport | None) -> None:
        """A connection is closed. One that was not counted is left alone."""
        address = self._address.pop(id(transport), None)
        if address is not None:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]


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

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._counted = self._census.enter(transport)
        if not self._counted:
            self.transport = transport
            transport.abort()
            return
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        if not self._counted or self.transport.is_closing():
            return
        super().data_received(data)
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

    def on_message_begin(self) -> None:  # of httptools, like the next
        self._in_head = True
        self._unused = 0  # what came before belongs to another request
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

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


def census_for(settings: Settings) -> ConnectionCensus:
    """The caps: as they are set, else four connections for each call and room for pages; always fewer than there may be
    files. Raises the process's limit of files where that is allowed."""
    wanted = settings.max_connections or 4 * settings.max_calls + 256
    files = _allow_files()
    most = max(16, min(wanted, files - OTHER_FILES - FILES_OF_A_CALL * settings.max_calls)) if files else wanted
    if most < wanted:
        log.warning(
            "At most %d connections are taken, not %d: this process may have %d files. Raise that limit (ulimit -n)",
            *(most, wanted, files),
        )
    return ConnectionCensus(most, settings.max_connections_per_address or max(16, most // 2), files=files)


def _allow_files() -> int:
    """How many files the process may have from now on. 0: there is no such limit."""
    if sys.platform == "win32":
        return 0
    soft, hard = getrlimit(RLIMIT_NOFILE)
    if soft == RLIM_INFINITY:
        return 0
    wanted = FILES if hard == RLIM_INFINITY else min(FILES, hard)
    if soft < wanted:
        try:
            setrlimit(RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):
            return soft
        return wanted
    return soft


def _address_of(transport: asyncio.BaseTransport) -> str:
    peer = transport.get_extra_info("peername")
    return peer_at(str(peer[0])) if isinstance(peer, tuple) and peer else ""
