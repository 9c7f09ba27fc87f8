"""The sockets of a user agent: UDP, TCP and TLS, with bounds on what a stranger's connection may hold."""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Callable
from typing import Any, Protocol, cast

from bargein.errors import ProtocolError
from bargein.sip.addresses import SipAddress, TransportName
from bargein.sip.flows import Flow
from bargein.sip.framing import StreamReader
from bargein.sip.settings import SipLimits
from bargein.sip.timers import SipTimer, TimerQueue

WILDCARDS = ("0.0.0.0", "::", "")  # noqa: S104


class Receiver(Protocol):
    timers: TimerQueue

    def receive(self, data: bytes, flow: Flow) -> None: ...

    def uses(self, flow: Flow) -> bool: ...


class UdpSocket(asyncio.DatagramProtocol):
    """One UDP listener, which also sends all that goes by UDP."""

    def __init__(self, receiver: Receiver, limits: SipLimits) -> None:
        self.local = SipAddress("", 0, "udp")
        self.transport: asyncio.DatagramTransport | None = None
        self._receiver = receiver
        self._limits = limits

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)
        self.local = _address(transport.get_extra_info("sockname"), "udp")

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if data.strip(b"\r\n\x00 "):  # else a keepalive
            self._receiver.receive(data, self.flow_to(_address(addr, "udp")))

    def error_received(self, exc: Exception) -> None:
        """A peer's port is closed. The transaction's timer tells its user."""

    def flow_to(self, peer: SipAddress) -> UdpFlow:
        return UdpFlow(self, peer)

    def send(self, data: bytes, peer: SipAddress) -> None:
        transport = self.transport
        if transport is None:
            return
        # asyncio's class has it, its type has not.
        waiting: int = cast("Any", transport).get_write_buffer_size()
        if waiting < self._limits.send_bytes:
            transport.sendto(data, (peer.host, peer.port))


class UdpFlow:
    reliable = False

    def __init__(self, udp: UdpSocket, peer: SipAddress) -> None:
        self.peer = peer
        self._udp = udp

    @property
    def local(self) -> SipAddress:
        local = self._udp.local
        host = local_host_to(self.peer.host) if local.host in WILDCARDS else local.host
        return SipAddress(host, local.port, "udp")

    @property
    def closed(self) -> bool:
        return self._udp.transport is None

    def send(self, data: bytes) -> None:
        self._udp.send(data, self.peer)

    def toward(self, port: int) -> UdpFlow:
        return self if port == self.peer.port else UdpFlow(self._udp, SipAddress(self.peer.host, port, "udp"))


class SipConnection(asyncio.Protocol):
    """A TCP or TLS connection, opened by either side. It is its own flow."""

    reliable = True

    def __init__(
        self,
        receiver: Receiver,
        limits: SipLimits,
        transport_name: TransportName,
        on_open: Callable[[SipConnection], bool],
        on_closed: Callable[[SipConnection], None],
    ) -> None:
        self.peer = SipAddress("", 0, transport_name)
        self.local = SipAddress("", 0, transport_name)
        self.name: str = ""
        """Host that we connected to. "": the peer connected to us."""
        self.closed = False
        self._receiver = receiver
        self._limits = limits
        self._transport: asyncio.Transport | None = None
        self._on_open = on_open
        self._on_closed = on_closed
        self._reader = StreamReader(limits.message_bytes)
        self._timer: SipTimer | None = None
        self._partial: SipTimer | None = None
        self._early: list[bytes] = []
        """What came with the end of a TLS handshake, before `connection_made`."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        kind = self.peer.transport
        self.peer = _address(transport.get_extra_info("peername") or ("", 0), kind)
        self.local = _address(transport.get_extra_info("sockname") or ("", 0), kind)
        if not self._on_open(self):
            self.abort()
            return
        if self.closed:  # lost within the handshake
            self._on_closed(self)
            return
        self._idle()
        early, self._early = self._early, []
        for data in early:
            self.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        for timer in (self._timer, self._partial):
            if timer is not None:
                timer.cancel()
        if self._transport is not None:
            self._on_closed(self)

    def data_received(self, data: bytes) -> None:
        if self._transport is None:
            self._early.append(data)
            return
        self._idle()
        try:
            messages = self._reader.push(data)
        except ProtocolError:
            self.abort()
            return
        for message in messages:
            if self.closed:
                return
            if message:
                self._receiver.receive(message, self)
            else:
                self.send(b"\r\n")
        if messages and self._partial is not None:
            self._partial.cancel()
            self._partial = None
        if self._reader.partial and self._partial is None:
            self._partial = self._receiver.timers.after(self._limits.partial_s * 1000, self.abort)
        elif not self._reader.partial and self._partial is not None:
            self._partial.cancel()
            self._partial = None

    def send(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or self.closed:
            return
        transport.write(data)
        if transport.get_write_buffer_size() > self._limits.send_bytes:
            self.abort()

    def toward(self, port: int) -> SipConnection:
        return self

    def abort(self) -> None:
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def finish(self) -> None:
        """Close once what was sent is out; at once if nothing is left."""
        if self._transport is not None and self._transport.get_write_buffer_size() == 0:
            self._transport.close()
        else:
            self.abort()

    def _idle(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._receiver.timers.after(self._limits.idle_s * 1000, self._idle_over)

    def _idle_over(self) -> None:
        if self._receiver.uses(self):
            self._idle()
        else:
            self.abort()


def _address(name: Any, transport: TransportName) -> SipAddress:
    host = str(name[0]).partition("%")[0]
    return SipAddress(host.removeprefix("::ffff:") if "." in host else host, int(name[1]), transport)


@functools.lru_cache(maxsize=1024)
def local_host_to(host: str) -> str:
    """Our address on the way to a host, by the system's routes. No packet is sent."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, 9))
        except OSError:
            return "::1" if ":" in host else "127.0.0.1"
        return str(probe.getsockname()[0]).partition("%")[0]
