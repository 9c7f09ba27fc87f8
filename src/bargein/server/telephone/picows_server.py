"""The picows server: telephone sockets that uvicorn accepted, and picows serves.

A telephone call is a hundred small messages a second. Through ASGI each costs a task's wake-up and a few dictionaries;
here a message is a function call (docs/performance.md has the figures). Same port, same checks: uvicorn hands every
upgrade to the WebSocket class it is given, and this one looks at the path. On any other server, and before the app's
lifespan runs, the ASGI endpoint of telephone/asgi.py does the same, more slowly.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, cast

from picows import (
    WSAutoPingStrategy,
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
)
from picows.picows import WSCloseHandshake, WSProtocol  # type: ignore[attr-defined]  # they are there
from uvicorn.config import Config
from uvicorn.server import ServerState

from bargein.server.frame_guard import PARTS, GuardedWebSocket
from bargein.server.hub import Hub
from bargein.server.refusals import Refusal
from bargein.server.telephone.keepalive import kept_alive
from bargein.server.telephone.serve import SocketRequest, TelephoneVendor, refusals, serve_phone, subprotocol
from bargein.server.under_a_path import without_node
from bargein.transports.telephone.transport import TelephoneTransport
from bargein.transports.websocket import MESSAGE_BYTES

READ_BUFFER = 4096  # bytes, per connection; grows where a client sends more
SEND_BUFFER = 8 * 1024  # of the kernel: what lies there can neither be taken back nor seen as unread
HANDSHAKE_S = 10

MaybeHub = Callable[[], Hub | None]
VendorAt = Callable[[str], TelephoneVendor | None]
OnLost = Callable[[asyncio.BaseTransport], None]


class PicowsWire:
    """A telephone.Wire by shape."""

    def __init__(self, transport: WSTransport) -> None:
        self._transport = transport

    @property
    def unsent(self) -> int:
        return self._transport.underlying_transport.get_write_buffer_size()

    def text(self, data: bytes) -> None:
        if not self._transport.is_disconnected:
            self._transport.send(WSMsgType.TEXT, data)

    def binary(self, data: bytes) -> None:
        if not self._transport.is_disconnected:
            self._transport.send(WSMsgType.BINARY, data)

    def close(self, code: int, reason: str) -> None:
        if not self._transport.is_disconnected:
            self._transport.send_close(WSCloseCode(code), reason.encode())
            self._transport.disconnect()


class PhoneListener(WSListener):
    """One telephone's socket: every message goes to its Telephone at once."""

    def __init__(self, hub: Hub, vendor: TelephoneVendor, caller: SocketRequest) -> None:
        self._hub = hub
        self._vendor = vendor
        self._caller = caller
        self._telephone: TelephoneTransport | None = None
        self._wire: PicowsWire | None = None
        self._parts: list[bytes] = []
        self._size = 0  # of the parts
        self._text = False  # what comes in parts is text

    def on_ws_connected(self, transport: WSTransport) -> None:
        sock = transport.underlying_transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self._wire = PicowsWire(transport)
        dialect = self._vendor.dialect(self._caller)
        telephone = TelephoneTransport(kept_alive(self._hub, self._wire, dialect), dialect, self._hub.host.clock)
        self._telephone = telephone
        self._hub.tasks.create_task(serve_phone(self._hub, self._vendor, self._caller, telephone), name="telephone")

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        telephone, kind = self._telephone, frame.msg_type
        if telephone is None or transport.is_disconnected:
            return
        if kind is WSMsgType.CLOSE:
            telephone.gone("the client closed the stream", frame.get_close_code().value)
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
        elif kind is WSMsgType.TEXT and frame.fin:
            data = frame.get_payload_as_bytes()
            # Where sound comes as binary messages, text must be told from it; elsewhere it is read as it lies.
            telephone.incoming(data.decode("utf-8", "replace") if telephone.binary else data)
        elif kind in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION):
            self._part(telephone, kind, frame)
        elif telephone.charge() and kind is WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        if telephone.closing is not None and self._wire is not None:
            self._wire.close(*telephone.closing)  # at once: more frames of this read may wait

    def _part(self, telephone: TelephoneTransport, kind: WSMsgType, frame: WSFrame) -> None:
        """Binary messages, and those that come in parts."""
        if kind is not WSMsgType.CONTINUATION:
            self._parts.clear()
            self._size = 0
            self._text = kind is WSMsgType.TEXT
        self._parts.append(frame.get_payload_as_bytes())
        self._size += frame.payload_size
        if self._size > MESSAGE_BYTES or len(self._parts) > PARTS:
            telephone.flooded("a message is too long, or in too many parts")
        elif not frame.fin:
            telephone.charge()
        else:
            whole = b"".join(self._parts)
            telephone.incoming(whole.decode("utf-8", "replace") if self._text and telephone.binary else whole)
            self._parts.clear()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self._telephone is not None:
            self._telephone.gone("the connection is gone", _refused_with(transport.close_handshake))
            self._telephone = None  # it holds the socket, which holds this

    def pause_writing(self) -> None:
        """What waits is seen in `unsent`."""

    def resume_writing(self) -> None: ...


class PicowsProtocol(asyncio.Protocol):
    """What uvicorn takes for its WebSocket class: finds out whose socket it is, and makes way for its owner."""

    def __init__(
        self,
        hub: MaybeHub,
        vendor_at: VendorAt,
        on_lost: OnLost,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
    ) -> None:
        self._hub = hub
        self._on_lost = on_lost
        self._vendor_at = vendor_at
        self._uvicorn = (config, server_state, app_state)
        self._transport: asyncio.Transport | None = None
        self._owner: asyncio.BaseProtocol | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by shape only

    def data_received(self, data: bytes) -> None:
        transport = self._transport
        assert transport is not None
        if self._owner is None:
            target = data.split(b" ", 2)[1].decode("latin-1")  # uvicorn has read this head, and writes it anew
            vendor, hub = self._vendor_at(target.partition("?")[0]), self._hub()
            if vendor is None or hub is None or not data.isascii():  # picows fails on other headers
                self._owner = GuardedWebSocket(*self._uvicorn, on_lost=self._on_lost)
            else:
                self._owner = self._fast(hub, vendor, transport)
            self._owner.connection_made(transport)
            # uvicorn makes us the socket's protocol as soon as this returns; our last act is to step aside.
            asyncio.get_running_loop().call_soon(self._step_aside)
        _hand(self._owner, data)

    def _step_aside(self) -> None:
        if self._transport is not None and self._owner is not None and not self._transport.is_closing():
            self._transport.set_protocol(self._owner)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._owner is not None:
            self._owner.connection_lost(exc)
        elif self._transport is not None:
            self._on_lost(self._transport)
        self._transport = self._owner = None

    def eof_received(self) -> None:
        return None

    def _fast(self, hub: Hub, vendor: TelephoneVendor, transport: asyncio.Transport) -> asyncio.BaseProtocol:
        peer = transport.get_extra_info("peername")
        host = str(peer[0]) if isinstance(peer, tuple) else ""

        def listener(request: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener:
            headers = {name.lower(): value for name, value in request.headers.items()}
            caller = SocketRequest(host, headers, request.path.decode("latin-1"))
            try:
                vendor.admit(caller)
            except Refusal as refusal:
                refusals.warn("A telephone was refused", refusal)
                said = {"error": {"code": refusal.code, "message": refusal.message, "advice": refusal.advice}}
                response = WSUpgradeResponse.create_error_response(
                    HTTPStatus(refusal.status), json.dumps(said).encode()
                )
                return WSUpgradeResponseWithListener(response, None)
            phone = PhoneListener(hub, vendor, caller)
            if (spoken := subprotocol(caller)) is None:
                return phone
            answer = WSUpgradeResponse.create_101_response({"Sec-WebSocket-Protocol": spoken})
            return WSUpgradeResponseWithListener(answer, phone)

        made: Any = _CountedProtocol(
            None, None, False, listener, logging.getLogger("picows"), True, HANDSHAKE_S, False, 0, 0,
            WSAutoPingStrategy.PING_WHEN_IDLE, False, MESSAGE_BYTES, None, READ_BUFFER,
        )  # fmt: skip
        made.on_lost = lambda: self._on_lost(transport)
        owner: asyncio.BaseProtocol = made
        return owner


class _CountedProtocol(WSProtocol):  # type: ignore[misc]  # its stub does not tell
    """picows's, which tells when its connection is gone."""

    on_lost: Callable[[], None]

    def connection_lost(self, exc: Exception | None) -> None:
        self.on_lost()
        super().connection_lost(exc)


def _refused_with(handshake: WSCloseHandshake | None) -> int | None:
    """The code with which picows has closed what it could not read. None: the connection is lost."""
    return None if handshake is None or handshake.sent is None else handshake.sent.code.value


def _hand(owner: asyncio.BaseProtocol, data: bytes) -> None:
    if isinstance(owner, asyncio.Protocol):
        owner.data_received(data)
        return
    assert isinstance(owner, asyncio.BufferedProtocol)
    while data:
        room = memoryview(owner.get_buffer(len(data)))
        part = data[: len(room)]
        room[: len(part)] = part
        owner.buffer_updated(len(part))
        data = data[len(part) :]


def vendors_by_path(vendors: Mapping[str, TelephoneVendor], mounted: str, prefix: str) -> VendorAt:
    """Finds a vendor by the path that a socket asks for. vendors: by their paths in the app. mounted: where the app is
    mounted in another app. prefix: what a proxy puts before every path, and may pass on."""

    def find(path: str) -> TelephoneVendor | None:
        for before in dict.fromkeys((mounted, prefix + mounted)):
            if path.startswith(before) and (vendor := vendors.get(without_node(path[len(before) :]))) is not None:
                return vendor
        return None

    return find


def picows_protocol(hub: MaybeHub, vendor_at: VendorAt, on_lost: OnLost) -> Callable[..., asyncio.Protocol]:
    """For uvicorn's `ws`. hub: None where no calls can be taken. vendor_at: the vendor of a path, None for paths of
    others. on_lost: told of every connection that is gone."""

    def make(config: Config, server_state: ServerState, app_state: dict[str, Any]) -> asyncio.Protocol:
        return PicowsProtocol(hub, vendor_at, on_lost, config, server_state, app_state)

    return make
