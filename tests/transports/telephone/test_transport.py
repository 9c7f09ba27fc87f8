"""The telephone transport over Twilio's dialect, a socket in memory and a clock that is moved by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import numpy as np
import pytest

from bargein import protocols as c
from bargein.clock import ManualClock
from bargein.transports.telephone.transport import Started, TelephoneLimits, TelephoneTransport
from bargein.transports.telephone.twilio import TwilioDialect
from bargein.transports.telephone.vonage import VonageDialect
from tests.transports.telephone.test_twilio import CONNECTED, START, mark, media


class FakeWire:
    """What went out, in order."""

    def __init__(self) -> None:
        self.sent: list[dict[str, object]] = []
        self.unsent = 0
        self.closed: tuple[int, str] | None = None

    def text(self, data: bytes) -> None:
        self.sent.append(json.loads(data))

    def binary(self, data: bytes) -> None:
        raise AssertionError("Twilio takes no binary messages")

    def close(self, code: int, reason: str) -> None:
        assert self.closed is None
        self.closed = (code, reason)

    def marks(self) -> list[str]:
        return [str(m["mark"]["name"]) for m in self.sent if m["event"] == "mark"]  # type: ignore[index]


@pytest.fixture
def line() -> tuple[TelephoneTransport, FakeWire, ManualClock]:
    wire, clock = FakeWire(), ManualClock(1000)
    telephone = TelephoneTransport(wire, TwilioDialect(), clock)
    telephone.incoming(CONNECTED)
    telephone.incoming(START)
    return telephone, wire, clock


async def items(telephone: TelephoneTransport) -> list[c.Inbound]:
    """All that has come so far."""
    got: list[c.Inbound] = []

    async def read() -> None:
        async for item in telephone.receive():
            got.append(item)

    task = asyncio.create_task(read())
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    return got


def out(k: int, *, last: bool = False, word: bool = False, reply: int = 1) -> c.AudioOut:
    return c.AudioOut(reply, k, k * 160, np.full(160, k, np.uint8), last, word)


async def test_audio_comes_in_with_its_place_and_in_order(
    line: tuple[TelephoneTransport, FakeWire, ManualClock],
) -> None:
    telephone, _, _ = line
    for chunk in (1, 3, 2, 4):
        telephone.incoming(media(chunk))
    got = [i for i in await items(telephone) if isinstance(i, c.AudioIn)]
    assert [i.first_sample for i in got] == [0, 160, 320, 480]


async def test_media_before_start_is_a_fault_and_changes_nothing_else() -> None:
    telephone = TelephoneTransport(FakeWire(), TwilioDialect(), ManualClock())
    telephone.incoming(CONNECTED)
    telephone.incoming(media(1))
    telephone.incoming(START)
    assert await telephone.handshake() == Started("MZ1", "CA1", "AC1", {"agent": "front"})
    assert [i.code for i in await items(telephone) if isinstance(i, c.ClientFault)] == ["before_start"]


async def test_a_stream_without_a_start_is_closed() -> None:
    wire = FakeWire()
    telephone = TelephoneTransport(wire, TwilioDialect(), ManualClock(), TelephoneLimits(start_ms=0))
    assert await telephone.handshake() is None
    await telephone.close("")
    assert wire.closed == (1002, "no start within 0 s")


async def test_a_second_start_is_a_fault_and_the_first_holds(
    line: tuple[TelephoneTransport, FakeWire, ManualClock],
) -> None:
    telephone, _, _ = line
    telephone.incoming(START.replace("CA1", "CA2"))
    assert telephone.started is not None
    assert telephone.started.call == "CA1"
    assert [i.code for i in await items(telephone) if isinstance(i, c.ClientFault)] == ["start_again"]


async def test_unreadable_messages_are_reported_within_a_rate(
    line: tuple[TelephoneTransport, FakeWire, ManualClock],
) -> None:
    telephone, _, _ = line
    for _ in range(50):
        telephone.incoming("no JSON")
    telephone.incoming(media(1))
    got = await items(telephone)
    assert [type(i) for i in got] == [c.ClientFault] * 3 + [c.AudioIn]
    assert telephone.faults == 50


async def test_a_flood_ends_the_stream_and_too_much_only_costs_what_is_too_much(
    line: tuple[TelephoneTransport, FakeWire, ManualClock],
) -> None:
    telephone, _, _ = line
    limits = telephone.limits
    for _ in range(int(limits.burst) + 10):
        telephone.incoming(CONNECTED)
    assert [i.code for i in await items(telephone) if isinstance(i, c.ClientFault)] == ["too_fast"] * 3
    for _ in range(int(limits.flood)):
        telephone.incoming(CONNECTED)
    assert (await items(telephone))[-1] == c.ClientHangUp("the network sent too many messages")


async def test_audio_faster_than_it_can_be_spoken_is_refused(
    line: tuple[TelephoneTransport, FakeWire, ManualClock],
) -> None:
    telephone, _, clock = line
    second = np.zeros(8000, np.int16)
    for chunk in range(1, 8):
        telephone.incoming(media(chunk, second))
    got = await items(telephone)
    assert sum(isinstance(i, c.AudioIn) for i in got) == 4
    assert "audio_ahead" in [i.code for i in got if isinstance(i, c.ClientFault)]
    clock.advance(60_000)
    telephone.incoming(media(8, second))
    assert sum(isinstance(i, c.AudioIn) for i in await items(telephone)) == 1


async def test_a_hold_clears_and_says_where_a_cut_after_it_needs_nothing_more(
    line: tuple[TelephoneTransport, FakeWire, ManualClock],
) -> None:
    telephone, wire, clock = line
    for k in range(11):
        assert telephone.send(out(k))
        clock.advance(20)
    telephone.incoming(mark("r1:800:0"))
    assert telephone.hold(1) is None
    assert [m["event"] for m in wire.sent[-2:]] == ["clear", "mark"]
    telephone.incoming(mark("r1:1600:0"))
    telephone.incoming(mark("c1"))
    held = [i for i in await items(telephone) if isinstance(i, c.Held)]
    assert len(held) == 1
    before = len(wire.sent)
    assert telephone.flush(1) == 0
    assert len(wire.sent) == before
    assert [i for i in await items(telephone) if isinstance(i, c.Flushed)] == [c.Flushed(1, held[0].samples, 10.0)]


async def test_the_last_mark_says_finished(line: tuple[TelephoneTransport, FakeWire, ManualClock]) -> None:
    telephone, wire, _ = line
    for k in range(3):
        telephone.send(out(k, last=k == 2))
    (name,) = wire.marks()
    telephone.incoming(mark(name))
    assert await items(telephone) == [c.Finished(1, 480)]


async def test_marks_that_we_never_sent_are_a_fault(line: tuple[TelephoneTransport, FakeWire, ManualClock]) -> None:
    telephone, _, _ = line
    telephone.incoming(mark("surprise"))
    assert [i.code for i in await items(telephone) if isinstance(i, c.ClientFault)] == ["unknown_mark"]


async def test_a_network_that_does_not_read_delays_frames_and_is_left_in_the_end(
    line: tuple[TelephoneTransport, FakeWire, ManualClock],
) -> None:
    telephone, wire, clock = line
    wire.unsent = telephone.limits.unsent + 1
    assert not telephone.send(out(0))
    assert wire.sent == []
    wire.unsent = 0
    assert telephone.send(out(0))
    wire.unsent = telephone.limits.unsent + 1
    telephone.send(out(1))
    clock.advance(telephone.limits.stuck_ms + 1)
    assert not telephone.send(out(1))
    assert (await items(telephone))[-1] == c.ClientHangUp("the network does not read")


async def test_a_key_and_a_hang_up_reach_the_call(line: tuple[TelephoneTransport, FakeWire, ManualClock]) -> None:
    telephone, wire, _ = line
    telephone.incoming('{"event":"dtmf","streamSid":"MZ1","dtmf":{"track":"inbound_track","digit":"5"}}')
    telephone.incoming('{"event":"stop","streamSid":"MZ1","stop":{}}')
    telephone.incoming(media(1))
    assert await items(telephone) == [c.Key("5"), c.ClientHangUp("the caller hung up")]
    await telephone.close("ended")
    await telephone.close("ended again")
    assert wire.closed == (1000, "the caller hung up")


async def test_events_before_the_call_wait_for_it(
    line: tuple[TelephoneTransport, FakeWire, ManualClock],
) -> None:
    telephone, _, _ = line
    telephone.incoming(media(1))
    assert await telephone.handshake() is not None
    stream: AsyncIterator[c.Inbound] = telephone.receive()
    assert isinstance(await anext(stream), c.AudioIn)


async def test_names_rates_and_capabilities_are_the_dialects() -> None:
    twilio = TelephoneTransport(FakeWire(), TwilioDialect(), ManualClock())
    vonage = TelephoneTransport(FakeWire(), VonageDialect(), ManualClock())
    assert [(t.name, t.binary, t.rate_in, t.rate_out) for t in (twilio, vonage)] == [
        ("twilio", False, 8000, 8000),
        ("vonage", True, 16_000, 16_000),
    ]
    assert [t.capabilities.mulaw for t in (twilio, vonage)] == [True, False]
    assert twilio.rtt_ms is None


async def test_a_lost_connection_and_a_refusal_end_the_call_with_their_reason() -> None:
    for end, closed in (("gone", (1000, "lost")), ("refuse", (1008, "lost"))):
        wire = FakeWire()
        telephone = TelephoneTransport(wire, TwilioDialect(), ManualClock())
        telephone.incoming(START)
        getattr(telephone, end)("lost")
        telephone.incoming(media(1))
        assert await items(telephone) == [c.ClientHangUp("lost")]
        assert telephone.send(out(0)), "discarded"
        telephone.hold(1)
        assert wire.sent == []
        await telephone.close("")
        assert wire.closed == closed


async def test_messages_without_end_before_the_start_close_the_stream() -> None:
    telephone = TelephoneTransport(FakeWire(), TwilioDialect(), ManualClock(), TelephoneLimits(before_start=2))
    for chunk in (1, 2, 3):
        telephone.incoming(media(chunk))
    assert (await items(telephone))[-1] == c.ClientHangUp("the stream did not start")


async def test_numbers_that_give_no_order_are_reported_once(
    line: tuple[TelephoneTransport, FakeWire, ManualClock],
) -> None:
    telephone, _, _ = line
    for _ in range(12):
        telephone.incoming(media(1))
    got = await items(telephone)
    assert [i.code for i in got if isinstance(i, c.ClientFault)] == ["bad_numbers"]
    assert isinstance(got[-1], c.AudioIn)
