"""Takes the connections of the one port, and passes each to a worker.

A connection that names a node (`/n/{node}/...` in its first bytes, which are looked at and left where they are) goes to
that worker, every other one to the worker that has least to do. A first look is enough: a worker hands back a
connection whose request, this one or a later one of a connection that is kept open, names another node.

Measured on two cores against SO_REUSEPORT, two workers: of 100 calls the kernel's hash gave 41:59 to 50:50, this gives
50:50; of 100 connections that waited at a worker that was killed, the kernel dropped 43, here none is lost, as the
supervisor keeps a copy of each until the worker has it. A connection costs the supervisor 0.16 ms of a core, and its
first answer comes 0.5 ms later than from one process.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections import deque
from collections.abc import Callable, Iterable

from bargein.server.addresses import peer_at
from bargein.server.connection_census import AddressCensus
from bargein.server.supervisor.first_bytes import NO_NODE, node_of
from bargein.server.supervisor.worker_process import SupervisedWorker

log = logging.getLogger(__name__)

ACCEPTED_AT_ONCE = 64
PEEK_BYTES = 256
PEEK_S = 1.0  # for the first bytes; then any worker will do, which waits for them within its own bounds
PEEKED_MOST = 512  # connections that have said nothing yet; the oldest goes on when there are more
WAITING_MOST = 256  # connections that no worker takes now
NO_FILES_S = 0.2  # pause after the process's last file


class Intake:
    """workers: those that run now. prefix: the path that a proxy may pass on before ours."""

    def __init__(
        self,
        listener: socket.socket,
        workers: Callable[[], Iterable[SupervisedWorker]],
        census: AddressCensus,
        prefix: str = "",
    ) -> None:
        self._listener = listener
        self._workers = workers
        self._census = census
        self._prefix = prefix
        self._loop = asyncio.get_running_loop()
        self._number = 0
        self._silent: dict[int, tuple[socket.socket, asyncio.TimerHandle]] = {}
        self._waiting: deque[tuple[int, socket.socket, str, bytes]] = deque()
        self._listening = False
        self._pause: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Accept from now on."""
        if not self._listening:
            self._listening = True
            self._loop.add_reader(self._listener, self._acceptable)

    def stop(self) -> None:
        """Accept no more: what waits is closed, and the port is free."""
        self._rest()
        self._listener.close()
        for number in list(self._silent):
            self._close(number, self._heard(number))
        while self._waiting:
            number, connection, _, _ = self._waiting.popleft()
            self._close(number, connection)

    def closed(self, numbers: Iterable[int]) -> None:
        """These connections are over."""
        for number in numbers:
            self._census.remove(number)

    def place(self, number: int, connection: socket.socket, node: str, data: bytes = b"") -> None:
        """Give a connection to a worker: the one that it names, or any. data: bytes of it that were read."""
        for worker in self._candidates(node):
            if worker.give(number, connection, data):
                return
        if len(self._waiting) >= WAITING_MOST:
            self._close(number, connection)
        else:
            self._waiting.append((number, connection, node, data))

    def place_waiting(self) -> None:
        """A worker takes connections now."""
        waiting, self._waiting = self._waiting, deque()
        for each in waiting:
            self.place(*each)

    def _candidates(self, node: str) -> list[SupervisedWorker]:
        there = [worker for worker in self._workers() if worker.takes_connections]
        # Last: the one that was given a connection last, so that equals take turns.
        there.sort(key=lambda worker: (worker.node != node, not worker.taking, worker.weight, worker.last_given))
        return there

    def _acceptable(self) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                connection, address = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    log.warning("A connection waits: %s. Raise the limit of files (ulimit -n)", error.strerror)
                    self._rest()
                    self._pause = self._loop.call_later(NO_FILES_S, self.start)
                    return
                continue  # it went away before it was taken
            self._number += 1
            connection.setblocking(False)
            if self._census.add(self._number, peer_at(str(address[0]))):
                self._look(self._number, connection)
            else:
                connection.close()

    def _rest(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        if self._listening:
            self._listening = False
            self._loop.remove_reader(self._listener)

    def _look(self, number: int, connection: socket.socket) -> None:
        """Peek at the first bytes, and wait for them where they have not come."""
        if self._peek(number, connection):
            return
        if len(self._silent) >= PEEKED_MOST:
            oldest = next(iter(self._silent))
            self.place(oldest, self._heard(oldest), NO_NODE)
        timer = self._loop.call_later(PEEK_S, self._readable, number)
        self._silent[number] = connection, timer
        self._loop.add_reader(connection, self._readable, number)

    def _readable(self, number: int) -> None:
        """The first bytes are there, or the time for them is over."""
        connection = self._heard(number)
        if not self._peek(number, connection):
            self.place(number, connection, NO_NODE)

    def _peek(self, number: int, connection: socket.socket) -> bool:
        """Place the connection by its first bytes, or close it where it is gone. False: none have come."""
        try:
            head = connection.recv(PEEK_BYTES, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            head = b""
        if head:
            self.place(number, connection, node_of(head, self._prefix) or NO_NODE)
        else:
            self._close(number, connection)
        return True

    def _heard(self, number: int) -> socket.socket:
        connection, timer = self._silent.pop(number)
        timer.cancel()
        self._loop.remove_reader(connection)
        return connection

    def _close(self, number: int, connection: socket.socket) -> None:
        connection.close()
        self._census.remove(number)
