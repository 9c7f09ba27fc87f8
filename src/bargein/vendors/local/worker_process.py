"""A child process behind a pipe: for a part that must not live in ours (its licence, its globals, its CPU).

    worker = WorkerProcess("bargein.vendors.local.espeak_worker", name="espeak", max_waiting=64)
    async with contextlib.aclosing(worker.request({"text": "Hello"})) as frames:
        async for kind, payload in frames: ...
    await worker.aclose()

The child's half is `serve`. One request is worked on at a time, the others wait in line. A child that dies takes only
the requests in flight with it (VendorLost); the next request starts another. The child ends when its stdin closes, so
it never outlives us, however we go.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import struct
import sys
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field

from bargein.clock import Clock, MonotonicClock
from bargein.errors import Unavailable, UsageError, VendorLost, VendorRefused
from bargein.foreign import printable
from bargein.vendors.common.worker_environment import worker_environment

log = logging.getLogger(__name__)

HEADER = struct.Struct("<IBI")  # request, kind, length
MAX_FRAME = 16 << 20
MAX_QUEUED = 2_000  # frames read for a request and not taken yet; beyond that it is given up: the others must not wait
START_S = 30.0  # a model may have to be read from a cold disk
START_TRIES = 3
REST_MS = 5_000.0  # without a start, after START_TRIES failed ones in a row
END_S = 2.0  # a child that was told to end is given this long
LOG_LINES, LOG_BYTES = 200, 500  # of what one child says on stderr, so much is logged; and so much of each line

# kinds of frame. To the child:
ASK, CANCEL = 1, 2
# From the child; 16 and above are the worker's own.
READY, END, FAILED, REFUSED = 1, 2, 3, 4
OWN = 16

Frame = tuple[int, bytes]


@dataclass(slots=True)
class _Request:
    frames: asyncio.Queue[Frame] = field(default_factory=lambda: asyncio.Queue(MAX_QUEUED + 1))  # one: it is lost


@dataclass(slots=True)
class _Child:
    """reader: takes its frames; None until it has said READY. log: takes its stderr."""

    process: asyncio.subprocess.Process
    log: asyncio.Task[None]
    reader: asyncio.Task[None] | None = None


class WorkerProcess:
    """module: run as `python -m module`; name: for messages; max_waiting: requests that may be in flight or in line;
    nice: added to the child's niceness; variables: of the environment, that the child gets besides the usual ones."""

    def __init__(
        self,
        module: str,
        *,
        name: str,
        max_waiting: int,
        nice: int = 0,
        variables: tuple[str, ...] = (),
        clock: Clock | None = None,
    ) -> None:
        self._module = module
        self.name = name
        self._max_waiting = max_waiting
        self._nice = nice
        self._variables = variables
        self._clock = clock or MonotonicClock()
        self._requests: dict[int, _Request] = {}
        self._last_id = 0
        self._child: _Child | None = None
        self._starting = asyncio.Lock()
        self._failed_starts = 0
        self._rest_until_ms = 0.0
        self._last_failure: VendorLost | Unavailable | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The child's, while it is there to be asked: from READY until its pipe closes. (Its return code comes later
        than that, and a request made in between would wait for ever; a start that was cancelled never gets here.)"""
        if self._child is None or self._child.reader is None or self._child.reader.done():
            return None
        return self._child.process.pid

    async def start(self) -> None:
        """Start the child now, so that the first request need not wait. Raises VendorLost or Unavailable."""
        async with self._starting:
            if self._closed:
                raise VendorLost(f"The {self.name} worker is closed", advice="Make another")
            if self.pid is not None:
                return
            if self._last_failure is not None and self._clock.now_ms() < self._rest_until_ms:
                raise type(self._last_failure)(self._last_failure.message, advice=self._last_failure.advice)
            await self._reap()
            try:
                await self._spawn()
            except (VendorLost, Unavailable) as error:
                self._last_failure = error
                self._failed_starts += 1
                if self._failed_starts >= START_TRIES:
                    self._failed_starts = 0
                    self._rest_until_ms = self._clock.now_ms() + REST_MS
                raise
            self._failed_starts = 0

    async def request(self, payload: Mapping[str, object], body: bytes = b"") -> AsyncIterator[Frame]:
        """Send a request (payload: JSON-able; body: bytes that go with it) and yield the worker's own frames.

        Closing the iterator cancels it. Raises VendorLost (busy, dead), VendorRefused (the child said no),
        Unavailable (its part is not installed), UsageError (more than MAX_FRAME bytes).
        """
        head = json.dumps(payload).encode()
        if len(head) + len(body) + 4 > MAX_FRAME:
            raise UsageError(f"A request of {len(head) + len(body)} bytes", advice=f"Send at most {MAX_FRAME} at once")
        if len(self._requests) >= self._max_waiting:
            raise VendorLost(f"The {self.name} worker is busy with {len(self._requests)} requests", advice="Try later")
        self._last_id += 1
        number, request = self._last_id, _Request()
        self._requests[number] = request
        finished = False
        try:
            await self.start()
            await self._write(number, ASK, struct.pack("<I", len(head)) + head + body)
            while True:
                kind, data = await request.frames.get()
                if kind >= OWN:
                    yield kind, data
                    continue
                finished = True
                if kind == END:
                    return
                said = json.loads(data)
                error = VendorRefused if kind == REFUSED else VendorLost
                raise error(said["message"], advice=said["advice"])
        finally:
            self._requests.pop(number, None)
            if not finished and self.pid is not None:
                self._write_now(number, CANCEL, b"")

    async def aclose(self) -> None:
        """End the child and wait until it has ended. Requests in flight get VendorLost."""
        self._closed = True
        async with self._starting:
            await self._reap()

    # ------------------------------------------------------------------------------------------------- inside

    async def _spawn(self) -> None:
        env = worker_environment(self._variables) | {"BARGEIN_NICE": str(self._nice), "PYTHONUNBUFFERED": "1"}
        pipe = asyncio.subprocess.PIPE
        try:
            # In a session of its own: Ctrl-C in our terminal is for us, and the child ends when we have ended.
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", self._module,
                stdin=pipe, stdout=pipe, stderr=pipe, env=env, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise VendorLost(f"The {self.name} worker cannot be started ({error})", advice="Try later") from error
        log_task = asyncio.create_task(self._log(process), name=f"{self.name} worker's log")
        self._child = child = _Child(process, log_task)
        try:
            async with asyncio.timeout(START_S):
                _, kind, data = await self._read(process)
        except TimeoutError as error:
            await self._reap()
            raise VendorLost(f"The {self.name} worker was not ready in {START_S:g} s", advice="Try later") from error
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            await self._reap()
            raise VendorLost(f"The {self.name} worker ended as it started", advice="Look into the log") from error
        if kind != READY:
            await self._reap()
            said = json.loads(data)
            raise Unavailable(said["message"], advice=said["advice"])
        child.reader = asyncio.create_task(self._pump(process), name=f"{self.name} worker")

    async def _log(self, process: asyncio.subprocess.Process) -> None:
        """What the child says on stderr, line by line, until it ends. Beyond the bounds it is read and dropped: a full
        pipe would stop the child."""
        assert process.stderr is not None
        left, line = LOG_LINES, b""
        while chunk := await process.stderr.read(4096):
            *lines, line = (line + chunk).split(b"\n")
            line = line[:LOG_BYTES]
            for whole in lines[:left]:
                log.warning("%s: %s", self.name, printable(whole.decode(errors="replace"), LOG_BYTES))
            if left and len(lines) >= left:
                log.warning("The %s worker says too much; no more of it is logged", self.name)
            left = max(0, left - len(lines))
        if line and left:
            log.warning("%s: %s", self.name, printable(line.decode(errors="replace"), LOG_BYTES))

    @staticmethod
    async def _read(process: asyncio.subprocess.Process) -> tuple[int, int, bytes]:
        assert process.stdout is not None
        number, kind, length = HEADER.unpack(await process.stdout.readexactly(HEADER.size))
        if length > MAX_FRAME:
            raise ConnectionError(f"a frame of {length} bytes")
        return number, kind, await process.stdout.readexactly(length)

    async def _pump(self, process: asyncio.subprocess.Process) -> None:
        """Hand the child's frames to whom they are for; when it ends, tell all who wait."""
        try:
            while True:
                number, kind, data = await self._read(process)
                if (request := self._requests.get(number)) is None:
                    continue  # cancelled
                if request.frames.qsize() == MAX_QUEUED:
                    del self._requests[number]
                    self._tell_lost(
                        request, "Its frames were not taken in time", "Read faster, or ask for less at once"
                    )
                    self._write_now(number, CANCEL, b"")  # frees the child for the other requests
                else:
                    request.frames.put_nowait((kind, data))
        except (asyncio.IncompleteReadError, ConnectionError):
            if not self._closed:
                log.warning("The %s worker (pid %d) is gone", self.name, process.pid)
        finally:
            for request in self._requests.values():
                self._tell_lost(request, f"The {self.name} worker died", "Try again: it is started anew")

    @staticmethod
    def _tell_lost(request: _Request, message: str, advice: str) -> None:
        request.frames.put_nowait((FAILED, json.dumps({"message": message, "advice": advice}).encode()))

    async def _write(self, number: int, kind: int, data: bytes) -> None:
        self._write_now(number, kind, data)
        assert self._child is not None
        assert self._child.process.stdin is not None
        try:
            await self._child.process.stdin.drain()
        except ConnectionError as error:
            raise VendorLost(f"The {self.name} worker died", advice="Try again: it is started anew") from error

    def _write_now(self, number: int, kind: int, data: bytes) -> None:
        stdin = self._child.process.stdin if self._child is not None else None
        if stdin is not None and not stdin.is_closing():
            stdin.write(HEADER.pack(number, kind, len(data)) + data)

    async def _reap(self) -> None:
        """End the child, if there is one, and wait until nothing of it is left. May be cancelled and called again."""
        if (child := self._child) is None:
            return
        if child.process.stdin is not None:
            child.process.stdin.close()
        if child.reader is None:
            self._kill(child)  # it is not listening yet, so it cannot know
        try:
            async with asyncio.timeout(END_S):
                await self._gone(child)
        except TimeoutError:
            self._kill(child)
            await self._gone(child)
        self._child = None

    @staticmethod
    def _kill(child: _Child) -> None:
        with contextlib.suppress(ProcessLookupError):
            child.process.kill()

    @staticmethod
    async def _gone(child: _Child) -> None:
        """Wait for the child's end. All it wrote must be read: asyncio takes a process with a full pipe for alive."""
        await asyncio.wait([task for task in (child.log, child.reader) if task is not None])
        process = child.process
        assert process.stdout is not None
        while await process.stdout.read(1 << 16):
            pass
        await process.wait()


# ------------------------------------------------------------------------------------------------ the child


@dataclass(frozen=True, slots=True)
class Ask:
    """A request as the child gets it."""

    payload: dict[str, object]
    body: bytes
    cancelled: Callable[[], bool]
    """Whether the parent has cancelled the request."""


class WorkerRefused(Exception):
    """Raised by a handler: the request cannot be done, and would fail again."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.message, self.advice = message, advice


def serve(prepare: Callable[[], Callable[[Ask], Iterator[Frame]]]) -> None:
    """The child's main: prepare() loads what is needed and gives the handler; then requests are worked on in order.

    The handler yields (kind >= OWN, bytes). prepare may raise Refused: the parent then raises Unavailable.
    """
    # Native libraries print: whatever goes to fd 1 must not get into the pipe.
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.nice(int(os.environ.get("BARGEIN_NICE", "0")))

    def send(number: int, kind: int, data: bytes) -> None:
        try:
            pipe.write(HEADER.pack(number, kind, len(data)) + data)
            pipe.flush()
        except BrokenPipeError:
            os._exit(0)  # the parent is gone

    def said(message: str, advice: str) -> bytes:
        return json.dumps({"message": message, "advice": advice}).encode()

    try:
        handle = prepare()
    except WorkerRefused as error:
        send(0, REFUSED, said(error.message, error.advice))
        return
    send(0, READY, b"")

    line: deque[tuple[int, bytes]] = deque()
    cancelled: set[int] = set()
    more = threading.Condition()

    def read() -> None:
        stdin = sys.stdin.buffer
        while True:
            head = stdin.read(HEADER.size)
            if len(head) < HEADER.size:
                os._exit(0)  # the parent is gone, or ends this child: no request under way is awaited any more
            number, kind, length = HEADER.unpack(head)
            data = stdin.read(length)
            with more:
                if kind == CANCEL:
                    cancelled.add(number)
                else:
                    line.append((number, data))
                more.notify()

    threading.Thread(target=read, name="stdin", daemon=True).start()
    while True:
        with more:
            while not line:
                cancelled.clear()
                more.wait()
            number, data = line.popleft()
            cancelled.difference_update([old for old in cancelled if old < number])  # they come in order
        if number in cancelled:
            continue
        (length,) = struct.unpack_from("<I", data)
        ask = Ask(json.loads(data[4 : 4 + length]), data[4 + length :], lambda n=number: n in cancelled)  # type: ignore[misc]
        try:
            for kind, payload in handle(ask):
                if ask.cancelled():
                    break
                send(number, kind, payload)
            else:
                send(number, END, b"")
        except WorkerRefused as error:
            send(number, REFUSED, said(error.message, error.advice))
        except Exception as error:
            log.exception("A request failed")
            send(number, FAILED, said(f"{type(error).__name__} in the worker", "Try again; the log says more"))
