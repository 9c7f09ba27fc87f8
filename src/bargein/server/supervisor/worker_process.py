"""One worker, as the supervisor sees it: its process, its channel, its connections, and how much it has to do."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from asyncio.subprocess import Process
from collections.abc import Callable

from bargein.server.supervisor.channel import (
    FromWorker,
    Leaving,
    NodeDied,
    Opened,
    Place,
    Ready,
    Report,
    Take,
    channel_pair,
    receive_from_worker,
    send,
)
from bargein.server.supervisor.command import FD_VARIABLE, same_command

AT_ONCE = 64  # messages of one worker, before others have their turn


class SupervisedWorker:
    """A started worker. on_message: gets what is not about its state, with the connection that came along."""

    def __init__(
        self,
        place: Place,
        process: Process,
        channel: socket.socket,
        on_message: Callable[[SupervisedWorker, FromWorker, int | None], None],
    ) -> None:
        self.place = place
        self.opened = asyncio.Event()
        self.ready: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        self.leaving = False
        self.taking = False
        self.busy = 0
        """Open WebSockets and calls, as it reported last."""
        self.unsettled: dict[int, socket.socket | None] = {}
        """Connections that it was given, and whose nature is not known yet; with our copy of those that it has not
        acknowledged: should it die, they go to another worker."""
        self.connections: set[int] = set()
        """All that it was given and that are open."""
        self.last_given = 0
        """The number of the connection that it was given last."""
        self._process = process
        self._channel = channel
        self._on_message = on_message
        asyncio.get_running_loop().add_reader(channel, self._readable)

    @property
    def node(self) -> str:
        return self.place.node

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        """The process runs."""
        return self._process.returncode is None

    @property
    def weight(self) -> int:
        """How much it has to do."""
        return self.busy + len(self.unsettled)

    @property
    def takes_connections(self) -> bool:
        return self.opened.is_set() and not self.leaving and self._channel.fileno() >= 0

    def give(self, number: int, connection: socket.socket, data: bytes) -> bool:
        """Pass a connection. False: the worker takes nothing now, and the connection is still the caller's."""
        if not send(self._channel, Take(number, data), connection.fileno()):
            return False
        self.unsettled[number] = connection
        self.connections.add(number)
        self.last_given = number
        return True

    def take_back(self, number: int) -> None:
        """A connection that the worker has handed back."""
        self._forget(number)

    def tell_died(self, node: str) -> None:
        """Another worker is over."""
        send(self._channel, NodeDied(node))

    def signal(self, number: signal.Signals) -> None:
        """Pass on a signal. A worker that still starts has nothing to end in good order."""
        if number == signal.SIGINT and not self.opened.is_set():
            number = signal.SIGTERM
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def wait(self) -> int:
        """Until it is over, and all that it said is read. Its exit code; negative: the signal that ended it."""
        code = await self._process.wait()
        self._readable(AT_ONCE * 1000)
        self.close()
        return code

    def close(self) -> None:
        """The channel; a worker that still runs then ends."""
        if self._channel.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._channel)
            self._channel.close()

    def unacknowledged(self) -> list[tuple[int, socket.socket]]:
        """Once it is over: the connections of which it has read nothing."""
        return [(number, copy) for number, copy in self.unsettled.items() if copy is not None]

    def _readable(self, most: int = AT_ONCE) -> None:
        for _ in range(most):
            if self._channel.fileno() < 0:
                return
            try:
                got = receive_from_worker(self._channel)
            except BlockingIOError:
                return
            if got is None:
                self.close()
                return
            self._take(*got)

    def _take(self, message: FromWorker, fd: int | None) -> None:
        match message:
            case Opened():
                self.opened.set()
            case Ready(lines):
                if not self.ready.done():
                    self.ready.set_result(lines)
            case Leaving():
                self.leaving = True
            case Report():
                self._note(message)
            case _:
                pass
        self._on_message(self, message, fd)

    def _note(self, report: Report) -> None:
        self.busy, self.taking = report.busy, report.taking
        for number in report.received:
            copy = self.unsettled.get(number)
            if copy is not None:
                copy.close()
                self.unsettled[number] = None
        for number in report.settled:
            self.unsettled.pop(number, None)
        for number in report.closed:
            self._forget(number)

    def _forget(self, number: int) -> None:
        self.connections.discard(number)
        copy = self.unsettled.pop(number, None)
        if copy is not None:
            copy.close()


async def start_worker(
    place: Place, on_message: Callable[[SupervisedWorker, FromWorker, int | None], None]
) -> SupervisedWorker:
    """Run this process's command again, as a worker. Raises UsageError where the command is not known."""
    command, environment = same_command()
    ours, theirs = channel_pair()
    try:
        send(ours, place)
        process = await asyncio.create_subprocess_exec(
            *command,
            env=environment | {FD_VARIABLE: str(theirs.fileno())},
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # a terminal's Ctrl-C is the supervisor's: workers get their signals from it
        )
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return SupervisedWorker(place, process, ours, on_message)
