"""The soak counts calls in which the agent spoke, and no others."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from bargein.errors import VendorLost, VendorRefused
from benchmarks.soak import by_page, by_telephone
from tests.server.kit import settings, tone_agent, world

Manners = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def server(manners: Manners) -> AsyncIterator[str]:
    def chosen(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        return next(iter(offered), None)

    async with serve(manners, "127.0.0.1", 0, select_subprotocol=chosen) as made:
        yield f"127.0.0.1:{made.sockets[0].getsockname()[1]}"


async def busy(socket: ServerConnection) -> None:
    """Refuses every page, as a server without room does."""
    await socket.send(json.dumps({"type": "error", "code": "busy", "message": "", "advice": "", "fatal": True}))
    await socket.close(1013, "Try again later")


async def silent(socket: ServerConnection) -> None:
    """Takes the call and never speaks."""
    async for raw in socket:
        if isinstance(raw, str) and json.loads(raw).get("type") == "hangup":
            break


async def gone(socket: ServerConnection) -> None:
    """Takes the stream and ends it."""
    await socket.recv()


@pytest.mark.parametrize("call", [by_page, by_telephone])
async def test_calls_in_which_the_agent_speaks_are_counted(call: Callable[[str], Awaitable[None]]) -> None:
    async with world(settings(), tone_agent(greeting="la " * 40)) as here:
        await call(here.url.removeprefix("http://"))
        assert await here.nobody_left()


@pytest.mark.parametrize("manners", [busy, silent])
async def test_a_page_that_is_refused_or_hears_nothing_fails_the_soak(manners: Manners) -> None:
    async with server(manners) as address:
        with pytest.raises(VendorLost, match="heard nothing of the agent"):
            await by_page(address)


@pytest.mark.parametrize("manners", [silent, gone])
async def test_a_telephone_that_hears_nothing_fails_the_soak(manners: Manners) -> None:
    async with server(manners) as address:
        with pytest.raises(VendorLost, match="0 frames, ended by"):
            await by_telephone(address)


async def test_a_telephone_that_is_refused_fails_the_soak() -> None:
    def refuse(socket: ServerConnection, _: Request) -> Response:
        return socket.respond(HTTPStatus.SERVICE_UNAVAILABLE, "full")

    async with serve(silent, "127.0.0.1", 0, process_request=refuse) as made:
        with pytest.raises(VendorRefused):
            await by_telephone(f"127.0.0.1:{made.sockets[0].getsockname()[1]}")
