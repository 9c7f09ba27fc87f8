"""Telephone sockets on any ASGI server."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from bargein.server.auth import deny
from bargein.server.hub import Hub
from bargein.server.refusals import Refusal
from bargein.server.telephone.keepalive import kept_alive
from bargein.server.telephone.serve import SocketRequest, TelephoneVendor, serve_phone, subprotocol
from bargein.transports.telephone.transport import TelephoneTransport
from bargein.transports.websocket import TOO_BIG, too_long

CLOSE_S = 5.0  # for the last messages to leave


class AsgiWire:
    """A telephone.Wire by shape: what is put in goes out by `pump`, which must run beside it."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting: deque[str | bytes | tuple[int, str]] = deque()
        self._news = asyncio.Event()
        self.unsent = 0

    def text(self, data: bytes) -> None:
        self._put(data.decode(), len(data))

    def binary(self, data: bytes) -> None:
        self._put(data, len(data))

    def close(self, code: int, reason: str) -> None:
        self._put((code, reason), 0)

    def _put(self, item: str | bytes | tuple[int, str], size: int) -> None:
        self._waiting.append(item)
        self.unsent += size
        self._news.set()

    async def pump(self) -> None:
        """Until the socket is closed, by us or by the peer."""
        try:
            while True:
                while not self._waiting:
                    self._news.clear()
                    await self._news.wait()
                item = self._waiting.popleft()
                if isinstance(item, tuple):
                    await self._send({"type": "websocket.close", "code": item[0], "reason": item[1]})
                    return
                await self._send({"type": "websocket.send", "text" if isinstance(item, str) else "bytes": item})
                self.unsent -= len(item)
        except (OSError, RuntimeError):
            return  # it is closed already; the reader hears of it


class PhoneAsgi:
    """The ASGI endpoint of a vendor. hub: a function, because the hub is made later than the routes."""

    def __init__(self, hub: Callable[[], Hub], vendor: TelephoneVendor) -> None:
        self._hub = hub
        self._vendor = vendor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hub, vendor, caller = self._hub(), self._vendor, _caller(scope)
        try:
            vendor.admit(caller)
        except Refusal as refusal:
            await deny(scope, receive, send, refusal)
            return
        await receive()  # websocket.connect
        await send({"type": "websocket.accept", "headers": [], "subprotocol": subprotocol(caller)})
        await carry(hub, vendor, caller, receive, send)


async def carry(hub: Hub, vendor: TelephoneVendor, caller: SocketRequest, receive: Receive, send: Send) -> None:
    """The whole life of an open socket."""
    wire = AsgiWire(send)
    dialect = vendor.dialect(caller)
    telephone = TelephoneTransport(kept_alive(hub, wire, dialect), dialect, hub.host.clock)
    async with asyncio.TaskGroup() as group:
        writer = group.create_task(wire.pump(), name="telephone writer")
        reader = group.create_task(_read(receive, telephone), name="telephone reader")
        await serve_phone(hub, vendor, caller, telephone)
        reader.cancel()
        await asyncio.wait([writer], timeout=CLOSE_S)
        writer.cancel()  # a peer that reads nothing takes no close either


async def _read(receive: Receive, telephone: TelephoneTransport) -> None:
    while True:
        message = await receive()
        if message["type"] != "websocket.receive":
            telephone.gone("the connection is gone", message.get("code"))
            return
        text: str | None = message.get("text")
        data: str | bytes = message["bytes"] if text is None else text
        if too_long(data):
            telephone.flooded("a message is too long", TOO_BIG)
            return
        telephone.incoming(data)


def _caller(scope: Scope) -> SocketRequest:
    client = scope.get("client")
    query = scope["query_string"].decode("latin-1")
    path = f"{scope['path']}?{query}" if query else scope["path"]
    return SocketRequest(client[0] if client else "", Headers(scope=scope), path)
