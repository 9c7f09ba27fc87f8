"""The one socket between the supervisor and a worker: messages that keep their bounds, each with a connection or none.

A message is one packet (SOCK_SEQPACKET), so that it comes whole or not at all, and the end of either process is seen at
once by the other.
"""

from __future__ import annotations

import os
import socket
import sys

import msgspec

from bargein.errors import Unavailable

PACKET_BYTES = 128 * 1024  # more than the head of a request may have
BUFFER_BYTES = 4 * PACKET_BYTES


class Place(msgspec.Struct, frozen=True, tag=True):
    """The first message to a worker: who it is."""

    index: int
    of: int
    """Workers of this server."""
    node: str
    group: str
    url: str
    """Where the supervisor listens."""
    store: str | None
    """Unix socket of the supervisor's store. None: the workers share Redis."""
    secret: str
    """Of this server, for what its workers sign for each other. Made at its start."""


class Take(msgspec.Struct, frozen=True, tag=True):
    """To a worker: a connection. data: bytes of it that were read already."""

    number: int
    data: bytes


class NodeDied(msgspec.Struct, frozen=True, tag=True):
    """To a worker: another worker's process is over."""

    node: str


class Opened(msgspec.Struct, frozen=True, tag=True):
    """From a worker: its agents' parts have started, and it takes connections."""


class Ready(msgspec.Struct, frozen=True, tag=True):
    """From a worker: calls can be taken, or it has waited long enough. lines: what to show of it, as rich's markup."""

    lines: list[str]


class Report(msgspec.Struct, frozen=True, tag=True):
    """From a worker: what became of its connections since the last one."""

    received: list[int]
    settled: list[int]
    """Connections whose first request is known. They count as `busy` from now on, or not at all."""
    closed: list[int]
    busy: int
    """Open WebSockets and calls."""
    taking: bool
    """A call can begin here."""


class Misplaced(msgspec.Struct, frozen=True, tag=True):
    """From a worker: a connection whose next request is for another node, with the bytes read of that request."""

    number: int
    node: str
    data: bytes


class Leaving(msgspec.Struct, frozen=True, tag=True):
    """From a worker: it takes no more connections, and ends."""


ToWorker = Place | Take | NodeDied
FromWorker = Opened | Ready | Report | Misplaced | Leaving

_encoder = msgspec.msgpack.Encoder()
_to_worker = msgspec.msgpack.Decoder(ToWorker)
_from_worker = msgspec.msgpack.Decoder(FromWorker)


def channel_pair() -> tuple[socket.socket, socket.socket]:
    """The supervisor's end and the worker's. Raises Unavailable where the system has no such sockets."""
    if not hasattr(socket, "SOCK_SEQPACKET") or sys.platform != "linux":
        raise Unavailable(
            "Several workers behind one port need Linux",
            advice="Run one process (workers=1), or several on ports of their own behind a balancer",
        )
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
    ours.setblocking(False)
    return ours, theirs


def send(end: socket.socket, message: ToWorker | FromWorker, fd: int | None = None) -> bool:
    """False: the other process is gone, or takes nothing now; nothing of the message was sent."""
    data = _encoder.encode(message)
    try:
        if fd is None:
            end.send(data)
        else:
            socket.send_fds(end, [data], [fd])
    except OSError:
        return False
    return True


def receive_by_worker(end: socket.socket) -> tuple[ToWorker, int | None] | None:
    """A message, and the connection that came with it. None: the supervisor is gone. Raises BlockingIOError."""
    data, fd = _receive(end)
    return (_to_worker.decode(data), fd) if data else None


def receive_from_worker(end: socket.socket) -> tuple[FromWorker, int | None] | None:
    """A message, and the connection that came with it. None: the worker is gone. Raises BlockingIOError."""
    data, fd = _receive(end)
    return (_from_worker.decode(data), fd) if data else None


def _receive(end: socket.socket) -> tuple[bytes, int | None]:
    try:
        data, fds, _, _ = socket.recv_fds(end, PACKET_BYTES, 1)
    except BlockingIOError:
        raise
    except OSError:
        return b"", None
    for fd in fds:
        os.set_inheritable(fd, False)
    return data, fds[0] if fds else None
