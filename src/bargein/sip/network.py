"""Listeners and connections of a user agent, and the way to a peer."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from bargein.errors import UsageError
from bargein.sip.addresses import SipAddress, TransportName, is_address
from bargein.sip.flows import Flow
from bargein.sip.settings import SipLimits
from bargein.sip.sockets import Receiver, SipConnection, UdpSocket
from bargein.sip.tls_door import HANDSHAKE_S, SHUTDOWN_S, TlsDoor


class SipNetwork:
    """flow_lost: a connection is gone."""

    def __init__(
        self,
        receiver: Receiver,
        limits: SipLimits,
        server_tls: ssl.SSLContext | None,
        client_tls: ssl.SSLContext | None,
        flow_lost: Callable[[Flow], None],
    ) -> None:
        self.addresses: tuple[SipAddress, ...] = ()
        self._receiver = receiver
        self._limits = limits
        self._server_tls = server_tls
        self._client_tls = client_tls
        self._flow_lost = flow_lost
        self._udp: list[UdpSocket] = []
        self._servers: list[asyncio.Server] = []
        self._connections: set[SipConnection] = set()
        self._by_host: Counter[str] = Counter()
        self._handshakes: Counter[str] = Counter()
        """TLS handshakes that are on their way, by address."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._all_closed = asyncio.Event()

    async def open(self, listen: Sequence[SipAddress]) -> None:
        """OSError: an address is taken or not ours. Then no socket is left open."""
        try:
            self.addresses = tuple([await self._open_one(address) for address in listen])
        except BaseException:
            await self.close()
            raise

    async def _open_one(self, address: SipAddress) -> SipAddress:
        loop = asyncio.get_running_loop()
        place = (address.host, address.port)
        if address.transport == "udp":
            _, udp = await loop.create_datagram_endpoint(lambda: UdpSocket(self._receiver, self._limits), place)
            self._udp.append(udp)
            return udp.local
        tls = self._server_tls
        if address.transport == "tls" and tls is None:
            raise UsageError(f"{address} needs a certificate", advice="Give the server's TLS certificate and key")
        server = await loop.create_server(
            lambda: self._door(tls) if tls and address.transport == "tls" else self._connection(address.transport),
            *place,
            backlog=128,
        )
        self._servers.append(server)
        name = server.sockets[0].getsockname()
        return SipAddress(str(name[0]), int(name[1]), address.transport)

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for udp in self._udp:
            if udp.transport is not None:
                udp.transport.close()
        for connection in list(self._connections):
            connection.finish()
        self._servers.clear()
        while self._connections:  # each says once that it is gone
            self._all_closed.clear()
            await self._all_closed.wait()
        await asyncio.sleep(0)  # the UDP transports close in the next turn of the loop
        self._udp.clear()

    def port_for(self, flow: Flow) -> int:
        """Port of ours that a peer reaches by the flow's transport: of its listener if there is one."""
        found = (each.port for each in self.addresses if each.transport == flow.local.transport != "udp")
        return next(found, flow.local.port)

    def open_flow(self, address: SipAddress) -> Flow | None:
        """A flow that can be had at once. None: a name or a connection must be waited for."""
        if address.transport != "udp":
            return next(
                (each for each in self._connections if not each.closed and _leads_to(each, address)),
                None,
            )
        return self._udp_flow(address.host, address) if is_address(address.host) else None

    async def flow_to(self, address: SipAddress) -> Flow:
        """OSError: the peer cannot be reached."""
        if (flow := self.open_flow(address)) is not None:
            return flow
        loop = asyncio.get_running_loop()
        if address.transport == "udp":
            families = {socket.AF_INET6 if ":" in each.local.host else socket.AF_INET for each in self._udp}
            for family, *_, place in await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM):
                if family in families and (found := self._udp_flow(str(place[0]), address)) is not None:
                    return found
            raise OSError("no UDP address of ours can send there")
        tls = None
        if address.transport == "tls":
            tls = self._client_tls or ssl.create_default_context()
        _, connection = await loop.create_connection(
            lambda: self._connection(address.transport),
            address.host,
            address.port,
            ssl=tls,
            ssl_handshake_timeout=HANDSHAKE_S if tls else None,
            ssl_shutdown_timeout=SHUTDOWN_S if tls else None,
        )
        connection.name = address.host
        return connection

    def _udp_flow(self, host: str, address: SipAddress) -> Flow | None:
        for each in self._udp:
            if each.transport is not None and (":" in each.local.host) == (":" in host):
                return each.flow_to(SipAddress(host, address.port, "udp"))
        return None

    def _connection(self, transport: TransportName) -> SipConnection:
        return SipConnection(self._receiver, self._limits, transport, self._opened, self._closed)

    def _door(self, tls: ssl.SSLContext) -> TlsDoor:
        return TlsDoor(
            tls,
            self._connection("tls"),
            admits=self._handshake_begins,
            ended=self._handshake_ends,
            spawn=self._spawn,
        )

    def _handshake_begins(self, host: str) -> bool:
        limits = self._limits
        if len(self._connections) + self._handshakes.total() >= limits.connections:
            return False
        if self._by_host[host] + self._handshakes[host] >= limits.connections_of_address:
            return False
        self._handshakes[host] += 1
        return True

    def _handshake_ends(self, host: str) -> None:
        self._handshakes[host] -= 1
        self._handshakes += Counter()  # without those that have none

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="sip-tls")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _opened(self, connection: SipConnection) -> bool:
        host = connection.peer.host
        self._connections.add(connection)
        self._by_host[host] += 1
        return (
            len(self._connections) <= self._limits.connections
            and self._by_host[host] <= self._limits.connections_of_address
        )

    def _closed(self, connection: SipConnection) -> None:
        self._connections.discard(connection)
        self._by_host[connection.peer.host] -= 1
        self._by_host += Counter()  # without those that have none
        self._all_closed.set()
        self._flow_lost(connection)


def _leads_to(connection: SipConnection, address: SipAddress) -> bool:
    hosts = (connection.peer.host, connection.name)
    place = address.host in hosts and connection.peer.port == address.port
    return place and connection.peer.transport == address.transport
