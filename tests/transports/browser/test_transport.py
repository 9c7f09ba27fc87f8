"""The browser transport over a socket in memory and a clock that is moved by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import numpy as np
import pytest

from bargein import protocols as c
from bargein.clock import ManualClock
from bargein.notices import Bye, HoldNow, Problem, ReplyBegins
from bargein.transports.browser.limits import BrowserLimits
from bargein.transports.browser.transport import BrowserTransport
from bargein.transports.browser.wire import HEADER, AgentParts, Hello, Welcome

HELLO = {"type": "hello", "protocol": "bargein.v1", "agent": "guide", "settings": {"confirm_ms": 250}}
WELCOME = Welcome("c1", "c1", 16_000, 24_000, 100.0, AgentParts("guide", "guide", "espeak", "", False), {}, {})


class Wire:
    """A socket in memory. blocked: the client does not read."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self.out: list[str | bytes] = []
        self.closed: tuple[int, str] | None = None
        self.reads = asyncio.Event()
        self.reads.set()
        self.broken: Exception | None = None
        self.breaks_on_close: Exception | None = None

    async def receive(self) -> str | bytes | None:
        return await self.inbox.get()

    async def send_text(self, text: str) -> None:
        await self._send(text)

    async def send_bytes(self, data: bytes) -> None:
        await self._send(data)

    async def _send(self, data: str | bytes) -> None:
        if self.broken is not None:
            raise self.broken
        await self.reads.wait()
        self.out.append(data)

    async def close(self, code: int, reason: str) -> None:
        if self.breaks_on_close is not None:
            raise self.breaks_on_close
        self.closed = (code, reason)

    def say(self, message: object) -> None:
        self.inbox.put_nowait(json.dumps(message))

    @property
    def told(self) -> list[dict[str, object]]:
        return [json.loads(x) for x in self.out if isinstance(x, str)]

    @property
    def codes(self) -> list[object]:
        return [m["code"] for m in self.told if m["type"] == "error"]


@asynccontextmanager
async def browser(
    limits: BrowserLimits | None = None, *, greet: bool = True
) -> AsyncIterator[tuple[BrowserTransport, Wire, ManualClock]]:
    wire, clock, before = Wire(), ManualClock(5000), asyncio.all_tasks()
    async with BrowserTransport(wire, clock, limits) as transport:
        if greet:
            wire.say(HELLO)
            assert await transport.handshake() is not None
            transport.welcome(WELCOME)
            await settle()
        yield transport, wire, clock
        wire.reads.set()
    assert wire.closed is not None
    assert asyncio.all_tasks() == before


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def next_of(transport: BrowserTransport) -> c.Inbound:
    async with asyncio.timeout(2):
        return await anext(aiter(transport.receive()))


def mic(first: int, samples: int = 320) -> bytes:
    return HEADER.pack(1, 0, 0, 0, 0, first) + bytes(2 * samples)


def frame(reply: int, sequence: int, *, last: bool = False, samples: int = 480) -> c.AudioOut:
    return c.AudioOut(reply, sequence, sequence * 480, np.full(samples, sequence, np.int16), last)


def sequences(wire: Wire) -> list[int]:
    return [HEADER.unpack_from(x)[4] for x in wire.out if isinstance(x, bytes)]


async def test_hello_is_told_with_all_that_it_asks_for() -> None:
    async with browser(greet=False) as (transport, wire, _):
        wire.say(HELLO)
        assert await transport.handshake() == Hello("bargein.v1", "guide", None, {"confirm_ms": 250}, None)
        transport.welcome(WELCOME)
        await settle()
        assert wire.told == [msgspec.json.decode(msgspec.json.encode(WELCOME))]


async def test_every_message_becomes_what_the_call_knows() -> None:
    async with browser() as (transport, wire, _):
        transport.notify(ReplyBegins(2, "reply", interruptible=True))
        for message, item in (
            (
                {"type": "local_hold", "reply_id": 2, "played": 9, "level_db": -20.5, "age_ms": 12},
                c.LocalHold(2, 9, 12),
            ),
            ({"type": "played", "reply_id": 1, "played": 9, "playing": False}, c.Played(1, 9, playing=False)),
            ({"type": "held", "reply_id": 2, "played": 9}, c.Held(2, 9)),
            ({"type": "flushed", "reply_id": 2, "played": 9}, c.Flushed(2, 9)),
            ({"type": "finished", "reply_id": 2, "played": 9}, c.Finished(2, 9)),
            ({"type": "interrupt"}, c.StopPressed()),
            ({"type": "settings", "policy": "patient"}, c.SettingsRequested("patient", {})),
            ({"type": "settings", "settings": {"min_words": 2}}, c.SettingsRequested(None, {"min_words": 2})),
            ({"type": "say", "text": " hi "}, c.Typed("hi")),
            ({"type": "hangup"}, c.ClientHangUp("the client hung up")),
        ):
            wire.say(message)
            assert await next_of(transport) == item
        assert wire.codes == []


async def test_microphone_audio_shares_the_memory_it_came_in() -> None:
    async with browser() as (transport, wire, _):
        wire.inbox.put_nowait(HEADER.pack(1, 0, 0, 0, 0, 0) + b"\x01\0\xff\xff")
        wire.inbox.put_nowait(mic(100))
        wire.say({"type": "audio_chunk", "audio_data": "AgA="})
        first, gap, json_one = [await next_of(transport) for _ in range(3)]
        assert isinstance(first, c.AudioIn)
        assert isinstance(gap, c.AudioIn)
        assert isinstance(json_one, c.AudioIn)
        assert (first.first_sample, first.samples.tolist(), first.samples.base is not None) == (0, [1, -1], True)
        assert gap.first_sample == 100
        assert (json_one.first_sample, json_one.samples.tolist()) == (420, [2])


async def test_what_the_loudspeaker_played_comes_with_the_microphone_and_nonsense_ends_no_call() -> None:
    async with browser() as (transport, wire, _):
        header = HEADER.pack(3, 0, 0, 0, 0, 0)
        wire.inbox.put_nowait(header + b"\1\0\2\0" + b"\x80")  # one code for two samples
        wire.inbox.put_nowait(header + b"\1\0\2\0" + b"\x80\xff")
        item = await next_of(transport)
        assert isinstance(item, c.AudioIn)
        assert item.samples.tolist() == [1, 2]
        assert item.loudspeaker is not None
        assert item.loudspeaker.tolist() == [128, 255]
        wire.inbox.put_nowait(mic(2))
        plain = await next_of(transport)
        assert isinstance(plain, c.AudioIn)
        assert plain.loudspeaker is None


async def test_control_goes_before_audio() -> None:
    async with browser() as (transport, wire, _):
        wire.reads.clear()
        assert transport.send(frame(1, 0))
        await settle()  # the writer stands with frame 0 in its hand
        assert transport.send(frame(1, 1))
        transport.notify(HoldNow(1, 0, "speech"))
        wire.reads.set()
        await settle()
        kinds = ["text" if isinstance(x, str) else "audio" for x in wire.out[1:]]
        assert kinds == ["audio", "text", "audio"]


async def test_a_hold_takes_the_frames_back_out_of_the_line_and_a_resume_sends_them_anew() -> None:
    async with browser() as (transport, wire, _):
        wire.reads.clear()
        frames = [frame(1, k) for k in range(4)]
        for one in frames:
            assert transport.send(one)
        await settle()
        assert transport.hold(1) is frames[1]  # the first is on its way already
        assert transport.hold(1) is None
        wire.reads.set()
        await settle()
        assert sequences(wire) == [0]
        for one in frames[1:]:
            assert transport.send(one)
        await settle()
        assert sequences(wire) == [0, 1, 2, 3]


async def test_after_a_flush_nothing_of_that_reply_leaves() -> None:
    async with browser() as (transport, wire, _):
        wire.reads.clear()
        for k in range(3):
            transport.send(frame(1, k))
        transport.send(frame(2, 0))
        await settle()
        assert transport.flush(1) == 2
        assert transport.flush(1) == 0
        wire.reads.set()
        await settle()
        assert [HEADER.unpack_from(x)[3] for x in wire.out if isinstance(x, bytes)] == [1, 2]


async def test_the_line_is_bounded_and_never_blocks_the_call() -> None:
    async with browser() as (transport, wire, _):
        wire.reads.clear()
        taken = sum(transport.send(frame(1, k)) for k in range(300))
        assert taken == 200  # 4 s
        await settle()
        assert transport.send(frame(1, 200))  # the writer has taken one out


async def test_a_client_that_does_not_read_becomes_a_hang_up() -> None:
    async with browser(BrowserLimits(unread_ms=0)) as (transport, wire, _):
        wire.reads.clear()
        transport.notify(Problem("x", "y", "z"))
        assert await next_of(transport) == c.ClientHangUp("the client does not read")
        assert await next_of(transport) == c.ClientHangUp("the client does not read")
        await transport.close("told by the call")
        assert wire.closed == (1011, "the client does not read")


async def test_too_many_messages_in_line_are_a_client_that_does_not_read() -> None:
    async with browser() as (transport, wire, _):
        wire.reads.clear()
        for _ in range(1100):
            transport.notify(Problem("x", "y", "z"))
        assert await next_of(transport) == c.ClientHangUp("the client does not read")


@pytest.mark.parametrize(("error", "reason"), [(ConnectionError("x"), "lost"), (ValueError("x"), "internal")])
async def test_a_socket_that_breaks_while_we_write_becomes_a_hang_up(error: Exception, reason: str) -> None:
    async with browser() as (transport, wire, _):
        wire.broken = error
        transport.send(frame(1, 0))
        item = await next_of(transport)
        assert isinstance(item, c.ClientHangUp)
        assert reason in item.reason


async def test_a_socket_that_is_gone_becomes_a_hang_up() -> None:
    async with browser() as (transport, wire, _):
        wire.inbox.put_nowait(None)
        assert [item async for item in transport.receive()] == [c.ClientHangUp("the connection is lost")]


async def test_more_text_than_a_person_types_is_dropped() -> None:
    """What was said is kept as long as the call, and its last state after it: 4 MB for five seconds of a page."""
    async with browser() as (transport, wire, clock):
        for _ in range(20):
            wire.say({"type": "say", "text": "x" * 4000})
        wire.say({"type": "interrupt"})
        got = [await next_of(transport) for _ in range(6)]
        assert got == [*[c.Typed("x" * 4000)] * 5, c.StopPressed()]
        await settle()
        assert wire.codes == ["too_fast"]
        clock.advance(1000)
        wire.say({"type": "say", "text": "y" * 200})
        assert await next_of(transport) == c.Typed("y" * 200)


async def test_the_surplus_of_messages_is_dropped_and_told_once_a_second() -> None:
    async with browser() as (transport, wire, clock):
        for k in range(500):
            wire.say({"type": "say", "text": str(k)})
        wire.say({"type": "hangup"})
        got = []
        for _ in range(399):  # hello was one
            got.append(await next_of(transport))
        assert got[-1] == c.Typed("398")
        reading = asyncio.create_task(next_of(transport))
        await settle()
        for _ in range(30):
            await settle()
        assert wire.codes == ["too_fast"]
        clock.advance(10)
        wire.say({"type": "say", "text": "later"})
        assert await reading == c.Typed("later")


async def test_a_flood_ends_the_call() -> None:
    async with browser() as (transport, wire, _):
        for _ in range(2100):
            wire.inbox.put_nowait("x")
        assert [item async for item in transport.receive()] == [c.ClientHangUp("the client sent too many messages")]
        await transport.close("")
        assert wire.closed == (1008, "the client sent too many messages")


async def test_without_a_hello_there_is_no_call() -> None:
    async with browser(BrowserLimits(hello_ms=0), greet=False) as (transport, wire, _):
        assert await transport.handshake() is None
        await transport.close("x")
        assert wire.closed == (1002, "no hello within 0 s")


async def test_closing_lets_the_last_words_out_and_no_audio() -> None:
    async with browser() as (transport, wire, _):
        wire.reads.clear()
        for k in range(3):
            transport.send(frame(1, k))
        await settle()
        transport.notify(Bye("the call is over"))
        closing = asyncio.create_task(transport.close("é" * 200))
        await settle()
        wire.reads.set()
        await closing
        await transport.close("again")
        assert wire.told[-1] == {"type": "bye", "reason": "the call is over"}
        assert sequences(wire) == [0]
        assert wire.closed == (1000, "é" * 60)
        assert not transport.send(frame(1, 3))
        transport.notify(Bye("late"))


async def test_a_ping_is_answered() -> None:
    async with browser() as (transport, wire, _):
        wire.say({"type": "ping", "n": 41})
        wire.say({"type": "interrupt"})
        assert await next_of(transport) == c.StopPressed()
        await settle()
        assert wire.told[-1] == {"type": "pong", "n": 41}


async def test_a_message_that_the_call_cannot_use_is_answered_by_its_code() -> None:
    async with browser() as (transport, wire, _):
        for message in (HELLO, {"type": "say", "text": "  "}, {"type": "held", "reply_id": 1, "played": 0}):
            wire.say(message)
        wire.inbox.put_nowait(b"short")
        wire.inbox.put_nowait(mic(320))
        wire.inbox.put_nowait(mic(0))
        wire.say({"type": "interrupt"})
        audio, stop = [await next_of(transport) for _ in range(2)]
        assert isinstance(audio, c.AudioIn)
        assert stop == c.StopPressed()
        await settle()
        assert wire.codes == ["hello_again", "bad_message", "unknown_reply", "bad_frame", "audio_back"]


async def test_nothing_but_a_hello_is_taken_before_the_welcome() -> None:
    async with browser(greet=False) as (transport, wire, _):
        wire.inbox.put_nowait(mic(0))
        wire.say({"type": "interrupt"})
        wire.say(HELLO)
        assert await transport.handshake() is not None
        await settle()
        assert wire.codes == ["hello_first", "hello_first"]


async def test_a_client_that_leaves_before_its_hello_is_no_call() -> None:
    async with browser(greet=False) as (transport, wire, _):
        wire.inbox.put_nowait(None)
        assert await transport.handshake() is None


async def test_a_refused_hello_closes_the_socket_with_its_code() -> None:
    async with browser(greet=False) as (transport, wire, _):
        wire.say(HELLO)
        assert await transport.handshake() is not None
        transport.refuse(Problem("full", "Too many calls", "Try later", fatal=True), 1013)
        await transport.close("refused")
        assert wire.codes == ["full"]
        assert wire.closed == (1013, "refused")


async def test_a_client_that_gets_its_audio_from_the_model_takes_none_from_here() -> None:
    async with browser() as (transport, _, _):
        assert transport.capabilities == c.TransportCapabilities(pause=True, reports=True, backlog_ms=3_000)
        transport.direct()
        assert not transport.capabilities.carries_audio


async def test_a_socket_that_never_closes_is_left() -> None:
    async with browser() as (transport, wire, _):
        wire.breaks_on_close = ConnectionError("gone")
        await transport.close("ended")
        wire.closed = (0, "for the fixture")


def test_the_limits_that_a_client_is_told() -> None:
    assert BrowserLimits(messages=1, burst=2, ahead_ms=3, unread_ms=4, backlog_ms=5).as_sent() == {
        "message_bytes": 65_536,
        "messages_per_s": 1,
        "messages_burst": 2,
        "audio_ahead_ms": 3,
        "backlog_ms": 5,
        "unread_ms": 4,
    }
