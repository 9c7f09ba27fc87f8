"""UDP ports for RTP: a pair for each call, from a bounded range, given back when the call is over."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from typing import cast

from bargein.errors import Unavailable

Address = tuple[str, int]
Datagram = Callable[[bytes, Address], None]
RECEIVE_BUFFER = 64 * 1024  # bytes of the kernel, per socket: some seconds of voice
ANY_PORT_TRIES = 50


class RtpPort:
    """An even port for RTP, and the next one for RTCP. Closed, it sends and receives nothing."""

    def __init__(self, host: str, pair: tuple[socket.socket, socket.socket], give_back: Callable[[int], None]) -> None:
        self.host = host
        self.port: int = pair[0].getsockname()[1]
        self.on_rtp: Datagram = _nothing
        self.on_rtcp: Datagram = _nothing
        self.on_error: Callable[[OSError], None] = _no_error
        self._pair = pair
        self._give_back: Callable[[int], None] | None = give_back
        self._transports: list[asyncio.DatagramTransport] = []

    async def open(self) -> None:
        """Receive from now on."""
        loop = asyncio.get_running_loop()
        for each, rtcp in zip(self._pair, (False, True), strict=True):
            receiver = _Receiver(self, rtcp=rtcp)
            transport, _ = await loop.create_datagram_endpoint(partial(_itself, receiver), sock=each)
            self._transports.append(transport)

    def send(self, packet: bytes, to: Address) -> None:
        """RTP. Never waits; a packet that the kernel does not take is lost, as in any network."""
        if self._transports and not self._transports[0].is_closing():
            self._transports[0].sendto(packet, to)

    def send_rtcp(self, packet: bytes, to: Address) -> None:
        if len(self._transports) > 1 and not self._transports[1].is_closing():
            self._transports[1].sendto(packet, to)

    def close(self) -> None:
        """Give the ports back. A second close does nothing."""
        if self._give_back is None:
            return
        give_back, self._give_back = self._give_back, None
        self.on_rtp = self.on_rtcp = _nothing
        for transport in self._transports:
            transport.close()
        if not self._transports:
            for each in self._pair:
                each.close()
        give_back(self.port)


class _Receiver(asyncio.DatagramProtocol):
    def __init__(self, port: RtpPort, *, rtcp: bool) -> None:
        self._port = port
        self._rtcp = rtcp

    def datagram_received(self, data: bytes, addr: tuple[object, ...]) -> None:
        port = self._port
        (port.on_rtcp if self._rtcp else port.on_rtp)(data, cast("Address", addr[:2]))

    def error_received(self, exc: Exception) -> None:
        if isinstance(exc, OSError):
            self._port.on_error(exc)


def _itself(receiver: _Receiver) -> _Receiver:
    return receiver


class RtpPorts:
    """host: address to bind. first, last: the range, even port first; None: any that are free."""

    def __init__(self, host: str, first: int | None = None, last: int | None = None) -> None:
        self._host = host
        self._range = None if first is None or last is None else range(first + first % 2, last, 2)
        self._next = 0
        self._taken: set[int] = set()

    @property
    def taken(self) -> int:
        """Pairs of ports that calls have now."""
        return len(self._taken)

    def take(self) -> RtpPort:
        """A pair of ports, bound. Raises Unavailable where none is free."""
        for port in self._candidates():
            if port in self._taken:
                continue
            pair = _bound(self._host, port)
            if pair is not None:
                found = RtpPort(self._host, pair, self._taken.discard)
                self._taken.add(found.port)
                return found
        raise Unavailable(
            "No UDP port is free for the audio of a call",
            advice="Give a wider range with BARGEIN_RTP_PORTS, two ports for each call",
        )

    def _candidates(self) -> list[int]:
        if self._range is None:
            return [0] * ANY_PORT_TRIES
        # Not the port that was given back last: late packets of its call may still come.
        size = len(self._range)
        found = [self._range[(self._next + i) % size] for i in range(size)]
        self._next = (self._next + 1) % max(size, 1)
        return found


def _bound(host: str, port: int) -> tuple[socket.socket, socket.socket] | None:
    """Two sockets at neighbouring ports, the even one first. port 0: any. None: it did not work out."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    first, second = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_DGRAM)
    try:
        for each in (first, second):
            each.setblocking(False)  # the standard library's own form
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        first.bind((host, port))
        got = first.getsockname()[1]
        if got % 2 == 0:
            second.bind((host, got + 1))
            return first, second
    except OSError:
        pass
    first.close()
    second.close()
    return None


def _nothing(_: bytes, __: Address) -> None:
    """The port is not in use."""


def _no_error(_: OSError) -> None:
    """The port is not in use."""
