"""Clients that have proved nothing take no call's place, and no file for long."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from functools import partial

import pytest
from uvicorn.protocols.http.auto import AutoHTTPProtocol
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from bargein.clock import ManualClock
from bargein.server import connection_census, connection_guard, serve
from bargein.server.connection_census import ConnectionCensus, census_for
from bargein.server.guesses import Guesses
from bargein.server.metrics import Metrics
from bargein.server.strangers import STRANGERS, Strangers
from tests.attack.foreign_fields import STARTS
from tests.server.kit import World, settings, tone_agent, world

# ------------------------------------------------------------------------------------------------- the waiting room


def test_a_full_room_drops_the_oldest_of_the_address_that_has_the_most() -> None:
    room, dropped = Strangers(Metrics(), 4), list[str]()
    with ExitStack() as stack:
        for name, address in (("a1", "a"), ("b1", "b"), ("a2", "a"), ("c1", "c"), ("d1", "d"), ("e1", "e")):
            stack.enter_context(room.one_more(address, partial(dropped.append, name)))
        assert dropped == ["a1", "b1"]
        assert len(room) == 4
    assert len(room) == 0


# ------------------------------------------------------------------------------------------------------ the census


def test_an_ipv6_network_is_one_peer_to_every_bound() -> None:
    near, far = [f"2001:db8:1:2::{number:x}" for number in range(1, 40)], "2001:db8:1:3::1"
    room, dropped = Strangers(Metrics(), 4), list[str]()
    with ExitStack() as stack:
        for address in ("::ffff:192.0.2.1", "192.0.2.1", near[0], near[1], near[2], far):
            stack.enter_context(room.one_more(address, partial(dropped.append, address)))
    assert dropped == ["::ffff:192.0.2.1", near[0]]
    census = ConnectionCensus(100, 20, ManualClock())
    assert sum(census.enter(NoTransport(address)) for address in near) == 20
    assert census.enter(NoTransport(far))
    guesses = Guesses(ManualClock())
    for address in near:
        guesses.wrong(address)
    assert not guesses.allowed("2001:db8:1:2:ffff::1")
    assert guesses.allowed(far)


class NoTransport(asyncio.Transport):
    def __init__(self, address: str, file: int = 5) -> None:
        super().__init__({"peername": (address, 1), "socket": self})
        self.fileno = lambda: file


def test_connections_are_counted_in_all_and_by_address(caplog: pytest.LogCaptureFixture) -> None:
    census = ConnectionCensus(5, 3, ManualClock())
    mine, theirs = [NoTransport("a") for _ in range(4)], [NoTransport("b") for _ in range(3)]
    assert [census.enter(each) for each in mine] == [True, True, True, False]
    assert [census.enter(each) for each in theirs] == [True, True, False]
    assert (len(census), census.refused) == (5, 2)
    assert len(caplog.records) == 1, "one warning in a minute"
    assert "BARGEIN_MAX_CONNECTIONS" in caplog.text
    for each in (*mine, *theirs, *mine):
        census.leave(each)
    assert len(census) == 0
    assert census.enter(NoTransport("a"))


def test_no_more_connections_are_taken_than_there_may_be_files(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connection_census, "allow_files", lambda: 1024)
    assert census_for(settings(max_calls=8)).most == 4 * 8 + 256
    assert not caplog.records
    assert census_for(settings(max_calls=100, max_connections=5000)).most == 1024 - 100 - 400
    assert "ulimit -n" in caplog.text
    assert census_for(settings(max_connections_per_address=7)).of_one == 7


def test_files_that_run_out_are_told_before_and_the_last_are_kept(caplog: pytest.LogCaptureFixture) -> None:
    """A new connection's number is the least that is free: it says how many files are open."""
    census = ConnectionCensus(5000, 5000, ManualClock(), files=1024)
    assert census.enter(NoTransport("a", 900))
    assert not caplog.records
    assert census.enter(NoTransport("a", 960))
    assert not census.enter(NoTransport("a", 1010))
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "960 of 1024 files" in caplog.text


# ---------------------------------------------------------------------------------------------------- real sockets


@pytest.fixture(params=[True, False], ids=["fast", "plain"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "FAST", request.param)


@asynccontextmanager
async def silent(here: World, path: str, count: int) -> AsyncIterator[list[ClientConnection]]:
    url = here.url.replace("http", "ws") + path
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(connect(url, close_timeout=0.2)) for _ in range(count)]
        yield opened


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("name", STARTS)
async def test_silent_sockets_keep_no_caller_out(name: str) -> None:
    chosen, agent = settings(max_calls=2), tone_agent(greeting="hello " * 50)
    async with world(chosen, agent) as here, silent(here, f"/{name}/media", STRANGERS + 8) as others:
        async with asyncio.timeout(5):
            await asyncio.gather(*(each.wait_closed() for each in others[:8]))
        assert here.hub.calls.taken == 0
        async with asyncio.timeout(10), silent(here, f"/{name}/media", 2) as callers:
            start = json.dumps(STARTS[name])
            for number, caller in enumerate(callers):  # each is a call of its own
                await caller.send(re.sub(r'"(CA?)1"', rf'"\g<1>{number}"', start))
            for caller in callers:
                assert await caller.recv(), "the greeting"


async def test_silent_pages_keep_no_caller_out() -> None:
    async with world(settings(max_calls=2)) as here, silent(here, "/calls/browser", STRANGERS + 8) as others:
        async with asyncio.timeout(5):
            await asyncio.gather(*(each.wait_closed() for each in others[:8]))
        assert here.hub.calls.taken == 0
        async with here.client() as client:
            assert await client.still_there()


@pytest.mark.usefixtures("server")
async def test_a_stranger_has_two_seconds() -> None:
    async with world() as here, silent(here, "/twilio/media", 1) as (socket,):
        async with asyncio.timeout(6):
            await socket.wait_closed()
        assert "no start within 2 s" in (socket.close_reason or "")


@pytest.mark.parametrize(
    "half",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n", id="half a head"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET / HTT", id="a second head"),
        pytest.param(b"POST /calls/x/say HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{", id="half a body"),
    ],
)
async def test_a_connection_that_says_half_is_closed(half: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "guarded_http", lambda census: connection_guard.guarded_http(census, 0.3))
    monkeypatch.setattr("bargein.server.auth.BODY_S", 0.3)
    async with world() as here, here.client() as client:
        host, port = here.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        first, end, rest = half.rpartition(b"\r\n\r\n")
        if first.startswith(b"GET"):  # a whole request, whose answer is taken before the half one follows
            writer.write(first + end)
            async with asyncio.timeout(5):
                await reader.readuntil(b'{"status":"ok"}')
            half = rest
        writer.write(half)
        async with asyncio.timeout(8):  # uvicorn's own wait for another request is 5 s
            with suppress(ConnectionError):
                await reader.read()
        writer.close()
        assert await client.still_there(), "an open socket is no half request"


async def test_a_head_has_a_bound_whatever_parses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """httptools, which uvicorn takes where it is installed, keeps any head until its end."""
    monkeypatch.setattr(AutoHTTPProtocol, "data_received", lambda self, data: None)
    async with world() as here:
        host, port = here.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        with suppress(ConnectionError):
            async with asyncio.timeout(5):
                while not reader.at_eof():
                    writer.write(b"GET / HTTP/1.1\r\nX: " + b"x" * 16_384)
                    await writer.drain()
                    await asyncio.sleep(0)
        writer.close()


@pytest.mark.usefixtures("server")
async def test_every_connection_is_counted_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    census, empty = ConnectionCensus(20, 20), asyncio.Event()
    leave = census.leave

    def left(transport: asyncio.BaseTransport | None) -> None:
        leave(transport)
        if not len(census):
            empty.set()

    monkeypatch.setattr(census, "leave", left)
    monkeypatch.setattr(serve, "census_for", lambda _: census)
    async with world() as here:
        url = here.url.replace("http", "ws") + "/vonage/media"
        async with silent(here, "/twilio/media", 3), silent(here, "/calls/browser", 3), here.client(), connect(url):
            assert (await here.http.get("/healthz")).status_code == 200
            assert len(census) == 9
        with pytest.raises(InvalidStatus, match="403"):
            await connect(url, origin=Origin("http://x.example"))
        await here.http.aclose()
        async with asyncio.timeout(5):
            await empty.wait()


async def test_a_connection_beyond_the_cap_is_closed_and_no_call_notices(caplog: pytest.LogCaptureFixture) -> None:
    async with world(settings(max_connections=16, max_connections_per_address=16)) as here, here.client() as client:
        host, port = here.url.removeprefix("http://").split(":")
        opened = [await asyncio.open_connection(host, int(port)) for _ in range(40)]
        closed = 0
        for reader, _ in opened[20:]:
            async with asyncio.timeout(5):
                try:
                    closed += await reader.read() == b""
                except ConnectionError:
                    closed += 1
        assert closed == 20
        assert await client.still_there()
        for _, writer in opened:
            writer.close()
    assert [r.levelno for r in caplog.records if "Connections are refused" in r.message] == [logging.WARNING]
