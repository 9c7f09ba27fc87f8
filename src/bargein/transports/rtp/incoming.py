"""The caller's audio from RTP packets: told as it comes, repaired where packets were lost, mended where they were late.

A packet's audio goes on at once, for the VAD. Before it goes a guess in place of the packets that are missing. A packet
that comes after all takes the place of its guess (`AudioIn.replaces`), for the STT and the turn, which read later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bargein.clock import Clock
from bargein.protocols import AudioIn
from bargein.transports.positions import IncomingPositions
from bargein.transports.rtp.codecs import Decoder
from bargein.transports.rtp.concealment import Concealer
from bargein.transports.rtp.packets import SEQUENCES, STAMPS, RtpPacket, ahead

CONCEALED_MS = 60.0  # of a loss; the rest is silence
LATE_MS = 250.0  # a packet that is later is of no use any more
RESTART = 100  # sequence numbers: a larger step is another stream, once a second packet confirms it


@dataclass(slots=True)
class StreamStats:
    """Of the packets that came."""

    packets: int = 0
    lost: int = 0
    """That did not come, as far as is known now."""
    late: int = 0
    """That came after their guess, and were mended."""
    dropped: int = 0
    """That came twice, or too late."""
    jitter: float = 0.0
    """As RFC 3550 counts it, in units of the clock."""


class IncomingRtp:
    """The audio of one stream. ahead_ms: as in RtpLimits."""

    def __init__(self, clock: Clock, codec: Decoder, ahead_ms: float) -> None:
        self.stats = StreamStats()
        self.source = 0
        self.highest = 0
        """Sequence number of the newest packet, with its wraps above 16 bits."""
        self.first = 0
        """Sequence number of the first packet."""
        self._clock = clock
        self._codec = codec
        self._positions = IncomingPositions(clock, codec.rate, ahead_ms)
        self._concealer = Concealer(codec.rate)
        self._started = False
        self._seen: dict[int, None] = {}  # the newest sequence numbers, with wraps
        self._next_stamp = 0  # of the audio that follows the newest
        self._transit: float | None = None
        self._odd: tuple[int, int] | None = None  # source and sequence number that would begin another stream

    def change_codec(self, codec: Decoder) -> None:
        """Another codec of the same rate."""
        self._codec = codec

    def restart(self) -> None:
        """The next packet begins another stream: the far end has said so."""
        self._started = False

    def take(self, packet: RtpPacket, *, audio: bool) -> Iterator[AudioIn]:
        """Take a packet. audio: of the codec; else of comfort noise or of a key, which only moves the count."""
        self._count_jitter(packet)
        self.stats.packets += 1
        if not self._started or packet.source != self.source:
            self._begin(packet)
        step = ahead(packet.sequence, self.highest % SEQUENCES, SEQUENCES)
        if abs(step) > RESTART:
            if self._odd != (packet.source, packet.sequence):
                self._odd = (packet.source, (packet.sequence + 1) % SEQUENCES)
                self.stats.dropped += 1
                return
            self._begin(packet)
            step = 1
        self._odd = None
        number = self.highest + step
        if number in self._seen:
            self.stats.dropped += 1
            return
        self._note(number)
        if step <= 0:
            yield from self._mended(packet, audio=audio)
            return
        self.highest = number
        self.stats.lost += step - 1
        if audio and packet.payload:
            yield from self._in_order(packet, lost=step > 1)

    def _begin(self, packet: RtpPacket) -> None:
        if not self._started:
            self.first = packet.sequence
        self._started = True
        self.source = packet.source
        self.highest = packet.sequence - 1
        if self.highest < 0:
            self.highest += SEQUENCES
        self._seen.clear()
        self._next_stamp = packet.stamp
        self._transit = None

    def _note(self, number: int) -> None:
        self._seen[number] = None
        if len(self._seen) > RESTART:
            del self._seen[next(iter(self._seen))]

    def _in_order(self, packet: RtpPacket, *, lost: bool) -> Iterator[AudioIn]:
        samples = self._codec.decode(packet.payload)
        gap = max(0, self._samples(ahead(packet.stamp, self._next_stamp, STAMPS)))
        self._next_stamp = packet.stamp + len(samples) * self._codec.clock // self._codec.rate
        guess = min(gap, int(CONCEALED_MS * self._codec.rate / 1000)) if lost else 0
        if guess:
            first, believed = self._positions.place(guess, 0)
            if believed:
                yield AudioIn(self._concealer.missing(guess), first)
            gap -= guess
        first, _ = self._positions.place(len(samples), gap)
        yield AudioIn(self._concealer.heard(samples), first)

    def _mended(self, packet: RtpPacket, *, audio: bool) -> Iterator[AudioIn]:
        """A packet that counted as lost."""
        self.stats.lost -= 1
        back = self._samples(ahead(self._next_stamp, packet.stamp, STAMPS))
        far = back > LATE_MS * self._codec.rate / 1000
        samples = self._codec.decode_late(packet.payload) if audio and packet.payload and back > 0 and not far else None
        if samples is None:
            self.stats.dropped += 1
            return
        first = self._positions.end - back
        if len(samples) <= back and first >= 0:
            self.stats.late += 1
            yield AudioIn(samples, first, replaces=True)

    def in_pace(self, samples: int) -> bool:
        """False: with these samples more than `ahead_ms` has come ahead of real time."""
        return self._positions.in_pace(samples)

    def _samples(self, units: int) -> int:
        """Of so many units of the clock."""
        return units * self._codec.rate // self._codec.clock

    def _count_jitter(self, packet: RtpPacket) -> None:
        transit = self._clock.now_ms() * self._codec.clock / 1000 - packet.stamp
        if self._transit is not None:
            step = abs(transit - self._transit)
            if step < self._codec.clock:  # a second: more is a new count, and no jitter
                self.stats.jitter += (step - self.stats.jitter) / 16
        self._transit = transit
