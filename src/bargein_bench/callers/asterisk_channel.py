"""One call at a simulated Asterisk: its WebSocket channel between a caller's line and an application.

The core transcodes: the caller's telephone is mu-law at 8000 Hz, the application has the channel's codec. A frame that
the channel gives to the core sounds at once.
"""

from __future__ import annotations

import asyncio
from binascii import a2b_base64
from collections.abc import Callable, Mapping

import numpy as np

from bargein.audio.alaw import from_alaw, to_alaw
from bargein.audio.mulaw import from_mulaw, to_mulaw
from bargein.audio.pcm import Samples
from bargein.audio.resample import HotResampler
from bargein_bench.callers.asterisk_queue import AsteriskRelease, MediaQueue
from bargein_bench.callers.line import CallerLine
from bargein_bench.callers.result import StreamLeg
from bargein_bench.callers.telephone import FRAME, RATE

RATES = {"ulaw": 8_000, "alaw": 8_000, "slin": 8_000, "slin16": 16_000, "slin24": 24_000}
QUIET = 40  # of a caller's sample: a telephone with DTX sends no frame that is quieter
HANGOVER = 10  # frames that such a telephone sends after the caller's last word

Send = Callable[[str | bytes], None]


class AsteriskChannel:
    """A line.LineStream by shape. send: takes messages for the application. dtx: the caller's telephone sends nothing
    while the caller is silent."""

    def __init__(
        self,
        line: CallerLine,
        send: Send,
        *,
        codec: str = "slin16",
        release: AsteriskRelease | None = None,
        as_json: bool = True,
        variables: Mapping[str, str] | None = None,
        channel_id: str = "pbx-17.3",
        connection_id: str = "agent",
        dtx: bool = False,
    ) -> None:
        self.queue = MediaQueue(
            codec,
            self._event,
            release=release,
            as_json=as_json,
            variables=variables,
            channel_id=channel_id,
            connection_id=connection_id,
            fault=self._fault,
        )
        self.leg = StreamLeg(channel_id, connection_id, 0.0)
        self.held_ms: list[tuple[float, float]] = []
        """When the application paused, and for how long."""
        self.core = bytearray()
        """Audio that the core got, as it came from the application."""
        self._first_cut: int | None = None  # length of `core` at the first flush
        self._line = line
        self._send = send
        self._dtx = dtx
        self._loud = 0  # frames to send yet
        rate = RATES[codec]
        self._in, self._out = HotResampler(RATE, rate), HotResampler(rate, RATE)
        self._heard = np.zeros(0, np.int16)
        self._paused_ms: float | None = None
        self._flushes = 0

    @property
    def uncut(self) -> int:
        """Bytes of `core` that came before the first flush."""
        return len(self.core) if self._first_cut is None else self._first_cut

    def begin(self) -> None:
        """The socket is open."""
        self.leg.began_ms = self._line.at_ms
        self._line.result.legs.append(self.leg)
        self._line.result.stream = self.leg.stream
        self.queue.start()

    def end(self, how: str) -> None:
        """The channel is gone."""
        if not self._line.over.is_set():
            self.leg.ended_ms, self.leg.closed_by = self._line.at_ms, how
            self._line.result.telephone.end_stream(self._line.now, played_out=False)
            self._line.over.set()

    def _event(self, text: str) -> None:
        self._send(text)

    def _fault(self, what: str) -> None:
        self._line.result.faults[what] += 1

    # ------------------------------------------------------------------------------------------------- the caller

    def frame(self, place: int, payload: bytes) -> None:
        """20 ms of the caller. payload: base64 of mu-law."""
        samples = from_mulaw(a2b_base64(payload))
        if self._dtx:
            self._loud = HANGOVER if int(np.abs(samples).max()) > QUIET else self._loud - 1
            if self._loud <= 0:
                return
        audio = self._in.push_audio(samples)
        self._line.result.sent_bytes += self.queue.size
        self._send(self._coded(audio))

    def key(self, key: str) -> None:
        """The caller pressed a key."""
        self.queue.key(key)

    def _coded(self, samples: Samples) -> bytes:
        codec = self.queue.codec
        if codec == "ulaw":
            return to_mulaw(samples)
        return to_alaw(samples) if codec == "alaw" else samples.astype("<i2").tobytes()

    # -------------------------------------------------------------------------------------------- the application

    def receive(self, data: str | bytes) -> None:
        """A message of the application came."""
        self._line.result.got_bytes += len(data)
        queue, result = self.queue, self._line.result
        if isinstance(data, bytes):
            queue.binary(data)
        else:
            queue.text(data)
        if queue.hung_up:
            self.end("the application")
            return
        telephone = result.telephone
        telephone.most_queued_ms = max(telephone.most_queued_ms, queue.queued * 20.0)
        if queue.flushes > self._flushes:
            self._flushes = queue.flushes
            self._first_cut = len(self.core) if self._first_cut is None else self._first_cut
            result.clears.append(self._line.now)
            telephone.clear(self._line.now)
        if queue.paused and self._paused_ms is None:
            self._paused_ms = self._line.at_ms
        elif not queue.paused and self._paused_ms is not None:
            self.held_ms.append((self._paused_ms, self._line.at_ms - self._paused_ms))
            self._paused_ms = None
            telephone.goes_on()

    async def play(self) -> None:
        """Give the core a frame every 20 ms, until the channel is gone."""
        place = self._line.now
        while not self._line.over.is_set():
            place += FRAME
            await self._line.until(place)
            if (frame := self.queue.tick()) is not None:
                self._sound(frame)

    def _sound(self, frame: bytes) -> None:
        self.core += frame
        if self.leg.first_audio_ms is None:
            self.leg.first_audio_ms = self._line.at_ms
        codec = self.queue.codec
        if codec == "ulaw":
            samples = from_mulaw(frame)
        else:
            samples = from_alaw(frame) if codec == "alaw" else np.frombuffer(frame, "<i2")
        codes = to_mulaw(self._out.push_audio(samples))
        if codes:
            self._line.result.telephone.media(self._line.now, codes)


async def converse(channel: AsteriskChannel, line: CallerLine) -> None:
    """The whole call over an open socket, to the end of either side."""
    line.begin()
    channel.begin()
    line.stream = channel
    playing = asyncio.create_task(channel.play(), name="Asterisk's timer")
    try:
        await line.speak()
    finally:
        line.result.lasted = line.now
        channel.end("us")
        line.result.closed_by = channel.leg.closed_by
        await playing
