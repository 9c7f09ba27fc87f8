"""The way out: a packet each 20 ms on a grid of its own, of the reply's frames or of silence, and who has heard what.

A frame leaves when it is to sound, not before. So a hold takes back all that has not left, to the sample, and what has
left is heard, unless the network loses it: nothing at the far end can take it back.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable

import numpy as np

from bargein.audio.ambience import Ambience
from bargein.audio.mulaw import SILENCE, from_mulaw, mulaw_codes
from bargein.audio.pcm import FRAME_MS
from bargein.protocols import AudioOut, Finished, Flushed, Held, Played, WireSamples
from bargein.transports.rtp.codecs import Codec
from bargein.transports.rtp.keys import KeySender
from bargein.transports.rtp.packets import SEQUENCES, STAMPS, write_packet

QUEUED = 50  # frames: the playout's lead is shorter
BEHIND_MS = 200.0  # later than this, missed packets are skipped: their time is over
REPORT_FRAMES = 5  # a position is told each 100 ms
MOST_IN_FLIGHT = 200  # frames whose hearing is not told yet

Said = Played | Finished | Held | Flushed


class RtpPacer:
    """send: gets packets. delay_ms: from a packet's leaving to its sound, as far as it is known now."""

    def __init__(
        self, codec: Codec, payload: int, send: Callable[[bytes], None], delay_ms: Callable[[], float]
    ) -> None:
        self.packets = 0
        self.octets = 0
        self.skipped = 0
        """Packets that were not sent because we were too late."""
        self.source = secrets.randbits(32)
        self.codec = codec
        self.payload = payload
        self.key_payload: int | None = None
        self._units = codec.clock * FRAME_MS // 1000  # of the clock, in a packet
        self.keys = KeySender(self._units)
        self.background: Ambience | None = None
        """Sounds under everything. None: pauses are silent."""
        self.paused = False
        """The far end does not listen: nothing is sent, and frames are discarded."""
        self._send = send
        self._delay_ms = delay_ms
        self._sequence = secrets.randbits(16)
        self._stamp = secrets.randbits(32)
        self._due_ms: float | None = None
        self._queue: deque[AudioOut] = deque()
        self._mulaw = codec.mulaw
        self._quiet = self._of_silence()
        size = codec.rate * FRAME_MS // 1000
        self._nothing: WireSamples = np.full(size, SILENCE, np.uint8) if codec.mulaw else np.zeros(size, np.int16)
        self._silent = True  # the newest packet was silence
        self._ends: dict[int, int] = {}  # reply -> samples of it that have left
        self._flying: deque[tuple[float, int, int, bool]] = deque(maxlen=MOST_IN_FLIGHT)
        self._since_report = 0

    def change(self, codec: Codec, payload: int) -> None:
        """Another codec of the same rate. The frames that the call gives keep their form."""
        self.codec, self.payload = codec, payload
        self._quiet = self._of_silence()

    def _of_silence(self) -> bytes:
        size = self.codec.rate * FRAME_MS // 1000
        zeros: WireSamples = np.full(size, SILENCE, np.uint8) if self.codec.mulaw else np.zeros(size, np.int16)
        return self.codec.encode(zeros)

    @property
    def stamp(self) -> int:
        """Of the next packet."""
        return self._stamp % STAMPS

    def push(self, frame: AudioOut) -> bool:
        """Queue a frame. False: the queue is full."""
        if self.paused:
            return True
        if len(self._queue) >= QUEUED:
            return False
        self._queue.append(frame)
        return True

    def hold(self, reply: int) -> tuple[AudioOut | None, Held]:
        """Take back all frames of a reply that have not left. What has left is heard, and no more."""
        first = next((frame for frame in self._queue if frame.reply == reply), None)
        self._discard(reply)
        return first, Held(reply, self._ends.get(reply, 0))

    def flush(self, reply: int) -> tuple[int, Flushed]:
        """Discard a reply's frames. Returns how many there were, and how much of the reply has left."""
        return self._discard(reply), Flushed(reply, self._ends.get(reply, 0))

    def _discard(self, reply: int) -> int:
        before = len(self._queue)
        self._queue = deque(frame for frame in self._queue if frame.reply != reply)
        self._flying = deque((each for each in self._flying if each[1] != reply), maxlen=MOST_IN_FLIGHT)
        return before - len(self._queue)

    def tick(self, now_ms: float) -> list[Said]:
        """Send what is due. Returns what was heard meanwhile."""
        if self._due_ms is None:
            self._due_ms = now_ms
        if now_ms - self._due_ms > BEHIND_MS:
            missed = int((now_ms - self._due_ms) // FRAME_MS)
            self.skipped += missed
            self._stamp += missed * self._units
            self._due_ms += missed * FRAME_MS
        while self._due_ms <= now_ms:
            self._send_next(self._due_ms)
            self._due_ms += FRAME_MS
        return self._heard(now_ms) if self._flying else []

    def _send_next(self, due_ms: float) -> None:
        if self.paused:
            self._stamp += self._units
            self._silent = True
            return
        if self.keys.busy and self.key_payload is not None:
            self._send_key(self.key_payload)
            return
        frame = self._queue.popleft() if self._queue else None
        if frame is not None and not len(frame.samples):  # the reply's end, without audio
            self._flying.append((due_ms, frame.reply, self._ends.get(frame.reply, 0), True))
            frame = self._queue.popleft() if self._queue else None
        payload = self._quiet if self.background is None or frame is not None else self._encoded(self._nothing)
        if frame is not None:
            end = frame.first_sample + len(frame.samples)
            if frame.reply not in self._ends:
                self._ends = {frame.reply: 0}  # older replies are over
            self._ends[frame.reply] = end
            self._flying.append((due_ms, frame.reply, end, frame.last))
            payload = self._encoded(frame.samples)
        self._put(self.payload, self._stamp, payload, marker=self._silent and frame is not None)
        self._silent = frame is None
        self._stamp += self._units

    def _encoded(self, samples: WireSamples) -> bytes:
        if self._mulaw and (not self.codec.mulaw or self.background is not None):
            samples = from_mulaw(samples.tobytes())
        if self.background is not None:
            samples = self.background.under(samples)
            samples = mulaw_codes(samples) if self.codec.mulaw else samples
        return self.codec.encode(samples)

    def _send_key(self, payload_type: int) -> None:
        packet = self.keys.next()
        if packet is None:
            self._put(self.payload, self._stamp, self._quiet, marker=False)
        else:
            self._put(payload_type, self._stamp - packet.stamp_back, packet.payload, marker=packet.marker)
        self._silent = True
        self._stamp += self._units

    def close(self) -> None:
        """Nothing leaves any more, and the transport is let go."""
        delay_ms = self._delay_ms()
        self._send, self._delay_ms = _discard, lambda: delay_ms

    def _put(self, payload_type: int, stamp: int, payload: bytes, *, marker: bool) -> None:
        self._send(write_packet(payload_type, self._sequence, stamp, self.source, payload, marker=marker))
        self._sequence = (self._sequence + 1) % SEQUENCES
        self.packets += 1
        self.octets += len(payload)

    def _heard(self, now_ms: float) -> list[Said]:
        heard_ms = now_ms - self._delay_ms() - FRAME_MS  # a frame is heard when its last sample is
        said: list[Said] = []
        newest: tuple[float, int, int, bool] | None = None
        while self._flying and self._flying[0][0] <= heard_ms:
            newest = self._flying.popleft()
            self._since_report += 1
            if newest[3]:
                said += [Played(newest[1], newest[2], playing=False), Finished(newest[1], newest[2])]
                self._since_report, newest = 0, None
        if newest is not None and self._since_report >= REPORT_FRAMES:
            self._since_report = 0
            said.append(Played(newest[1], newest[2], playing=True, age_ms=heard_ms - newest[0]))
        return said


def _discard(_: bytes) -> None:
    """The stream is over."""
