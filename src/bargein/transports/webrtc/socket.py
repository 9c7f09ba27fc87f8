"""The socket beneath a page's transport, on a WebRTC connection: text is the data channel's, audio is RTP's."""

from __future__ import annotations

import asyncio
import logging
from collections import deque

import msgspec
import numpy as np

from bargein import protocols as c
from bargein.clock import Clock
from bargein.transports.browser.wire import HEADER
from bargein.transports.rate_limit import RateLimit
from bargein.transports.rtp.incoming import IncomingRtp
from bargein.transports.rtp.packets import RtpPacket
from bargein.transports.webrtc.limits import PeerLimits
from bargein.transports.webrtc.opus import (
    CLOCK,
    UNITS,
    OpusDecoder,
    OpusEncoder,
    audio_header,
    going_header,
    held_header,
)
from bargein.transports.webrtc.peer import WebRTCPeer

log = logging.getLogger(__name__)

SAID_TWICE = ('{"type":"hold"', '{"type":"resume"', '{"type":"audio_interrupted"')  # what packets say, too
TIMES = 3  # that a packet is sent whose loss would be felt: the last of a reply, and those that say hold
AHEAD_MS = 2_000.0
LEAD_MS = 200.0  # of packets before their time: more, and the pause before them is over


class _Saying(msgspec.Struct):
    type: str
    reply_id: int = 0


class PeerSocket:
    """A `Socket` by shape. Audio comes out of `receive` as AudioIn, since a late packet takes the place of a guess."""

    def __init__(self, peer: WebRTCPeer, clock: Clock, limits: PeerLimits) -> None:
        self.newest_text = ""
        self.limits = limits
        self._peer = peer
        self._clock = clock
        self._came: deque[str | bytes | c.AudioIn] = deque()
        self._changed = asyncio.Event()
        self._audio = IncomingRtp(clock, OpusDecoder(), AHEAD_MS)
        self._encoder = OpusEncoder()
        self._packets = RateLimit(clock, limits.packets, limits.burst)
        self._over: str | None = None
        self._code: int | None = None
        self._next = (0, 0, 0)  # reply, sequence and sample of the next frame
        self._sent_ms: float | None = None  # the time of the newest packet's end
        self._heard_ms = clock.now_ms()
        peer.on_message, peer.on_packet, peer.on_lost = self._message, self._packet, self._lose

    # ------------------------------------------------------------------------------------------------- incoming

    async def receive(self) -> str | bytes | c.AudioIn | None:
        """The next message, or audio. None: the connection is closed or lost."""
        while not self._came:
            if self._over is not None:
                return None
            self._changed.clear()
            await self._changed.wait()
        item = self._came.popleft()
        if isinstance(item, str):
            self.newest_text = item
        return item

    def close_code(self) -> int | None:
        """With which the client closed the connection. None: it is open, or lost."""
        return self._code

    def said_goodbye(self) -> None:
        """The client has ended the call by its address."""
        self._code = 1000
        self._lose("the client closed the connection")
        self._peer.give_up()

    def tick(self, now_ms: float) -> None:
        """Time passes: a client that is silent is lost."""
        if now_ms - self._heard_ms > self.limits.silent_ms:
            self._lose("nothing comes from the client")

    def _lose(self, why: str) -> None:
        if self._over is None:
            self._over = why
            self._changed.set()

    def _message(self, message: str | bytes) -> None:
        self._heard_ms = self._clock.now_ms()
        self._push(message)

    def _packet(self, packet: RtpPacket) -> None:
        self._heard_ms = self._clock.now_ms()
        if not self._packets.take():
            return
        try:
            for audio in self._audio.take(packet, audio=True):
                self._push(audio)
        except Exception:
            log.debug("A packet is no Opus", exc_info=True)  # libopus has as many errors as there are bytes

    def _push(self, item: str | bytes | c.AudioIn) -> None:
        if len(self._came) >= self.limits.waiting:
            self._lose("messages come faster than they are read")
            return
        self._came.append(item)
        self._changed.set()

    # ------------------------------------------------------------------------------------------------- outgoing

    async def send_text(self, text: str) -> None:
        """Raises ConnectionError once the client is lost, or does not read."""
        if self._over is not None or self._peer.unsent > self.limits.unsent:
            raise ConnectionError(self._over or "The client does not read")
        if text.startswith(SAID_TWICE):
            self._say(msgspec.json.decode(text, type=_Saying))
        self._peer.send_text(text)

    def _say(self, saying: _Saying) -> None:
        """What the data channel says, packets say sooner: they need no retransmission and no order."""
        reply, sequence, sample = self._next
        if saying.reply_id != reply:
            return
        header = going_header if saying.type == "resume" else held_header
        for _ in range(TIMES):
            self._send(self._encoder.empty(header(reply, sequence, sample)))

    async def send_bytes(self, data: bytes) -> None:
        """A binary frame of the agent's audio."""
        if self._over is not None:
            raise ConnectionError(self._over)
        header, reply, last = audio_header(data)
        samples = np.frombuffer(data, "<i2", offset=HEADER.size)
        _, _, _, _, sequence, sample = HEADER.unpack_from(data)
        self._next = (reply, sequence + 1, sample + len(samples))
        packet = self._encoder.encode(samples, header) if len(samples) else self._encoder.empty(header)
        for _ in range(TIMES if last else 1):
            self._send(packet)

    def _send(self, packet: bytes) -> None:
        """The timestamps keep to the clock over a pause; within a reply they run on by the packets."""
        now = self._clock.now_ms()
        paused = self._sent_ms is None or now - self._sent_ms > LEAD_MS
        if self._sent_ms is not None and paused:
            self._peer.pass_time(int((now - self._sent_ms) * CLOCK / 1000) // UNITS * UNITS)
        self._sent_ms = (now if paused or self._sent_ms is None else self._sent_ms) + UNITS * 1000 / CLOCK
        self._peer.send_packet(packet, marker=paused)

    async def close(self, code: int, reason: str) -> None:
        """Close the connection. A second close does nothing."""
        self._lose(reason)
        await self._peer.close()
