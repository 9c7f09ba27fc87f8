"""Warm sockets: one reply has one, the next finds it open, and what is spoiled or old is never used again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from bargein.clock import ManualClock
from bargein.errors import VendorLost, VendorRefused
from bargein.vendors.common.pool import SocketPool


class Vendor:
    """Counts its sockets, and refuses with `status` while that is set."""

    def __init__(self) -> None:
        self.opened = 0
        self.status = 0
        self.sockets: list[ServerConnection] = []

    async def take(self, socket: ServerConnection) -> None:
        self.opened += 1
        self.sockets.append(socket)
        await socket.wait_closed()

    def answer(self, socket: ServerConnection, request: Request) -> Response | None:
        return socket.respond(HTTPStatus(self.status), "no") if self.status else None


@asynccontextmanager
async def pooled(**options: float) -> AsyncIterator[tuple[SocketPool, Vendor, ManualClock]]:
    vendor, clock = Vendor(), ManualClock(1_000)
    async with serve(vendor.take, "127.0.0.1", 0, process_request=vendor.answer) as server:
        port = server.sockets[0].getsockname()[1]

        async def opened() -> ClientConnection:
            return await connect(f"ws://127.0.0.1:{port}")

        pool = SocketPool(opened, vendor="Vendor", key="VENDOR_API_KEY", clock=clock, **options)  # type: ignore[arg-type]
        try:
            yield pool, vendor, clock
        finally:
            await pool.aclose()


async def test_one_reply_after_the_other_has_the_same_socket() -> None:
    async with pooled() as (pool, vendor, _):
        for _ in range(3):
            async with pool.socket():
                pass
        assert vendor.opened == 1


async def test_replies_at_once_have_one_each_and_not_more_than_so_many() -> None:
    async with pooled(most=2) as (pool, vendor, _):
        got = asyncio.Event()

        async def third() -> None:
            async with pool.socket():
                got.set()

        async with pool.socket(), pool.socket():
            waiting = asyncio.create_task(third())
            await asyncio.sleep(0)
            assert not got.is_set()
        await waiting
        assert vendor.opened == 2


async def test_what_a_reply_failed_on_is_not_used_again_but_what_it_kept_is() -> None:
    async with pooled() as (pool, vendor, _):
        with pytest.raises(RuntimeError):
            async with pool.socket():
                raise RuntimeError
        async with pool.socket():
            pass
        assert vendor.opened == 2

        async def cut() -> None:
            async with pool.socket() as lease:
                lease.keep = True
                raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            await cut()
        async with pool.socket():
            pass
        assert vendor.opened == 2


async def test_a_socket_that_was_idle_for_too_long_is_replaced() -> None:
    async with pooled(idle_s=10) as (pool, vendor, clock):
        async with pool.socket():
            pass
        clock.advance(9_000)
        async with pool.socket():
            pass
        assert vendor.opened == 1
        clock.advance(11_000)
        async with pool.socket():
            pass
        assert vendor.opened == 2


async def test_a_socket_that_breaks_in_a_reply_is_the_vendors_loss() -> None:
    async with pooled() as (pool, vendor, _):

        async def broken() -> None:
            async with pool.socket() as lease:
                await vendor.sockets[0].close()
                await lease.socket.recv()

        with pytest.raises(VendorLost, match="broke off"):
            await broken()
        async with pool.socket():
            pass
        assert vendor.opened == 2


@pytest.mark.parametrize(
    ("status", "error", "advice"),
    [
        (401, VendorRefused, "Check VENDOR_API_KEY"),
        (402, VendorRefused, "credit"),
        (403, VendorRefused, "VENDOR_API_KEY"),
        (404, VendorRefused, "voice"),
        (429, VendorLost, "Try again"),
        (503, VendorLost, "Try again"),
    ],
)
async def test_a_refused_handshake_says_what_to_do(status: int, error: type[Exception], advice: str) -> None:
    async with pooled() as (pool, vendor, _):
        vendor.status = status
        with pytest.raises(error, match=advice):
            async with pool.socket():
                pass
        vendor.status = 0
        async with pool.socket():
            pass


async def test_nobody_there_is_a_loss() -> None:
    async def nobody() -> ClientConnection:
        return await connect("ws://127.0.0.1:9")

    pool = SocketPool(nobody, vendor="Vendor", key="VENDOR_API_KEY")
    with pytest.raises(VendorLost, match="could not be reached"):
        async with pool.socket():
            pass
    await pool.aclose()


async def test_more_idle_ones_than_are_kept_are_closed() -> None:
    async with pooled(keep=1) as (pool, vendor, _):
        async with pool.socket(), pool.socket(), pool.socket():
            pass
        async with pool.socket(), pool.socket():
            pass
        assert vendor.opened == 4
