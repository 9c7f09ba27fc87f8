"""The far side of an RTP stream in simulated time: a port that keeps what is sent, and rounds that a test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import numpy as np

from bargein import protocols as c
from bargein.audio.mulaw import from_mulaw, mulaw_codes
from bargein.audio.pcm import Samples
from bargein.clock import ManualClock
from bargein.transports.rtp.agreed import AgreedAudio
from bargein.transports.rtp.limits import RtpLimits
from bargein.transports.rtp.packets import RtpPacket, read_packet, write_packet
from bargein.transports.rtp.ports import Address
from bargein.transports.rtp.transport import RtpTransport

FAR: Address = ("192.0.2.7", 4000)
FRAME = 160
LOOP = asyncio.new_event_loop()
"""Of all far sides: an event belongs to the loop that first waits for it."""


class FakePort:
    """An RtpPort by shape."""

    host, port = "192.0.2.1", 5000

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, Address]] = []
        self.reports: list[tuple[bytes, Address]] = []
        self.closed = False
        self.on_rtp: Callable[[bytes, Address], None] = lambda _, __: None
        self.on_rtcp: Callable[[bytes, Address], None] = lambda _, __: None
        self.on_error: Callable[[OSError], None] = lambda _: None

    async def open(self) -> None:
        """Nothing to do."""

    def send(self, packet: bytes, to: Address) -> None:
        self.sent.append((packet, to))

    def send_rtcp(self, packet: bytes, to: Address) -> None:
        self.reports.append((packet, to))

    def close(self) -> None:
        self.closed = True


class FakeRounds:
    """A ticker that a test moves."""

    def __init__(self) -> None:
        self.ticks: list[Callable[[float], None]] = []

    def add(self, tick: Callable[[float], None], on_crash: Callable[[BaseException], None]) -> None:
        self.ticks.append(tick)

    def remove(self, tick: Callable[[float], None]) -> None:
        if tick in self.ticks:
            self.ticks.remove(tick)


class FarSide:
    """A transport, and what the far end hears and sends. All methods keep to simulated time."""

    def __init__(self, agreed: AgreedAudio | None = None, limits: RtpLimits | None = None) -> None:
        self.clock = ManualClock()
        self.port, self.rounds = FakePort(), FakeRounds()
        self.agreed = agreed or AgreedAudio(*FAR, "PCMU", 0, key_payload=101)
        self.rtp = RtpTransport(self.port, self.agreed, self.clock, self.rounds, limits)
        self.items: list[c.Inbound] = []
        self.sequence, self.stamp, self.source = 100, 8000, 7
        LOOP.run_until_complete(self.rtp.start())

    def run(self, ms: float, step: float = 20.0) -> None:
        """Time passes, and the rounds come every `step` ms."""
        until = self.clock.now_ms() + ms
        while self.clock.now_ms() < until - 1e-6:
            self.clock.advance(min(step, until - self.clock.now_ms()))
            for tick in list(self.rounds.ticks):
                tick(self.clock.now_ms())

    def packet(
        self, samples: Samples | None = None, *, skip: int = 0, payload_type: int = 0, payload: bytes | None = None
    ) -> bytes:
        """The next packet of the far end. skip: packets before it that were lost."""
        self.sequence += 1 + skip
        self.stamp += FRAME * (1 + skip)
        given = payload if payload is not None else mulaw_codes(_frame(samples)).tobytes()
        return write_packet(payload_type, self.sequence, self.stamp, self.source, given, marker=False)

    def hear(self, data: bytes, address: Address = FAR) -> None:
        """The transport gets a packet."""
        self.port.on_rtp(data, address)

    def taken(self) -> list[c.Inbound]:
        """What the call gets, since the last look."""

        async def look() -> list[c.Inbound]:
            found: list[c.Inbound] = []
            stream = self.rtp.receive()
            while True:
                try:
                    found.append(await asyncio.wait_for(anext(stream), 0.001))
                except (TimeoutError, StopAsyncIteration):
                    return found

        return LOOP.run_until_complete(look())

    def packets(self) -> list[RtpPacket]:
        """What the far end got."""
        found = [read_packet(data) for data, _ in self.port.sent]
        return [packet for packet in found if packet is not None]

    def audio(self) -> Samples:
        """What the far end hears, packet by packet."""
        return np.concatenate([from_mulaw(p.payload) for p in self.packets()] or [np.zeros(0, np.int16)])


def _frame(samples: Samples | None) -> Samples:
    return np.full(FRAME, 1000, np.int16) if samples is None else samples


def frames(reply: int, samples: Samples) -> Sequence[c.AudioOut]:
    """A reply's frames, as a playout sends them."""
    count = len(samples) // FRAME
    return [
        c.AudioOut(reply, i, i * FRAME, mulaw_codes(samples[i * FRAME : (i + 1) * FRAME]), i == count - 1)
        for i in range(count)
    ]
