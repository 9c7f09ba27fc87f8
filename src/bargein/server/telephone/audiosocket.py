"""Asterisk's AudioSocket: listening, admitting, and the start of a call.

The protocol has no login. Its UUID is chosen in the dialplan: where `audiosocket_ids` names some, a caller must bring
one of them. Without these, only this machine may call.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast
from uuid import UUID

from bargein.errors import UsageError
from bargein.fleet.fleet import Fleet
from bargein.protocols import CallControl
from bargein.server.hub import Hub
from bargein.server.refusals import Refusal
from bargein.server.settings import Settings, is_loopback
from bargein.server.telephone.serve import SocketRequest, refusals, serve_phone
from bargein.transports.telephone.audiosocket import AudioSocketTransport
from bargein.transports.telephone.dialect import Started

log = logging.getLogger(__name__)

SEND_BUFFER = 8 * 1024  # of the kernel: what lies there can neither be taken back nor seen as unread
MOST_OPEN = 1_000  # connections


@asynccontextmanager
async def audiosocket_calls(hub: Hub) -> AsyncIterator[int | None]:
    """Listens while the block runs; gives the port. None: the settings name no address. Raises UsageError."""
    if hub.settings.audiosocket is None:
        yield None
        return
    door = AudioSocketDoor(hub)
    host, _, port = hub.settings.audiosocket.rpartition(":")
    shared = hub.settings.node_group is not None  # workers share the port
    try:
        server = await asyncio.get_running_loop().create_server(
            door.connection, host.strip("[]"), int(port), reuse_port=shared or None
        )
    except (OSError, OverflowError) as error:
        advice = "Choose another BARGEIN_AUDIOSOCKET, or stop what listens there"
        raise UsageError(f"Cannot listen on {hub.settings.audiosocket}: {error}", advice=advice) from None
    listening: int = server.sockets[0].getsockname()[1]
    log.info("AudioSocket calls come in at %s:%d", host, listening)
    try:
        yield listening
    finally:
        server.close()
        door.close()


class AudioSocketDoor:
    """A telephone.serve.CallVendor by shape."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.open: set[AudioSocketConnection] = set()
        """Connections that are open."""
        self._ids = ids_of(hub.settings)

    def connection(self) -> AudioSocketConnection:
        """For a new connection."""
        return AudioSocketConnection(self)

    def close(self) -> None:
        """Drop all connections: the calls are over."""
        for each in list(self.open):
            each.close()

    def admit(self, host: str) -> None:
        """Before anything was read. Raises Refusal."""
        if len(self.open) >= MOST_OPEN:
            raise Refusal(503, "busy", "Too many AudioSocket connections are open", advice="Try again later")
        if not self._ids and not is_loopback(host):
            advice = "Set BARGEIN_AUDIOSOCKET_IDS to the UUIDs of the dialplan"
            raise Refusal(403, "no_ids_set", "AudioSocket calls from elsewhere need a known UUID", advice=advice)

    async def verify(self, caller: SocketRequest, started: Started, fleet: Fleet) -> None:
        """Raises Refusal for a UUID that is not known, where some are."""
        given = started.parameters["uuid"].encode()
        if self._ids and not sum(hmac.compare_digest(given, each) for each in self._ids):  # each takes its time
            raise Refusal(403, "bad_id", "The call's UUID is not known", advice="Look at BARGEIN_AUDIOSOCKET_IDS")

    def hops(self, started: Started) -> int | None:
        """None: Asterisk asks nothing when a connection is closed."""
        return None

    def exchange(self, started: Started) -> CallControl | None:
        """Hanging up is a message, and there is no transfer."""
        return None


class AudioSocketConnection(asyncio.Protocol):
    """One connection, and a telephone.audiosocket.TcpWire by shape."""

    def __init__(self, door: AudioSocketDoor) -> None:
        self._door = door
        self._transport: asyncio.Transport | None = None
        self._telephone: AudioSocketTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by shape only
        peer = transport.get_extra_info("peername")
        host = str(peer[0]) if isinstance(peer, tuple) else ""
        try:
            self._door.admit(host)
        except Refusal as refusal:
            refusals.warn("An AudioSocket call was refused", refusal)
            self.close()
            return
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._door.open.add(self)
        hub = self._door.hub
        self._telephone = AudioSocketTransport(self, hub.host.clock, hub.host.ticker)
        call = serve_phone(hub, self._door, SocketRequest(host, {}, ""), self._telephone)
        hub.tasks.create_task(call, name="an AudioSocket call")

    def data_received(self, data: bytes) -> None:
        if self._telephone is not None:
            self._telephone.push(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._door.open.discard(self)
        if self._telephone is not None:
            self._telephone.over("the connection is gone")
            self._telephone = None

    @property
    def unsent(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def ids_of(settings: Settings) -> tuple[bytes, ...]:
    """The UUIDs that may call. Raises UsageError for what is none."""
    secret = settings.audiosocket_ids
    found: list[bytes] = []
    for number, text in enumerate(secret.get_secret_value().split(",") if secret is not None else (), 1):
        try:
            found.append(str(UUID(text.strip())).encode())
        except ValueError:
            what = f"Entry {number} of BARGEIN_AUDIOSOCKET_IDS is no UUID"
            raise UsageError(what, advice="Write 40325ec2-5efd-4bd3-805f-53576e581d13, and commas between") from None
    return tuple(found)
