"""Warm WebSockets to a vendor: one reply has one socket at a time, and the next reply finds it open."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.protocol import State

from bargein.clock import Clock, MonotonicClock
from bargein.errors import BargeinError, VendorLost, VendorRefused

CONNECT_S = 5.0


@dataclass(slots=True)
class Lease:
    """A socket while a reply has it. spoiled: it is not to be used again; keep: it is, though the reply was cut."""

    socket: ClientConnection
    spoiled: bool = False
    keep: bool = False


class SocketPool:
    """connect: opens one. vendor, key: for errors: its name, and the variable of its key. most: sockets at once, of
    all calls; who finds none free waits. idle_s: after so long without use a socket is not trusted any more."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[ClientConnection]],
        *,
        vendor: str,
        key: str,
        most: int = 64,
        idle_s: float = 15.0,
        keep: int = 4,
        clock: Clock | None = None,
    ) -> None:
        self._connect, self._vendor, self._key = connect, vendor, key
        self._idle_s, self._keep = idle_s, keep
        self._clock = clock or MonotonicClock()
        self._free: deque[tuple[float, ClientConnection]] = deque()  # since when (ms), the newest last
        self._room = asyncio.Semaphore(most)
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[Lease]:
        """A socket for one reply. It goes back when the block ends without an error, unless it was spoiled.

        Raises VendorRefused (key, plan) or VendorLost (away, late); what the socket raises in the block is VendorLost.
        """
        async with self._room:
            lease = Lease(self._idle() or await self._open())
            try:
                yield lease
            except (WebSocketException, OSError):
                lease.spoiled = True
                raise VendorLost(f"{self._vendor} broke off", advice="Try again") from None
            except BaseException:
                lease.spoiled = lease.spoiled or not lease.keep
                raise
            finally:
                self._back(lease)

    async def aclose(self) -> None:
        """Close all that are idle, and wait for those that are being closed."""
        self._closed = True
        while self._free:
            self._drop(self._free.pop()[1])
        if self._closing:
            await asyncio.wait(self._closing)

    def _idle(self) -> ClientConnection | None:
        now = self._clock.now_ms()
        while self._free:
            since, socket = self._free.pop()
            if socket.state is State.OPEN and now - since < self._idle_s * 1000:
                return socket
            self._drop(socket)
        return None

    async def _open(self) -> ClientConnection:
        try:
            async with asyncio.timeout(CONNECT_S):
                return await self._connect()
        except InvalidStatus as error:
            raise self._answered_no(error.response.status_code) from None
        except TimeoutError:
            raise VendorLost(f"{self._vendor} did not answer in time", advice="Try again") from None
        except (WebSocketException, OSError):
            raise VendorLost(f"{self._vendor} could not be reached", advice="Look at this machine's network") from None

    def _answered_no(self, status: int) -> BargeinError:
        if status in (400, 401, 402, 403, 404):
            advice = {
                401: f"Check {self._key}",
                402: "The account's credit is used up: check its billing",
                403: f"Check what {self._key} may do",
            }.get(status, "Check the voice, the model and the base URL")
            return VendorRefused(f"{self._vendor} refused with {status}", advice=advice)
        return VendorLost(f"{self._vendor} answered {status}", advice="Try again")

    def _back(self, lease: Lease) -> None:
        if lease.spoiled or self._closed or lease.socket.state is not State.OPEN:
            self._drop(lease.socket)
            return
        self._free.append((self._clock.now_ms(), lease.socket))
        if len(self._free) > self._keep:
            self._drop(self._free.popleft()[1])

    def _drop(self, socket: ClientConnection) -> None:
        """Close a socket in a task, so that no reply waits for the vendor's close frame. `aclose` awaits the task."""
        task = asyncio.create_task(_close(socket), name=f"close {self._vendor}")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def _close(socket: ClientConnection) -> None:
    with suppress(OSError, WebSocketException):
        await socket.close()
