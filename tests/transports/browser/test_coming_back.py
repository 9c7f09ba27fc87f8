"""A client that comes back brings what was said meanwhile; one that is sent elsewhere is told where."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import numpy as np
import pytest

from bargein import protocols as c
from bargein.clock import ManualClock
from bargein.notices import Bye, StateChanged
from bargein.transports.browser.transport import BrowserTransport
from bargein.transports.browser.wire import HEADER
from bargein.transports.kept import KeptTransport
from tests.transports.browser.test_transport import HELLO, WELCOME, Wire, settle

FRAME = 1600  # 100 ms


@asynccontextmanager
async def back(clock: ManualClock, *, resumed: bool = True) -> AsyncIterator[tuple[BrowserTransport, Wire]]:
    wire = Wire()
    async with BrowserTransport(wire, clock) as transport:
        wire.say(HELLO)
        assert await transport.handshake() is not None
        transport.welcome(msgspec.structs.replace(WELCOME, resumed=resumed))
        yield transport, wire


def audio(wire: Wire, first: int, count: int = 1) -> None:
    for at in range(first, first + count * FRAME, FRAME):
        wire.inbox.put_nowait(HEADER.pack(1, 0, 0, 0, 0, at) + np.ones(FRAME, "<i2").tobytes())


async def taken(transport: BrowserTransport | KeptTransport, count: int) -> list[c.Inbound]:
    got: list[c.Inbound] = []
    async with asyncio.timeout(2):
        async for item in transport.receive():
            got.append(item)
            if len(got) == count:
                break
    return got


def positions(items: list[c.Inbound]) -> list[int]:
    return [item.first_sample for item in items if isinstance(item, c.AudioIn)]


async def test_a_backlog_has_the_positions_before_the_connection_and_is_no_fault() -> None:
    clock = ManualClock(5000)
    async with back(clock) as (transport, wire):
        wire.say({"type": "backlog", "samples": 30 * FRAME})
        audio(wire, 0, 31)
        items = await taken(transport, 31)
        await settle()
        assert positions(items) == list(range(-30 * FRAME, FRAME, FRAME))
        assert wire.codes == []
        audio(wire, 31 * FRAME, 30)  # more than two seconds ahead of real time, as ever
        await taken(transport, 30)
        await settle()
        assert wire.codes == ["audio_ahead"]


@pytest.mark.parametrize("case", ["too much", "twice", "after audio", "in a new call"])
async def test_a_backlog_that_cannot_be_is_refused_and_the_audio_has_its_own_place(case: str) -> None:
    clock = ManualClock(5000)
    async with back(clock, resumed=case != "in a new call") as (transport, wire):
        if case == "after audio":
            audio(wire, 0)
        if case == "twice":
            wire.say({"type": "backlog", "samples": FRAME})
        wire.say({"type": "backlog", "samples": 48_001 if case == "too much" else FRAME})
        audio(wire, FRAME if case == "after audio" else 0)
        items = await taken(transport, 2 if case == "after audio" else 1)
        await settle()
        assert wire.codes == ["bad_message"]
        assert positions(items)[0] == (-FRAME if case == "twice" else 0)


@pytest.mark.parametrize("kept", [0, 5, 10, 25])
async def test_a_backlog_fills_the_gap_in_the_calls_audio(kept: int) -> None:
    clock = ManualClock(5000)
    async with back(clock) as (first, one), back(clock) as (second, two):
        calls = KeptTransport(first, clock, 10_000)
        receiving = aiter(calls.receive())
        audio(one, 0)
        assert positions([await anext(receiving)]) == [0]
        one.inbox.put_nowait(None)
        assert isinstance(await anext(receiving), c.ConnectionLost)
        clock.advance(1_000)
        calls.take_over(second)
        assert isinstance(await anext(receiving), c.ConnectionBack)
        two.say({"type": "backlog", "samples": kept * FRAME})
        audio(two, 0, kept + 1)
        got = positions([await anext(receiving) for _ in range(kept + 1)])
        # A client that kept more than the loss lasted (its socket was dead before) is believed: no sample is dropped.
        begins = FRAME + max(0, 10 * FRAME - max(kept, 1) * FRAME)
        assert got == list(range(begins, begins + (kept + 1) * FRAME, FRAME))


async def test_the_backlog_of_a_restored_call_begins_its_stream() -> None:
    clock = ManualClock(5000)
    async with back(clock) as (transport, wire):
        calls = KeptTransport(transport, clock, 10_000)
        wire.say({"type": "backlog", "samples": 3 * FRAME})
        audio(wire, 0, 5)
        assert positions(await taken(calls, 5)) == list(range(0, 5 * FRAME, FRAME))


@pytest.mark.parametrize("at", [None, "/n/b"])
async def test_a_call_that_moves_is_told_where_and_says_no_bye(at: str | None) -> None:
    clock = ManualClock(5000)
    async with back(clock) as (transport, wire):

        async def place() -> str | None:
            return at

        transport.moves_to = place
        transport.notify(StateChanged("idle", 1.0))
        transport.notify(Bye(c.MOVED))
        await transport.close(c.MOVED)
        assert wire.told[-1] == {"type": "moved", "call_id": "c1", "at": at}
        assert [m["type"] for m in wire.told].count("bye") == 0
        assert wire.closed == (4003, c.MOVED)


async def test_a_place_that_is_not_known_in_time_is_not_waited_for() -> None:
    clock = ManualClock(5000)
    async with back(clock) as (transport, wire):

        async def never() -> str | None:
            await asyncio.Event().wait()
            return None

        transport.moves_to = never
        await transport.close(c.MOVED)
        assert wire.told[-1] == {"type": "moved", "call_id": "c1", "at": None}


async def test_a_hello_that_belongs_elsewhere_is_sent_there() -> None:
    wire = Wire()
    async with BrowserTransport(wire, ManualClock(5000)) as transport:
        wire.say(HELLO | {"follows": True})
        hello = await transport.handshake()
        assert hello is not None
        assert hello.follows
        transport.send_elsewhere("/n/b", "this server is full")
    assert wire.told == [{"type": "elsewhere", "at": "/n/b", "why": "this server is full"}]
    assert wire.closed is not None
    assert wire.closed[0] == 4003
