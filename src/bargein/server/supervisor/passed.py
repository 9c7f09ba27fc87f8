"""A worker's end: it takes the connections that the supervisor passes, and tells what becomes of them."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from bargein.server.connection_census import ConnectionCensus
from bargein.server.connection_guard import GuardedHTTP
from bargein.server.supervisor.channel import (
    FromWorker,
    Leaving,
    Misplaced,
    NodeDied,
    Opened,
    Ready,
    Report,
    Take,
    receive_by_worker,
    send,
)
from bargein.server.supervisor.command import Assignment
from bargein.server.supervisor.first_bytes import NO_NODE, node_of

log = logging.getLogger(__name__)

AT_ONCE = 32  # messages, before the loop does something else
REPORT_S = 0.01  # that news waits for more news
BEAT_S = 1.0  # between two looks at whether calls can begin here
AGAIN_S = 0.05  # before a message that found no room is sent again


@dataclass(frozen=True, slots=True)
class WorkerBusyness:
    """How a worker is, for its reports."""

    calls: Callable[[], int]
    taking: Callable[[], bool]


class PassedConnections:
    """An async context manager; with its end no more are taken.

    census: of the connections of this worker. prefix: the path that a proxy may pass on before ours. on_orphaned: the
    supervisor is gone. on_died: another worker is over."""

    def __init__(
        self,
        assignment: Assignment,
        census: ConnectionCensus,
        prefix: str,
        on_orphaned: Callable[[], None],
        on_died: Callable[[str], None],
    ) -> None:
        self.place = assignment.place
        self._channel = assignment.channel
        self._prefix = prefix
        self._on_orphaned, self._on_died = on_orphaned, on_died
        self._loop = asyncio.get_running_loop()
        self._group = asyncio.TaskGroup()
        self._protocol: Callable[[], GuardedHTTP]
        self._beats: asyncio.Task[None] | None = None
        census.on_left = self.left
        self._numbers: dict[int, int] = {}
        self._sockets: set[int] = set()  # numbers of WebSockets
        self._received: list[int] = []
        self._settled: list[int] = []
        self._closed: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self._told: tuple[int, bool] | None = None
        self._state = WorkerBusyness(lambda: 0, lambda: False)

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.remove_reader(self._channel)
        if self._timer is not None:
            self._timer.cancel()
        if self._beats is not None:
            self._beats.cancel()
        await self._group.__aexit__(kind, error, trace)

    def begin(self, protocol: Callable[[], GuardedHTTP], state: WorkerBusyness) -> None:
        """Take connections from now on. protocol: makes one for a connection."""
        self._protocol, self._state = protocol, state
        self._beats = self._group.create_task(self._beat(), name="report")
        self._loop.add_reader(self._channel, self._readable)
        self._tell(Opened())

    def ready(self, lines: list[str]) -> None:
        """Calls can be taken."""
        self._tell(Ready(lines))
        self._soon()

    def leaving(self) -> None:
        """No more connections are wanted."""
        self._tell(Leaving())

    # What GuardedHTTP tells of its connection

    def made(self, transport: asyncio.BaseTransport, number: int) -> None:
        self._numbers[id(transport)] = number

    def settled(self, transport: asyncio.BaseTransport, *, is_socket: bool) -> None:
        """The connection's first request is known."""
        number = self._numbers.get(id(transport))
        if number is not None:
            self._settled.append(number)
            if is_socket:
                self._sockets.add(number)
            self._soon()

    def left(self, transport: asyncio.BaseTransport) -> None:
        """The connection is closed."""
        number = self._numbers.pop(id(transport), None)
        if number is not None:
            self._closed.append(number)
            self._sockets.discard(number)
            self._soon()

    def is_elsewhere(self, head: bytes) -> bool | None:
        """Whether a request is for another node. None: more bytes would tell."""
        node = node_of(head, self._prefix)
        return None if node is None else node not in (NO_NODE, self.place.node)

    def hand_back(self, transport: asyncio.BaseTransport, head: bytes) -> bool:
        """Give the connection to the node that its request names. True: it is not ours any more."""
        number = self._numbers.get(id(transport))
        node = node_of(head, self._prefix)
        if number is None or not node or not node.startswith(f"{self.place.group}-"):
            return False  # a node of another machine: what came here is answered here
        if transport.get_write_buffer_size():  # type: ignore[attr-defined]  # an answer that is not read yet
            return False
        connection: socket.socket = transport.get_extra_info("socket")
        if not send(self._channel, Misplaced(number, node, head), connection.fileno()):
            return False
        del self._numbers[id(transport)]
        return True

    async def _adopt(self, take: Take, connection: socket.socket) -> None:
        protocol = self._protocol()
        protocol.is_passed(self, take.number, take.data)
        try:
            await self._loop.connect_accepted_socket(lambda: protocol, connection)
        except OSError as error:
            log.debug("A connection was lost before it was taken: %s", error)
            connection.close()
            self._closed.append(take.number)
            self._soon()

    def _readable(self) -> None:
        taken: list[tuple[Take, socket.socket]] = []
        for _ in range(AT_ONCE):
            try:
                got = receive_by_worker(self._channel)
            except BlockingIOError:
                break
            if got is None:
                self._loop.remove_reader(self._channel)
                self._on_orphaned()
                return
            message, fd = got
            match message:
                case Take(number) if fd is not None:
                    self._received.append(number)
                    taken.append((message, socket.socket(fileno=fd)))
                case NodeDied(node):
                    self._on_died(node)
                case _:
                    if fd is not None:
                        os.close(fd)
        if taken:
            # Before the first byte is read: until this is told, the supervisor would give them to another worker.
            self._report()
            for take, connection in taken:
                self._group.create_task(self._adopt(take, connection), name="connection")

    async def _beat(self) -> None:
        """Tell changes that no connection brings."""
        while True:
            await asyncio.sleep(BEAT_S)
            if self._told != (self._busy(), self._state.taking()):
                self._soon()

    def _busy(self) -> int:
        return max(len(self._sockets), self._state.calls())

    def _soon(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(REPORT_S, self._report)

    def _report(self) -> None:
        """All news, in one message. Where the channel is full the supervisor is slow, and is told later."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        state = self._busy(), self._state.taking()
        if send(self._channel, Report(self._received, self._settled, self._closed, *state)):
            self._received, self._settled, self._closed = [], [], []
            self._told = state
        else:
            self._timer = self._loop.call_later(AGAIN_S, self._report)

    def _tell(self, message: FromWorker) -> None:
        if not send(self._channel, message):
            self._loop.call_later(AGAIN_S, self._tell, message)
