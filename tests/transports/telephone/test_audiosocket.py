"""AudioSocket in simulated time: what leaves, when, and what is told of it; and bytes that are no AudioSocket."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from uuid import UUID

import numpy as np
import pytest

from bargein import protocols as c
from bargein.clock import ManualClock
from bargein.errors import ProtocolError
from bargein.transports.telephone.audiosocket import QUEUED, AudioSocketTransport
from bargein.transports.telephone.audiosocket_wire import AudioSocketReader, SocketAudio, SocketEnd, SocketId, SocketKey

ID = UUID("40325ec2-5efd-4bd3-805f-53576e581d13")
FRAME = 160


def message(kind: int, payload: bytes) -> bytes:
    return struct.pack(">BH", kind, len(payload)) + payload


HELLO = message(0x01, ID.bytes)
SOUND = message(0x10, np.full(FRAME, 300, "<i2").tobytes())


class Line:
    """Asterisk's end, and the transport at ours."""

    def __init__(self) -> None:
        self.clock = ManualClock(1000)
        self.unsent = 0
        self.sent: list[tuple[int, bytes]] = []
        self.closed = False
        self.ticks: list[Callable[[float], None]] = []
        self.telephone = AudioSocketTransport(self, self.clock, self)

    def add(self, tick: Callable[[float], None], on_crash: Callable[[BaseException], None]) -> None:
        self.ticks.append(tick)

    def remove(self, tick: Callable[[float], None]) -> None:
        self.ticks = [each for each in self.ticks if each != tick]

    def write(self, data: bytes) -> None:
        kind, size = struct.unpack_from(">BH", data)
        assert len(data) == 3 + size
        assert size or kind == 0, "a message of no length ends the call at Asterisk"
        self.sent.append((kind, data[3:]))

    def close(self) -> None:
        self.closed = True

    async def begin(self) -> None:
        self.telephone.push(HELLO + SOUND)
        started = await self.telephone.handshake()
        assert started is not None
        assert str(ID) not in (started.stream, started.call)

    def live(self, frames: int) -> None:
        for _ in range(frames):
            self.clock.advance(20)
            for tick in self.ticks:
                tick(self.clock.now_ms())

    def played(self) -> list[int]:
        """Samples of the reply that left."""
        heard = np.concatenate([np.frombuffer(data, "<i2") for _, data in self.sent])
        return [int(sample) for sample in heard[heard != 0]]

    def reports(self, kind: type) -> list[c.Inbound]:
        return [each for each in self.telephone._incoming if isinstance(each, kind)]


def frames(count: int, *, first: int = 0, reply: int = 1, last: bool = True) -> list[c.AudioOut]:
    audio = (np.arange(count * FRAME) + 1 + first * FRAME).astype(np.int16)
    return [
        c.AudioOut(reply, first + i, (first + i) * FRAME, audio[i * FRAME : (i + 1) * FRAME], last and i == count - 1)
        for i in range(count)
    ]


async def test_a_frame_leaves_when_it_is_due_and_silence_where_there_is_none() -> None:
    line = Line()
    await line.begin()
    line.live(3)
    for frame in frames(5):
        assert line.telephone.send(frame)
    line.live(8)
    assert len(line.sent) == 11
    assert line.played() == list(range(1, 5 * FRAME + 1))
    assert line.reports(c.Finished) == [c.Finished(1, 5 * FRAME)]


async def test_a_hold_takes_back_what_has_not_left_and_the_reply_goes_on_at_the_very_sample() -> None:
    line = Line()
    await line.begin()
    for frame in frames(10):
        line.telephone.send(frame)
    line.live(4)
    first = line.telephone.hold(1)
    assert first is not None
    assert first.first_sample == 4 * FRAME
    assert line.reports(c.Held) == [c.Held(1, 4 * FRAME, 20.0)]
    line.live(20)
    for frame in frames(6, first=4):
        line.telephone.send(frame)
    line.live(10)
    assert line.played() == list(range(1, 10 * FRAME + 1))


async def test_a_cut_lets_nothing_of_the_reply_leave_and_the_next_one_follows() -> None:
    line = Line()
    await line.begin()
    for frame in frames(10):
        line.telephone.send(frame)
    line.live(3)
    assert line.telephone.flush(1) == 7
    assert line.reports(c.Flushed) == [c.Flushed(1, 3 * FRAME, 20.0)]
    for frame in frames(2, reply=2):
        line.telephone.send(frame)
    line.live(5)
    assert line.played() == [*range(1, 3 * FRAME + 1), *range(1, 2 * FRAME + 1)]
    assert line.reports(c.Finished) == [c.Finished(2, 2 * FRAME)]


async def test_a_reply_that_ends_without_audio_sends_no_message_of_no_length() -> None:
    line = Line()
    await line.begin()
    for frame in frames(2, last=False):
        line.telephone.send(frame)
    line.telephone.send(c.AudioOut(1, 2, 2 * FRAME, np.zeros(0, np.int16), last=True))
    line.live(5)
    assert line.reports(c.Finished) == [c.Finished(1, 2 * FRAME)]


async def test_the_queue_is_bounded_and_an_asterisk_that_does_not_read_loses_its_call() -> None:
    line = Line()
    await line.begin()
    every = frames(QUEUED + 1)
    assert all(line.telephone.send(frame) for frame in every[:QUEUED])
    assert not line.telephone.send(every[-1])
    line.unsent = 1 << 20
    line.live(600)
    assert line.sent == []
    items = [item async for item in line.telephone.receive()]
    assert isinstance(items[-1], c.ClientHangUp)
    await line.telephone.close("over")
    assert (line.ticks, line.closed) == ([], True)


async def test_keys_and_the_end_come_through_and_audio_has_its_place() -> None:
    line = Line()
    await line.begin()
    line.telephone.push(SOUND + message(0x03, b"5") + SOUND + message(0x00, b"") + SOUND)
    items = [item async for item in line.telephone.receive()]
    assert [item.first_sample for item in items if isinstance(item, c.AudioIn)] == [0, FRAME, 2 * FRAME]
    assert c.KeyPress("5") in items
    assert isinstance(items[-1], c.ClientHangUp)
    await line.telephone.close("over")


@pytest.mark.parametrize(
    "data",
    [
        SOUND,
        message(0x01, b"short") + SOUND,
        message(0x00, b""),
        message(0xFF, b"\x01"),
        HELLO + message(0x11, b"\x00" * 480),
        HELLO + message(0x18, b"\x00" * 480),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 4000,
    ],
    ids=["no id", "a short id", "a hang-up", "an error", "12 kHz", "192 kHz", "HTTP"],
)
async def test_what_is_no_call_begins_none(data: bytes) -> None:
    line = Line()
    line.telephone.limits = line.telephone.limits.__class__(start_ms=1)
    line.telephone.push(data)
    assert await line.telephone.handshake() is None
    await line.telephone.close("no call")
    assert (line.ticks, line.closed, line.sent) == ([], True, [])


async def test_bytes_in_any_pieces_say_the_same() -> None:
    data = HELLO + SOUND + message(0x03, b"#") + message(0x12, b"\x01\x00" * 320) + message(0x00, b"")
    for seed in range(20):
        cuts, reader, found = random.Random(seed), AudioSocketReader(), []
        at = 0
        while at < len(data):
            size = cuts.randint(1, 400)
            reader.push(data[at : at + size])
            at += size
            while (each := reader.next()) is not None:
                found.append(each)
        assert [type(each) for each in found] == [SocketId, SocketAudio, SocketKey, SocketAudio, SocketEnd]
        assert found[0] == SocketId(ID)


async def test_a_call_goes_on_after_every_fault_of_the_far_end() -> None:
    line = Line()
    await line.begin()
    for bad in (message(0x10, b""), message(0x10, b"x"), message(0x03, b"5555"), message(0x42, b"y"), HELLO):
        line.telephone.push(bad)
    line.telephone.push(message(0x12, b"\x00" * 640))
    assert line.telephone.faults == 6
    assert line.reports(c.ClientFault)
    for frame in frames(2):
        line.telephone.send(frame)
    line.live(4)
    assert line.played() == list(range(1, 2 * FRAME + 1))
    reader = AudioSocketReader()
    reader.push(message(0x99, b""))
    with pytest.raises(ProtocolError):
        reader.next()
