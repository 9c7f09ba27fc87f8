"""Silence for starved far ends: only in pauses, never counted, never marked."""

from __future__ import annotations

import asyncio
import base64

import numpy as np
import pytest

from bargein import protocols as c
from bargein.audio.ambience import Ambience
from bargein.call.ticker import Ticker
from bargein.clock import ManualClock
from bargein.server import serve
from bargein.server.telephone.keepalive import KeepaliveWire
from bargein.transports.telephone.transport import TelephoneTransport
from bargein.transports.telephone.vonage import VonageDialect
from tests.server.kit import settings, tone_agent, world
from tests.server.telephone.test_twilio import stream


class Wire:
    def __init__(self) -> None:
        self.unsent = 0
        self.sent: list[str | bytes] = []
        self.closed = False

    def text(self, data: bytes) -> None:
        self.sent.append(data.decode())

    def binary(self, data: bytes) -> None:
        self.sent.append(data)

    def close(self, code: int, reason: str) -> None:
        self.closed = True


class Line:
    """A wire in moved time."""

    def __init__(self, every_ms: float | None = 500, lead_ms: float = 0.0) -> None:
        self.clock = ManualClock(1000)
        self.ticker = Ticker(self.clock)
        self.far = Wire()
        self.dialect = VonageDialect()
        self.wire = KeepaliveWire(self.far, self.dialect, self.ticker, every_ms, lead_ms)

    def starts(self) -> None:
        self.dialect.read('{"event":"websocket:connected","content-type":"audio/l16;rate=16000"}')

    def passes(self, ms: int) -> None:
        for _ in range(ms // 20):
            self.clock.advance(20)
            self.ticker.tick(self.clock.now_ms())


def test_a_pause_brings_a_frame_of_silence_for_each_interval() -> None:
    line = Line()
    line.passes(2000)
    assert line.far.sent == [], "before the stream has started there is nothing to keep alive"
    line.starts()
    line.passes(980)
    assert line.far.sent == [bytes(640)], "an agent that waits for the caller to speak first starves nothing"
    line.far.sent.clear()
    line.wire.binary(b"speech")
    line.passes(480)
    assert line.far.sent == [b"speech"]
    line.passes(1020)
    assert line.far.sent == [b"speech", *[bytes(640)] * 3]


def test_speech_control_and_a_far_end_that_does_not_read_get_no_silence() -> None:
    line = Line()
    line.starts()
    for _ in range(10):
        line.wire.binary(b"speech")
        line.passes(400)
        line.wire.text(b"clear")
        line.passes(400)
    assert bytes(640) not in line.far.sent
    line.far.unsent = 1
    line.passes(5000)
    assert bytes(640) not in line.far.sent


def test_a_stream_that_is_closed_gets_nothing_more() -> None:
    line = Line()
    line.starts()
    line.wire.binary(b"speech")
    line.wire.close(1000, "over")
    line.passes(5000)
    assert line.far.sent == [b"speech"]
    assert line.far.closed


@pytest.mark.parametrize("fast", [True, False])
async def test_a_telephone_gets_it_and_the_record_does_not(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "FAST", fast)
    async with world(settings(keepalive_ms=60), tone_agent(greeting="hello there")) as here, stream(here) as phone:
        await phone.start()
        name = ""
        while not name.endswith(":end"):
            mark = (await phone.until("mark"))["mark"]
            name = str(mark["name"])  # type: ignore[index]
            await phone.say("mark", mark=mark)
        async with asyncio.timeout(5):
            for _ in range(3):
                media = (await phone.until("media"))["media"]
                assert base64.b64decode(media["payload"]) == b"\xff" * 160  # type: ignore[index]
        (call_id,) = here.hub.calls.ids
        (said,) = here.hub.calls.call(call_id).conversation.items
        assert isinstance(said, c.AgentSaid)
        assert (said.text, said.ended) == ("hello there", "completed")
        assert len([m for m in phone.got if m["event"] == "mark"]) == 2


# ------------------------------------------------------------------------------------------------- a background


def background() -> Ambience:
    return Ambience(np.arange(1, 32_001, dtype=np.int16))


def test_a_background_fills_each_pause_in_real_time_once_what_was_sent_has_sounded() -> None:
    line = Line(None, lead_ms=100)
    line.wire.play_background(background())
    line.starts()
    line.passes(1000)
    assert 48 <= len(line.far.sent) <= 51
    assert all(isinstance(frame, bytes) and len(frame) == 640 for frame in line.far.sent)
    assert len(set(line.far.sent)) == len(line.far.sent), "it goes on"
    line.far.sent.clear()
    line.wire.binary(b"speech")
    line.passes(100)
    assert line.far.sent == [b"speech"], "the lead sounds first"
    line.passes(200)
    assert len(line.far.sent) > 8


def test_a_background_stands_behind_no_speech_and_no_flood_follows_a_stall() -> None:
    line = Line()
    line.wire.play_background(background())
    line.starts()
    line.passes(100)
    line.far.sent.clear()
    line.far.unsent = 1
    line.passes(3000)
    assert line.far.sent == []
    line.far.unsent = 0
    line.passes(20)
    assert len(line.far.sent) <= 6


def test_replies_of_a_telephone_have_it_under_them_and_positions_do_not_count_it() -> None:
    line = Line()
    telephone = TelephoneTransport(line.wire, line.dialect, line.clock)
    line.starts()
    assert telephone.play_background(background())
    assert telephone.send(c.AudioOut(1, 0, 0, np.zeros(320, np.int16), last=False))
    sent = next(frame for frame in line.far.sent if isinstance(frame, bytes) and any(frame))
    assert np.frombuffer(sent, "<i2").tolist() == list(range(1, 321))


def test_a_network_that_counts_each_frame_takes_replies_alone() -> None:
    line = Line()
    telephone = TelephoneTransport(line.far, line.dialect, line.clock)
    assert not telephone.play_background(background())
