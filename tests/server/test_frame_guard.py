"""Frames are counted before they are parsed: empty ones, parts, pings, on pages' sockets and on telephones'."""

from __future__ import annotations

import asyncio
from time import process_time

import pytest

from bargein.server import serve
from bargein.server.frame_guard import PARTS, FrameCounter
from tests.attack.raw_socket import CONTINUED, END, PING, PONG, TEXT, frame, raw_socket
from tests.server.kit import world

PATHS = ["/calls/browser", "/twilio/media", "/vonage/media"]

# ---------------------------------------------------------------------------------------------------- the counter


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 100, 1_000_000])
def test_frames_are_counted_however_they_are_cut(step: int) -> None:
    sent = [frame(END | TEXT, b"x" * size) for size in (0, 1, 125, 126, 127, 65_535, 65_536)] + [
        frame(TEXT),
        frame(END | PING, b"hi"),
        frame(CONTINUED, b"ab"),
        frame(END | CONTINUED),
        frame(TEXT),
    ]
    data, counter, counted = b"".join(sent), FrameCounter(), 0
    for at in range(0, len(data), step):
        piece = memoryview(data[at : at + step])
        taken, frames = counter.take(piece, 1000)
        assert taken == len(piece)
        counted += frames
    assert counted == len(sent)
    assert counter.parts == 1, "the last message has begun"


def test_no_more_frames_are_taken_than_asked_for() -> None:
    data = memoryview(frame(END | TEXT, b"abc") * 10)
    counter = FrameCounter()
    taken, frames = counter.take(data, 4)
    assert (taken, frames) == (4 * len(frame(END | TEXT, b"abc")), 4)
    taken, frames = counter.take(data[taken:], 100)
    assert frames == 6


def test_control_frames_between_the_parts_end_no_message() -> None:
    counter = FrameCounter()
    counter.take(memoryview(frame(TEXT) + frame(END | PING) + frame(CONTINUED)), 10)
    assert counter.parts == 2
    counter.take(memoryview(frame(END | CONTINUED)), 10)
    assert counter.parts == 0


# -------------------------------------------------------------------------------------------------- real sockets


@pytest.fixture(params=[True, False], ids=["fast", "plain"], autouse=True)
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "FAST", request.param)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "flood",
    [
        pytest.param(frame(TEXT) + frame(CONTINUED) * 20_000, id="parts"),
        pytest.param(frame(END | PING) * 20_000, id="pings"),
        pytest.param(frame(END | PONG) * 20_000, id="pongs"),
        pytest.param(frame(END | TEXT) * 20_000, id="empty"),
        pytest.param(frame(END | TEXT, b"{}") * 20_000, id="tiny"),
    ],
)
async def test_a_flood_of_small_frames_is_closed_and_costs_little(path: str, flood: bytes) -> None:
    async with world() as here, raw_socket(here.url, path) as socket:
        began = process_time()
        await socket.send(flood)
        assert await socket.closed() in (1008, 0)
        assert process_time() - began < 2  # of the processor; 120 KB of empty parts took 4.9 s
        async with here.client() as client:
            assert await client.still_there()


@pytest.mark.parametrize("path", PATHS)
async def test_pongs_that_are_not_read_do_not_pile_up(path: str) -> None:
    """Pings within the rate, on a socket that reads nothing: the answers have a bound, too."""
    async with world() as here, raw_socket(here.url, path, limit=2048) as socket:
        began = process_time()
        while await socket.send(frame(END | PING, b"x" * 125) * 400):
            assert process_time() - began < 20, "it is never closed"
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("path", PATHS[:2])
async def test_a_ping_is_answered_and_a_message_in_parts_is_read(path: str) -> None:
    async with world() as here, raw_socket(here.url, path) as socket:
        await socket.send(frame(END | PING, b"you there?"))
        async with asyncio.timeout(5):
            assert await socket.reader.readexactly(12) == b"\x8a\x0ayou there?"
        if path == "/calls/browser":
            await socket.send(frame(TEXT, b'{"type":"hello",') + frame(END | PING))
            await socket.send(frame(CONTINUED) * (PARTS - 2) + frame(END | CONTINUED, b'"protocol":"bargein.v1"}'))
            async with asyncio.timeout(5):
                assert b'"type":"welcome"' in await socket.reader.readuntil(b"limits")
