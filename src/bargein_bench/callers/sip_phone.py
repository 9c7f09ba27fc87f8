"""The phone at the end of a SIP call: sends the caller's audio by RTP, and plays what comes by its timestamps.

RTP does not stop while the agent is silent, and no message says that audio is cleared. So what counts as the agent's is
what can be heard, and every sample sounds at its own place, behind a jitter buffer of a fixed length.
"""

from __future__ import annotations

import asyncio
import secrets
import struct
from binascii import a2b_base64
from functools import partial

import numpy as np

from bargein.audio.mulaw import from_mulaw
from bargein.errors import VendorLost
from bargein.transports.rtp.packets import ahead, read_packet, write_packet
from bargein_bench.callers.line import CallerLine
from bargein_bench.callers.telephone import FRAME, PAUSE, SimulatedTelephone

BUFFER = 2 * FRAME  # of the jitter buffer: 40 ms, as a wired phone has on a calm network
AUDIBLE = 33  # of full scale 32768: what is softer is silence, as a judge's -60 dBFS
MOST_LATE = 10  # packets in a row that come after their place; then the phone's clock moves
BREAK = 6 * FRAME  # a longer silence is a break of the agent's audio; a shorter one is a pause between words
KEYS = "0123456789*#"
KEY = struct.Struct("!BBH")
KEY_PACKETS, KEY_ENDS = 5, 3  # of 20 ms: a key of 100 ms, and its end three times
KEY_PAYLOAD = 101
VOLUME, END = 10, 0x80
STAMPS = 1 << 32


class RtpTelephone(SimulatedTelephone):
    """A SimulatedTelephone whose audio has places of its own. late: packets that came after their place."""

    def __init__(self, most_ms: float, buffer: int = BUFFER) -> None:
        super().__init__(most_ms)
        self._buffer = buffer
        self._base: tuple[int, int] | None = None  # a timestamp, and its place
        self._heard_to = -PAUSE  # place after the newest audible sample
        self._late_now = 0  # packets in a row
        self.lost = 0
        """Samples of which no packet came."""
        self._next: int | None = None  # the place that the next packet should have

    @property
    def phase(self) -> int:
        """Place of the first sample of some packet, within the first 20 ms."""
        return 0 if self._base is None else self._base[1] % FRAME

    def packet(self, now: int, stamp: int, codes: bytes) -> None:
        """A packet came at place `now`."""
        self.frames += 1
        if self._base is None:
            self._base = (stamp, now + self._buffer)
        place = self._base[1] + ahead(stamp, self._base[0], STAMPS)
        if self._next is not None and place > self._next:
            self.lost += place - self._next
        self._next = place + len(codes)
        if place < now:
            self.late += 1
            self._late_now += 1
            self.gap_ms += len(codes) / 8
            if self._late_now < MOST_LATE:
                return  # too late for its place: it does not sound
            place = now + self._buffer  # the network has become slower: so does the phone
            self._base = (stamp, place)
            self._next = place + len(codes)
        self._late_now = 0
        self.most_queued_ms = max(self.most_queued_ms, (place + len(codes) - now) / 8)
        room = self.heard[place : place + len(codes)]
        room[:] = np.frombuffer(codes, np.uint8)[: len(room)]
        if np.abs(from_mulaw(codes)).max(initial=0) >= AUDIBLE:
            self._audible(now, place, place + len(codes))

    def _audible(self, now: int, begin: int, end: int) -> None:
        if begin - self._heard_to > PAUSE or not self.speech_starts:
            self.speech_starts.append(begin)
        if begin - self._heard_to > BREAK or not self.runs:
            self.runs.append([begin, end])
        else:
            self.runs[-1][1] = end
        self._heard_to = end


class SipPhone:
    """A line.LineStream by shape. One UDP socket, from which the caller's audio leaves."""

    def __init__(self, line: CallerLine, telephone: RtpTelephone) -> None:
        self._line, self._telephone = line, telephone
        self._transport: asyncio.DatagramTransport | None = None
        self._far: tuple[str, int] | None = None
        self._key_payload: int | None = None
        self._source = secrets.randbits(32)
        self._sequence, self._stamp = secrets.randbits(15), secrets.randbits(31)
        self._keys: list[str] = []
        self._key_at = 0
        self._key_stamp = 0
        self.received = 0
        """Packets."""

    async def open(self, host: str) -> int:
        """Listen at any port. Returns it. Raises VendorLost."""
        try:
            self._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                partial(_RtpReceiver, self), local_addr=(host, 0)
            )
        except OSError as error:
            raise VendorLost(f"No UDP port can be had at {host}: {error}", advice="Look at the address") from None
        port: int = self._transport.get_extra_info("sockname")[1]
        return port

    def send_to(self, host: str, port: int, key_payload: int | None) -> None:
        """Where the far end listens."""
        self._far, self._key_payload = (host, port), key_payload

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def frame(self, place: int, payload: bytes) -> None:
        """20 ms of the caller. payload: base64 of mu-law."""
        self._stamp += FRAME
        if self._keys and self._key_payload is not None:
            self._send_key()
        else:
            self._send(0, self._stamp, a2b_base64(payload))

    def key(self, key: str) -> None:
        """It goes out with the next frames, in their place."""
        self._keys.append(key)

    def _send_key(self) -> None:
        first, self._key_at = self._key_at == 0, self._key_at + 1
        if first:
            self._key_stamp = self._stamp
        done = self._key_at > KEY_PACKETS
        flags = VOLUME | (END if done else 0)
        duration = min(self._key_at, KEY_PACKETS) * FRAME
        payload = KEY.pack(KEYS.index(self._keys[0]), flags, duration)
        self._send(self._key_payload or KEY_PAYLOAD, self._key_stamp, payload, marker=first)
        if self._key_at == KEY_PACKETS + KEY_ENDS:
            self._key_at = 0
            del self._keys[0]

    def _send(self, kind: int, stamp: int, payload: bytes, *, marker: bool = False) -> None:
        self._sequence += 1
        packet = write_packet(kind, self._sequence, stamp, self._source, payload, marker=marker)
        if self._line.way_s:
            asyncio.get_running_loop().call_later(self._line.way_s, self._put, packet)
        else:
            self._put(packet)

    def _put(self, packet: bytes) -> None:
        if self._transport is not None and self._far is not None and not self._transport.is_closing():
            self._line.result.sent_bytes += len(packet)
            self._transport.sendto(packet, self._far)

    def receive(self, data: bytes) -> None:
        """A packet came."""
        if self._line.way_s:
            asyncio.get_running_loop().call_later(self._line.way_s, self._take, data)
        else:
            self._take(data)

    def _take(self, data: bytes) -> None:
        result = self._line.result
        result.got_bytes += len(data)
        packet = read_packet(data)
        if packet is None:
            result.faults["a packet that is no RTP"] += 1
        elif packet.payload_type == 0:
            self.received += 1
            if result.began_ms:
                self._telephone.packet(self._line.now, packet.stamp, packet.payload)
        elif packet.payload_type != self._key_payload:
            result.faults[f"payload type {packet.payload_type}"] += 1


class _RtpReceiver(asyncio.DatagramProtocol):
    def __init__(self, phone: SipPhone) -> None:
        self._phone = phone

    def datagram_received(self, data: bytes, addr: tuple[object, ...]) -> None:
        self._phone.receive(data)
