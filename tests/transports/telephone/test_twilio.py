"""Twilio's messages, as its documentation gives them, and the transport that speaks them."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator

import numpy as np
import pytest

from bargein import protocols as c
from bargein.audio.mulaw import from_mulaw, to_mulaw
from bargein.clock import ManualClock
from bargein.errors import ProtocolError
from bargein.transports.telephone.transport import (
    MarkBack,
    Media,
    Pressed,
    Started,
    Stopped,
    TelephoneLimits,
    TelephoneTransport,
)
from bargein.transports.telephone.twilio import TwilioDialect

CONNECTED = '{"event":"connected","protocol":"Call","version":"1.0.0"}'
START = (
    '{"event":"start","sequenceNumber":"1","streamSid":"MZ1","start":{"accountSid":"AC1","callSid":"CA1",'
    '"streamSid":"MZ1","tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},'
    '"customParameters":{"agent":"front"}}}'
)
SOUND = np.arange(-80, 80, dtype=np.int16) * 100


def media(chunk: int, samples: np.ndarray[tuple[int], np.dtype[np.int16]] = SOUND, track: str = "inbound") -> str:
    payload = base64.b64encode(to_mulaw(samples)).decode()
    said = {"track": track, "chunk": str(chunk), "timestamp": str(chunk * 20), "payload": payload}
    return json.dumps({"event": "media", "sequenceNumber": str(chunk + 1), "streamSid": "MZ1", "media": said})


def mark(name: str) -> str:
    return json.dumps({"event": "mark", "sequenceNumber": "9", "streamSid": "MZ1", "mark": {"name": name}})


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


# ---------------------------------------------------------------------------------------------------- the dialect


def test_every_message_of_the_documentation_is_understood() -> None:
    dialect = TwilioDialect()
    assert dialect.read(CONNECTED) is None
    assert dialect.read(START) == Started("MZ1", "CA1", "AC1", {"agent": "front"})
    heard = dialect.read(media(1))
    assert isinstance(heard, Media)
    assert heard.number == 1
    assert np.array_equal(heard.samples, from_mulaw(to_mulaw(SOUND)))
    assert dialect.read(mark("r3:1200")) == MarkBack("r3:1200")
    dtmf = '{"event":"dtmf","sequenceNumber":"10","streamSid":"MZ1","dtmf":{"track":"inbound_track","digit":"#"}}'
    assert dialect.read(dtmf) == Pressed("#")
    stop = '{"event":"stop","sequenceNumber":"99","streamSid":"MZ1","stop":{"accountSid":"AC1","callSid":"CA1"}}'
    assert dialect.read(stop) == Stopped("the caller hung up")


def test_what_goes_out_is_what_the_documentation_gives_and_nothing_else() -> None:
    dialect = TwilioDialect()
    dialect.read(START)
    codes = np.frombuffer(to_mulaw(SOUND), np.uint8)
    payload = base64.b64encode(codes.tobytes()).decode()
    assert json.loads(dialect.media(codes)) == {"event": "media", "streamSid": "MZ1", "media": {"payload": payload}}
    assert json.loads(dialect.mark("r3:1200")) == {"event": "mark", "streamSid": "MZ1", "mark": {"name": "r3:1200"}}
    assert json.loads(dialect.clear()) == {"event": "clear", "streamSid": "MZ1"}


def test_a_stream_id_that_needs_quoting_is_quoted() -> None:
    dialect = TwilioDialect()
    dialect.read(START.replace("MZ1", 'M\\"Z'))
    assert json.loads(dialect.clear()) == {"event": "clear", "streamSid": 'M"Z'}


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", "bad_message"),
        ("[]", "bad_message"),
        ('{"event":"x","a":' + "[" * 60_000, "bad_message"),
        (b"\xff\xfe", "bad_message"),
        ('{"event":7}', "bad_message"),
        ('{"event":"media","streamSid":"MZ1","media":{"payload":"%%%"}}', "bad_message"),
        ('{"event":"media","streamSid":"MZ1","media":{"payload":"abc"}}', "bad_message"),
        ('{"event":"media","streamSid":"MZ1","media":{"payload":""}}', "bad_media"),
        ('{"event":"media","streamSid":"MZ2","media":{"payload":"/w=="}}', "other_stream"),
        ('{"event":"media","streamSid":"MZ1"}', "unknown_event"),
        ('{"event":"clear","streamSid":"MZ1"}', "unknown_event"),
        ('{"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":"99"}}', "bad_key"),
        (START.replace("audio/x-mulaw", "audio/l16"), "bad_format"),
        (START.replace("8000", "16000"), "bad_format"),
        ('{"event":"start","start":{}}', "bad_start"),
    ],
)
def test_what_twilio_would_never_say_is_refused_by_name(message: str | bytes, code: str) -> None:
    dialect = TwilioDialect()
    dialect.read(START)
    with pytest.raises(ProtocolError) as refused:
        dialect.read(message)
    assert refused.value.code == code
    assert refused.value.advice


def test_our_own_sound_on_the_other_track_is_not_heard_as_the_callers() -> None:
    dialect = TwilioDialect()
    dialect.read(START)
    assert dialect.read(media(1, track="outbound")) is None


# -------------------------------------------------------------------------------------------------- the transport


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


async def test_one_who_never_says_start_is_not_waited_for() -> None:
    wire = FakeWire()
    telephone = TelephoneTransport(wire, TwilioDialect(), ManualClock(), TelephoneLimits(start_ms=20))
    assert await telephone.handshake() is None
    await telephone.close("")
    assert wire.closed == (1002, "no start within 0.02 s")


async def test_a_start_that_is_said_again_is_a_fault_and_the_first_holds(
    line: tuple[TelephoneTransport, FakeWire, ManualClock],
) -> None:
    telephone, _, _ = line
    telephone.incoming(START.replace("CA1", "CA2"))
    assert telephone.started is not None
    assert telephone.started.call == "CA1"
    assert [i.code for i in await items(telephone) if isinstance(i, c.ClientFault)] == ["start_again"]


async def test_nonsense_is_told_but_not_every_time(line: tuple[TelephoneTransport, FakeWire, ManualClock]) -> None:
    telephone, _, _ = line
    for _ in range(50):
        telephone.incoming("nonsense")
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


async def test_a_far_end_that_does_not_read_makes_the_voice_wait_and_is_left_in_the_end(
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
    assert await items(telephone) == [c.KeyPress("5"), c.ClientHangUp("the caller hung up")]
    await telephone.close("ended")
    await telephone.close("ended again")
    assert wire.closed == (1000, "the caller hung up")


async def test_what_came_before_anybody_listened_is_not_lost(
    line: tuple[TelephoneTransport, FakeWire, ManualClock],
) -> None:
    telephone, _, _ = line
    telephone.incoming(media(1))
    assert await telephone.handshake() is not None
    stream: AsyncIterator[c.Inbound] = telephone.receive()
    assert isinstance(await anext(stream), c.AudioIn)
