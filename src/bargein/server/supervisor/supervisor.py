"""`--workers N`: one process that listens, and N that serve; each of them is this command, run again.

The supervisor loads no model and answers no request. It owns the port, passes connections (intake.py), keeps what the
workers share (the fleet's store, unless they have Redis), starts again a worker that ends, and passes on signals. When
it ends, however it ends, its workers see the end of their channel, and end, too.

    first worker opens -> the others start -> all are ready -> "Bargein listens on ..."
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import secrets
import signal
import socket
from collections.abc import Callable

from bargein.errors import Unavailable, UsageError
from bargein.server.connection_census import AddressCensus, allow_files
from bargein.server.settings import Settings
from bargein.server.supervisor.channel import FromWorker, Leaving, Misplaced, Opened, Place, Ready, Report
from bargein.server.supervisor.intake import Intake
from bargein.server.supervisor.shared_store import SharedStore
from bargein.server.supervisor.worker_process import SupervisedWorker, start_worker

log = logging.getLogger(__name__)

READY_S = 90.0  # for all workers to be ready; then the address is told all the same
STEADY_S = 10.0  # a worker that has run for so long did not fail at its start
AGAIN_S, AGAIN_MOST_S = 0.5, 30.0  # pause before a worker that failed is started again; doubled for each failure
FAILURES = 6  # in a row, of every worker: more attempts are useless


class StartFailed(Exception):
    """The first worker ended before it opened, and has said why. code: of its exit."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Supervisor:
    """announce: gets what a worker tells of its agents, once all workers are ready. To be made in a running loop."""

    def __init__(
        self,
        settings: Settings,
        workers: int,
        listener: socket.socket,
        url: str,
        announce: Callable[[list[str]], None],
    ) -> None:
        self._settings = settings
        self._count = workers
        self._url = url
        self._announce = announce
        self._secret = secrets.token_urlsafe(32)
        self._signals: list[signal.Signals] = []
        self._stopping = asyncio.Event()
        self._opened = asyncio.Event()
        self._ready: dict[int, list[str]] = {}
        self._all_ready = asyncio.Event()
        self._running: dict[int, SupervisedWorker] = {}
        self._failures = [0] * workers
        most = settings.max_connections or workers * (4 * settings.max_calls + 256)
        census = AddressCensus(most, settings.max_connections_per_address or max(16, most // 2))
        self._intake = Intake(listener, self._running.values, census, settings.prefix)
        self._store = SharedStore(settings)

    async def run(self) -> int:
        """Until all workers are over, by a signal or because none starts. The exit code.

        Raises Unavailable when the workers fail again and again, and UsageError for a command that serves nothing."""
        allow_files()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, number)
        try:
            async with self._store:
                await self._serve()
        except BaseExceptionGroup as failed:
            first = failed.exceptions[0]
            if not isinstance(first, StartFailed):
                raise first from None
            return _code(first)
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
        return 0

    async def _serve(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                first = group.create_task(self._keep(0), name="worker 0")
                opened = group.create_task(self._opened.wait(), name="first worker")
                await asyncio.wait([first, opened], return_when=asyncio.FIRST_COMPLETED)
                opened.cancel()
                if first.done() or self._stopping.is_set():
                    return
                for index in range(1, self._count):
                    group.create_task(self._keep(index), name=f"worker {index}")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(READY_S):
                        await self._all_ready.wait()
                if not self._stopping.is_set():
                    self._tell()
        finally:
            self._intake.stop()
            for worker in list(self._running.values()):
                worker.signal(signal.SIGKILL)
                await worker.wait()

    def _tell(self) -> None:
        if len(self._ready) < self._count:
            log.warning("Of %d workers %d are ready after %g s", self._count, len(self._ready), READY_S)
        self._announce(next(iter(self._ready.values()), []))

    async def _keep(self, index: int) -> None:
        """Run one worker, and start it again when it ends, until the server stops."""
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            worker = await start_worker(self._place(index), self._told)
            self._running[index] = worker
            for number in self._signals:
                worker.signal(number)
            began = loop.time()
            try:
                code = await worker.wait()
            finally:
                # Without a cancellation the process is over now; with one, `_serve` ends it.
                if not worker.alive:
                    del self._running[index]
            self._over(worker)
            if self._stopping.is_set():
                return
            if not self._opened.is_set():
                raise StartFailed(code)
            await self._pause(index, worker, code, loop.time() - began)

    async def _pause(self, index: int, worker: SupervisedWorker, code: int, lived_s: float) -> None:
        """After the end of a worker that was not asked for. Raises Unavailable when starting it again is useless."""
        steady = worker.opened.is_set() and (lived_s >= STEADY_S or not self._failures[index])
        self._failures[index] = 0 if steady else self._failures[index] + 1
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        log.warning("Worker %s %s; it is started again", worker.node, how)
        if min(self._failures) >= FAILURES:
            raise Unavailable(
                f"Every worker ends soon after its start, {FAILURES} times in a row",
                advice="Read what the workers wrote before this line, and run one with --workers 1",
            )
        if steady and lived_s < STEADY_S:
            self._failures[index] = 1
            return  # the first time, at once
        if not steady:
            pause_s = min(AGAIN_MOST_S, AGAIN_S * 2 ** (self._failures[index] - 1)) * random.uniform(0.5, 1.0)  # noqa: S311
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._stopping.wait()

    def _place(self, index: int) -> Place:
        group = self._settings.node
        store = None if self._store.path is None else str(self._store.path)
        return Place(index, self._count, f"{group}-{index}", group, self._url, store, self._secret)

    def _told(self, worker: SupervisedWorker, message: FromWorker, fd: int | None) -> None:
        match message:
            case Opened():
                self._opened.set()
                self._intake.start()
                self._intake.place_waiting()
            case Ready(lines):
                self._ready[worker.place.index] = lines
                if len(self._ready) == self._count:
                    self._all_ready.set()
            case Report(closed=closed):
                self._intake.closed(closed)
            case Misplaced(number, node, data):
                if fd is not None:
                    worker.take_back(number)
                    self._intake.place(number, socket.socket(fileno=fd), node, data)
            case Leaving():
                if self._stopping.is_set() and all(each.leaving for each in self._running.values()):
                    self._intake.stop()

    def _over(self, worker: SupervisedWorker) -> None:
        """A worker's process has ended: what it left goes to the others."""
        self._store.died(worker.node)
        for each in self._running.values():
            each.tell_died(worker.node)
        again = worker.unacknowledged()
        self._intake.closed(worker.connections - {number for number, _ in again})
        for number, connection in again:
            self._intake.place(number, connection, worker.node)

    def _signalled(self, number: signal.Signals) -> None:
        """The first signal drains, the second ends at once, the third waits for nothing more."""
        self._signals.append(number)
        self._stopping.set()
        self._all_ready.set()
        for worker in self._running.values():
            worker.signal(signal.SIGKILL if len(self._signals) > 3 else number)


def _code(failed: StartFailed) -> int:
    """The exit code. Raises UsageError where the first worker ended well, and served nothing."""
    if failed.code:
        return 128 - failed.code if failed.code < 0 else failed.code
    raise UsageError(
        "The program came to its end and served nothing",
        advice="Let it come to serve(), also when it is run again as a worker",
    )
