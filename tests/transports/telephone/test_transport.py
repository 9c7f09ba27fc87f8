"""The telephone transport alone, over a vendor that exists only here, a socket in memory and a clock moved by hand."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import numpy as np
import pytest

from bargein import protocols as c
from bargein.clock import ManualClock
from bargein.errors import ProtocolError
from bargein.notices import Bye
from bargein.transports.telephone.dialect import (
    ClearDone,
    DialectEvent,
    MarkBack,
    Media,
    Pressed,
    Started,
    Stopped,
)
from bargein.transports.telephone.limits import TelephoneLimits
from bargein.transports.telephone.transport import TelephoneTransport

FRAME = 160
START = Started("S1", "C1")


class PlainDialect:
    """Words in place of JSON: `start`, `media <number> <samples>`, `mark <name>`, `cleared`, `key <key>`, `stop`."""

    name = "plain"
    rate = 8000
    batch = 1
    mulaw = True
    returning = True
    says_stop = True
    started = True

    def __init__(self, *, binary: bool = False, acknowledges: bool = False) -> None:
        self.binary = binary
        self.acknowledges = acknowledges

    def read(self, message: str | bytes) -> DialectEvent | None:
        match str(message).split():
            case ["start"]:
                return START
            case ["media", number, samples]:
                return Media(np.zeros(int(samples), np.int16), None if number == "-" else int(number))
            case ["mark", name]:
                return MarkBack(name)
            case ["cleared"]:
                return ClearDone()
            case ["key", key]:
                return Pressed(key)
            case ["stop"]:
                return Stopped("the caller hung up")
            case ["hello"]:
                return None
            case _:
                raise ProtocolError(f"{str(message)!r} is unknown", advice="Send words", code="unknown_event")

    def media(self, samples: c.WireSamples) -> bytes:
        return b"media %d" % len(samples)

    def mark(self, name: str) -> bytes:
        return f"mark {name}".encode()

    def clear(self) -> bytes:
        return b"clear"


class Socket:
    """A `Wire` in memory. sent: what went out, binary messages in brackets."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.unsent = 0
        self.closed: list[tuple[int, str]] = []

    def text(self, data: bytes) -> None:
        self.sent.append(data.decode())

    def binary(self, data: bytes) -> None:
        self.sent.append(f"[{data.decode()}]")

    def close(self, code: int, reason: str) -> None:
        self.closed.append((code, reason))


class Stream:
    """A transport with everything around it."""

    def __init__(self, dialect: PlainDialect | None = None, limits: TelephoneLimits | None = None) -> None:
        self.socket, self.clock = Socket(), ManualClock(1000)
        self.transport = TelephoneTransport(self.socket, dialect or PlainDialect(), self.clock, limits)

    def come(self, *messages: str) -> None:
        for message in messages:
            self.transport.incoming(message)

    async def given(self) -> list[c.Inbound]:
        """All that the call is given since the last time."""
        got: list[c.Inbound] = []

        async def read() -> None:
            async for item in self.transport.receive():
                got.append(item)

        task = asyncio.create_task(read())
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return got

    async def faults(self) -> list[str]:
        return [item.code for item in await self.given() if isinstance(item, c.ClientFault)]

    def send(self, count: int, *, first: int = 0, last: bool = False) -> None:
        """Frames of reply 1, 20 ms apart."""
        for k in range(first, first + count):
            end = last and k == first + count - 1
            assert self.transport.send(c.AudioOut(1, k, k * FRAME, np.zeros(FRAME, np.uint8), last=end))
            self.clock.advance(20)


@pytest.fixture
def stream() -> Stream:
    made = Stream()
    made.come("hello", "start")
    return made


def test_a_transport_says_what_its_network_can_do() -> None:
    transport = Stream(PlainDialect(binary=True)).transport
    assert (transport.name, transport.binary, transport.rate_in, transport.rate_out) == ("plain", True, 8000, 8000)
    assert transport.capabilities == c.TransportCapabilities(
        pause=False, reports=True, plays_immediately=True, mulaw=True
    )
    assert transport.rtt_ms is None


# ------------------------------------------------------------------------------------------------------- the start


async def test_the_handshake_waits_for_the_start_and_loses_nothing_that_came_meanwhile() -> None:
    stream = Stream()
    handshake = asyncio.create_task(stream.transport.handshake())
    await asyncio.sleep(0)
    stream.come("hello", "start", "media 1 160")
    assert await handshake == START
    items: AsyncIterator[c.Inbound] = stream.transport.receive()
    assert isinstance(await anext(items), c.AudioIn)


async def test_a_stream_that_does_not_start_in_time_is_closed() -> None:
    stream = Stream(limits=TelephoneLimits(start_ms=0))
    assert await stream.transport.handshake() is None
    await stream.transport.close("no call")
    assert stream.socket.closed == [(1002, "no start within 0 s")]


async def test_a_connection_that_is_lost_before_the_start_is_no_call() -> None:
    stream = Stream()
    stream.transport.gone("the connection is gone")
    assert await stream.transport.handshake() is None


async def test_what_comes_before_the_start_is_a_fault_and_too_much_of_it_the_end() -> None:
    stream = Stream(limits=TelephoneLimits(before_start=2))
    stream.come("media 1 160", "key 1")
    assert await stream.faults() == ["before_start", "before_start"]
    stream.come("media 2 160")
    assert (await stream.given())[-1] == c.ClientHangUp("the stream did not start")
    await stream.transport.close("")
    assert stream.socket.closed == [(1002, "the stream did not start")]


async def test_a_second_start_is_a_fault_and_the_first_holds(stream: Stream) -> None:
    stream.come("start")
    assert await stream.faults() == ["start_again"]
    assert stream.transport.started == START


async def test_a_stream_that_is_refused_closes_with_that_reason(stream: Stream) -> None:
    stream.transport.refuse("no such agent")
    assert await stream.given() == [c.ClientHangUp("no such agent")]
    await stream.transport.close("ended")
    assert stream.socket.closed == [(1008, "no such agent")]


# ------------------------------------------------------------------------------------------------------- incoming


async def test_audio_comes_in_order_and_with_its_position(stream: Stream) -> None:
    stream.come("media 1 160", "media 3 160", "media 2 160", "media 4 80")
    got = [item for item in await stream.given() if isinstance(item, c.AudioIn)]
    assert [(item.first_sample, len(item.samples)) for item in got] == [(0, 160), (160, 160), (320, 160), (480, 80)]


async def test_numbers_that_give_no_order_are_one_fault_and_the_audio_goes_on(stream: Stream) -> None:
    stream.come(*["media 7 160"] * 9)
    got = await stream.given()
    assert [item.code for item in got if isinstance(item, c.ClientFault)] == ["bad_numbers"]
    stream.come("media 7 160")
    assert [type(item) for item in await stream.given()] == [c.AudioIn]


async def test_a_burst_is_noted_and_taken_and_moves_the_beginning_of_the_stream(stream: Stream) -> None:
    stream.come(*[f"media {k} 8000" for k in range(1, 8)])
    got = await stream.given()
    assert [item.code for item in got if isinstance(item, c.ClientFault)] == ["audio_ahead"] * 3
    assert [item.first_sample for item in got if isinstance(item, c.AudioIn)] == [8000 * k for k in range(7)]
    for k in range(8, 200):
        stream.clock.advance(20)
        stream.come(f"media {k} 160")
        assert [type(item) for item in await stream.given()] == [c.AudioIn]


async def test_a_key_and_the_end_reach_the_call_and_nothing_comes_after_the_end(stream: Stream) -> None:
    stream.come("key 5", "stop", "media 1 160")
    assert await stream.given() == [c.KeyPress("5"), c.ClientHangUp("the caller hung up")]
    assert await stream.given() == [c.ClientHangUp("the caller hung up")]


async def test_faults_are_counted_and_told_no_more_often_than_the_record_can_bear(
    stream: Stream, caplog: pytest.LogCaptureFixture
) -> None:
    stream.come(*["x"] * 50, "media 1 160")
    assert [type(item) for item in await stream.given()] == [c.ClientFault] * 3 + [c.AudioIn]
    assert (stream.transport.faults, len(caplog.records)) == (50, 3)
    stream.clock.advance(2_000)
    stream.come("x")
    assert await stream.faults() == ["unknown_event"]


async def test_messages_above_the_rate_are_dropped_and_a_flood_is_the_end() -> None:
    stream = Stream(limits=TelephoneLimits(messages=10, burst=5, flood=20))
    stream.come("start", *["hello"] * 4, "key 1")
    assert await stream.faults() == ["too_fast"]
    stream.clock.advance(100)
    stream.come("key 2")
    assert await stream.given() == [c.KeyPress("2")]
    stream.come(*["hello"] * 21)
    assert (await stream.given())[-1] == c.ClientHangUp("the network sent too many messages")
    await stream.transport.close("")
    assert stream.socket.closed == [(1008, "the network sent too many messages")]


# ------------------------------------------------------------------------------------------------------- outgoing


def test_audio_goes_out_with_a_mark_every_100_ms_and_at_the_end(stream: Stream) -> None:
    stream.send(7, last=True)
    media = f"media {FRAME}"
    assert stream.socket.sent == [*[media] * 5, "mark r1:800:0", media, media, "mark r1:1120:0:end"]


def test_a_binary_vendor_gets_audio_as_binary_messages_and_marks_as_text() -> None:
    stream = Stream(PlainDialect(binary=True))
    stream.come("start")
    stream.send(1, last=True)
    assert stream.socket.sent == ["[media 160]", "mark r1:160:0:end"]


def test_an_empty_last_frame_is_a_mark_alone(stream: Stream) -> None:
    stream.transport.send(c.AudioOut(1, 0, 0, np.zeros(0, np.uint8), last=True))
    assert stream.socket.sent == ["mark r1:0:0:end"]


async def test_the_last_mark_is_the_end_of_the_reply(stream: Stream) -> None:
    stream.send(3, last=True)
    stream.come("mark r1:480:0:end")
    assert await stream.given() == [c.Finished(1, 480)]


async def test_a_mark_that_was_never_sent_is_a_fault(stream: Stream) -> None:
    stream.come("mark surprise")
    assert await stream.faults() == ["unknown_mark"]


@pytest.mark.parametrize("acknowledges", [False, True])
async def test_a_hold_is_a_clear_and_the_answer_says_where(*, acknowledges: bool) -> None:
    stream = Stream(PlainDialect(acknowledges=acknowledges))
    stream.come("start")
    stream.send(6)
    sent = len(stream.socket.sent)
    assert stream.transport.hold(1) is None
    assert stream.socket.sent[sent:] == (["clear"] if acknowledges else ["clear", "mark c1"])
    stream.clock.advance(30)
    stream.come("cleared" if acknowledges else "mark c1")
    (held,) = await stream.given()
    assert isinstance(held, c.Held)
    assert (held.reply, 0 <= held.samples <= 6 * FRAME) == (1, True)
    assert stream.transport.rtt_ms == 30
    assert stream.transport.flush(1) == 0, "a cut after the hold needs no other clear"
    assert stream.socket.sent[sent:].count("clear") == 1
    assert await stream.given() == [c.Flushed(1, held.samples, held.bound_ms)]


def test_a_reply_of_which_nothing_left_is_not_cleared(stream: Stream) -> None:
    assert stream.transport.hold(1) is None
    assert stream.transport.flush(1) == 0
    assert stream.socket.sent == []


def test_a_notice_is_nothing_to_a_telephone(stream: Stream) -> None:
    stream.transport.notify(Bye("over"))
    assert stream.socket.sent == []


async def test_a_network_that_does_not_read_gets_no_audio_and_is_left_in_the_end(stream: Stream) -> None:
    frame = c.AudioOut(1, 0, 0, np.zeros(FRAME, np.uint8), last=False)
    limits = stream.transport.limits
    stream.socket.unsent = limits.unsent + 1
    assert not stream.transport.send(frame)
    stream.clock.advance(limits.stuck_ms)
    stream.socket.unsent = 0
    assert stream.transport.send(frame), "reading again counts from the beginning"
    stream.socket.unsent = limits.unsent + 1
    assert not stream.transport.send(frame)
    stream.clock.advance(limits.stuck_ms)
    assert not stream.transport.send(frame)
    assert await stream.given() == []
    stream.clock.advance(1)
    assert not stream.transport.send(frame)
    assert await stream.given() == [c.ClientHangUp("the network does not read")]
    await stream.transport.close("")
    assert stream.socket.closed == [(1011, "the network does not read")]


# ---------------------------------------------------------------------------------------------------------- ending


async def test_nothing_is_sent_once_the_connection_is_lost(stream: Stream) -> None:
    stream.send(1)
    stream.transport.gone("the connection is gone")
    sent = list(stream.socket.sent)
    stream.send(3, first=1)
    stream.transport.hold(1)
    stream.transport.flush(1)
    assert stream.socket.sent == sent


async def test_a_stream_closes_once_with_its_first_reason_and_reports_what_was_lost(
    stream: Stream, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    stream.come(*[f"media {k} 160" for k in (1, 9, 10, 11, 12)])
    await stream.transport.close("e" * 200)
    await stream.transport.close("again")
    assert stream.socket.closed == [(1000, "e" * 120)]
    assert [record.getMessage() for record in caplog.records] == ["plain stream: 7 frames lost, 0 late, 0 faults"]
