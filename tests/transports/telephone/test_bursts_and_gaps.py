"""Every network: a backlog does not deafen a stream, and a gap in the vendor's times is silence."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from bargein import protocols as c
from bargein.audio.mulaw import to_mulaw
from bargein.clock import ManualClock
from bargein.transports.telephone.asterisk import AsteriskDialect
from bargein.transports.telephone.dialect import TelephoneDialect
from bargein.transports.telephone.plivo import PlivoDialect
from bargein.transports.telephone.telnyx import TelnyxDialect
from bargein.transports.telephone.transport import TelephoneTransport
from bargein.transports.telephone.twilio import TwilioDialect
from bargein.transports.telephone.vonage import VonageDialect
from tests.transports.telephone.test_telnyx import START as TELNYX_START

SOUND = base64.b64encode(to_mulaw(np.full(160, 900, np.int16))).decode()
UNIX_MS = 1_795_000_000_000


@dataclass
class Network:
    dialect: Callable[[], TelephoneDialect]
    start: str
    message: Callable[[int, int], str | bytes]
    """A frame of 20 ms: its number, and its time in ms since the start."""
    timed: bool = True


def _json(stream: str, at_ms: Callable[[int], object]) -> Callable[[int, int], str]:
    def message(number: int, ms: int) -> str:
        said = {
            "track": "inbound",
            "chunk": number,
            "timestamp": at_ms(ms),
            "payload": SOUND,
        }
        return json.dumps({"event": "media", stream: "S1", "media": said})

    return message


NETWORKS = {
    "twilio": Network(
        TwilioDialect,
        '{"event":"start","streamSid":"S1","start":{"streamSid":"S1","callSid":"CA1"}}',
        _json("streamSid", str),
    ),
    "telnyx": Network(TelnyxDialect, TELNYX_START, _json("stream_id", str)),
    "plivo": Network(
        PlivoDialect,
        '{"event":"start","start":{"callId":"C1","streamId":"S1","mediaFormat":{"encoding":"audio/x-mulaw",'
        '"sampleRate":8000}}}',
        _json("streamId", lambda ms: UNIX_MS + ms),
    ),
    "asterisk": Network(
        AsteriskDialect,
        '{"event":"MEDIA_START","channel_id":"17.3","format":"slin16","optimal_frame_size":640}',
        lambda number, ms: np.full(320, 900, "<i2").tobytes(),
        timed=False,
    ),
    "vonage": Network(
        VonageDialect,
        '{"event":"websocket:connected","content-type":"audio/l16;rate=16000","uuid":"V1"}',
        lambda number, ms: np.full(320, 900, "<i2").tobytes(),
        timed=False,
    ),
}


class Socket:
    unsent = 0

    def text(self, data: bytes) -> None: ...

    def binary(self, data: bytes) -> None: ...

    def close(self, code: int, reason: str) -> None: ...


class Line:
    def __init__(self, network: Network) -> None:
        self.clock = ManualClock(1000)
        self.transport = TelephoneTransport(Socket(), network.dialect(), self.clock)
        self.transport.incoming(network.start)
        self.network = network
        self.number = 0
        self.ms = 0

    def send(self, frames: int, *, each_ms: int = 0) -> None:
        for _ in range(frames):
            self.clock.advance(each_ms)
            self.number += 1
            self.ms += 20
            self.transport.incoming(self.network.message(self.number, self.ms))

    async def given(self) -> list[c.Inbound]:
        items: list[c.Inbound] = []
        receiving = self.transport.receive()
        try:
            async with asyncio.timeout(0):
                async for item in receiving:
                    items.append(item)
        except TimeoutError:
            pass
        return items

    async def positions_ms(self) -> list[float]:
        rate = self.transport.rate_in
        return [i.first_sample * 1000 / rate for i in await self.given() if isinstance(i, c.AudioIn)]


@pytest.fixture(params=list(NETWORKS))
def line(request: pytest.FixtureRequest) -> Line:
    return Line(NETWORKS[request.param])


@pytest.mark.parametrize("backlog_ms", [5_000, 12_000])
async def test_a_backlog_at_the_start_does_not_deafen_the_stream(line: Line, backlog_ms: int) -> None:
    line.send(backlog_ms // 20)
    await line.given()
    line.send(500, each_ms=20)
    assert await line.positions_ms() == [backlog_ms + 20 * k for k in range(500)]


async def test_a_backlog_after_a_stall_does_not_deafen_the_stream(line: Line) -> None:
    line.send(100, each_ms=20)
    line.clock.advance(6_000)
    line.send(300)
    line.send(100, each_ms=20)
    assert await line.positions_ms() == [20 * k for k in range(500)]


async def test_a_gap_in_the_times_is_silence_and_where_none_are_given_the_audio_follows(line: Line) -> None:
    line.send(50, each_ms=20)
    line.clock.advance(1_300)
    line.ms += 1_300
    line.send(50, each_ms=20)
    gap_ms = 1_300 if line.network.timed else 0
    assert await line.positions_ms() == [20 * k + gap_ms * (k >= 50) for k in range(100)]


async def test_a_gap_for_which_no_time_has_passed_is_no_silence(line: Line) -> None:
    line.send(50, each_ms=20)
    line.ms += 3_600_000
    line.send(50, each_ms=20)
    assert await line.positions_ms() == [20 * k for k in range(100)]


async def test_silence_after_a_backlog_is_still_silence(line: Line) -> None:
    line.send(250)
    line.send(50, each_ms=20)
    line.clock.advance(700)
    line.ms += 700
    line.send(1, each_ms=20)
    assert (await line.positions_ms())[-1] == 6_000 + (700 if line.network.timed else 0)
