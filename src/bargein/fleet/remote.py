"""The supervisor's store in a worker: the same steps, over a unix socket that only the server's user can open.

A frame: 4 bytes of length, then msgpack. A worker sends [verb, id, argument, ...]; the answer is [id, answer]. Messages
of a channel come as [-id, message], by the id of its `listen`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from bargein.fleet.listener import Listener
from bargein.fleet.memory import MemoryStore
from bargein.fleet.reach import pause_s
from bargein.fleet.store import Operation, QueueItem, Step, StoreAway

log = logging.getLogger(__name__)

FRAME_BYTES = 16 * 1024 * 1024
BACKLOG = 128

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class _Run(msgspec.Struct, frozen=True, array_like=True, tag="run"):
    id: int
    steps: list[Step]


class _Pull(msgspec.Struct, frozen=True, array_like=True, tag="pull"):
    id: int
    queue: str
    after: str
    wait_ms: int


class _Listen(msgspec.Struct, frozen=True, array_like=True, tag="listen"):
    id: int
    channel: str


class _Forget(msgspec.Struct, frozen=True, array_like=True, tag="forget"):
    """The answer to that request is wanted no more."""

    id: int


_Request = _Run | _Pull | _Listen | _Forget
_request = msgspec.msgpack.Decoder(_Request).decode


class StoreServer:
    """In the supervisor: lets workers use its store. An async context manager."""

    def __init__(self, store: MemoryStore, path: Path) -> None:
        self._store, self._path = store, path
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX)
        listening.setblocking(False)
        listening.bind(str(self._path))
        os.chmod(self._path, 0o600)  # before it listens: until then, connecting is refused
        self._server = await asyncio.start_unix_server(self._accept, sock=listening, backlog=BACKLOG)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer), name="worker of the store")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        waiting: dict[int, asyncio.Task[None]] = {}
        try:
            while True:
                request: _Request = _request(await _frame(reader))
                match request:
                    case _Run(id_, steps):
                        _send(writer, [id_, await self._store.run(steps)])
                        await writer.drain()
                    case _Pull(id_):
                        waiting[id_] = asyncio.create_task(self._pull(writer, request, waiting))
                    case _Listen(id_):
                        waiting[id_] = asyncio.create_task(self._listen(writer, request))
                    case _Forget(id_):
                        if (task := waiting.pop(id_, None)) is not None:
                            task.cancel()
        except (asyncio.IncompleteReadError, OSError):
            pass  # the worker went away
        except msgspec.MsgspecError as error:
            log.warning("A worker sent what the store does not know: %s", error)
        finally:
            left = list(waiting.values())
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _pull(self, writer: asyncio.StreamWriter, request: _Pull, waiting: dict[int, asyncio.Task[None]]) -> None:
        try:
            _send(writer, [request.id, await self._store.pull(request.queue, request.after, request.wait_ms)])
        finally:
            waiting.pop(request.id, None)

    async def _listen(self, writer: asyncio.StreamWriter, request: _Listen) -> None:
        async with self._store.listen(request.channel) as messages:
            _send(writer, [request.id, None])
            async for message in messages:
                _send(writer, [-request.id, message])
                await writer.drain()


class RemoteStore:
    """In a worker. It connects when it is used, and again after a break."""

    shared = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ids = count(1)
        self._connecting = asyncio.Lock()
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._listeners: dict[int, Listener] = {}
        self._broken = asyncio.Event()

    async def run(self, steps: Sequence[Operation[Any]]) -> list[Any]:
        id_ = next(self._ids)
        answer: list[Any] = await self._ask(id_, _Run(id_, list(steps)))  # type: ignore[arg-type]
        return answer

    async def pull(self, queue: str, after: str, wait_ms: int) -> list[QueueItem]:
        id_ = next(self._ids)
        return [QueueItem(*each) for each in await self._ask(id_, _Pull(id_, queue, after, wait_ms))]

    @asynccontextmanager
    async def listen(self, channel: str) -> AsyncIterator[AsyncIterator[bytes]]:
        listener = Listener()
        id_ = await self._subscribe(channel, listener)
        task = asyncio.create_task(self._stay(id_, channel, listener), name=f"listen to {channel}")
        try:
            yield listener.messages()
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def aclose(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])

    async def _subscribe(self, channel: str, listener: Listener) -> int:
        id_ = next(self._ids)
        self._listeners[id_] = listener
        try:
            await self._ask(id_, _Listen(id_, channel))
        except BaseException:
            del self._listeners[id_]
            raise
        return id_

    async def _stay(self, id_: int, channel: str, listener: Listener) -> None:
        """Listen again after each break."""
        try:
            while True:
                await self._broken.wait()
                self._listeners.pop(id_, None)
                failures = 0
                while True:
                    try:
                        id_ = await self._subscribe(channel, listener)
                        break
                    except StoreAway:
                        failures += 1
                        await asyncio.sleep(pause_s(failures))
        finally:
            self._listeners.pop(id_, None)
            self._forget(id_)

    async def _ask(self, id_: int, request: msgspec.Struct) -> Any:
        """Raises StoreAway."""
        writer = await self._connected()
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[id_] = future
        try:
            _send(writer, request)
            return await future
        except asyncio.CancelledError:
            self._forget(id_)
            raise
        except OSError:
            raise StoreAway("the supervisor cannot be reached") from None
        finally:
            self._waiting.pop(id_, None)

    def _forget(self, id_: int) -> None:
        if self._writer is not None and not self._writer.is_closing():
            _send(self._writer, _Forget(id_))

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._connecting:
            if self._writer is None:
                try:
                    reader, self._writer = await asyncio.open_unix_connection(str(self._path))
                except OSError:
                    raise StoreAway("the supervisor cannot be reached") from None
                self._broken.clear()
                self._reading = asyncio.create_task(self._read(reader, self._writer), name="answers of the store")
            return self._writer

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                id_, answer = _decode(await _frame(reader))
                if id_ < 0:
                    if (listener := self._listeners.get(-id_)) is not None:
                        listener.give(answer)
                elif (future := self._waiting.get(id_)) is not None and not future.done():
                    future.set_result(answer)
        except (asyncio.IncompleteReadError, OSError):
            pass  # the supervisor went away
        finally:
            self._writer = None
            self._broken.set()
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(StoreAway("the supervisor went away"))
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


def _send(writer: asyncio.StreamWriter, message: Any) -> None:
    body = _encode(message)
    writer.write(len(body).to_bytes(4, "big") + body)


async def _frame(reader: asyncio.StreamReader) -> bytes:
    """Raises IncompleteReadError at the end, OSError for a frame that is too large."""
    length = int.from_bytes(await reader.readexactly(4), "big")
    if length > FRAME_BYTES:
        raise OSError(f"a frame of {length} bytes")
    return await reader.readexactly(length)
