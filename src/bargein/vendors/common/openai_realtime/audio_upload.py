"""The upload of the user's audio to OpenAI Realtime, in the format and the pieces that it wants."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Iterable

from bargein.audio.pcm import Samples
from bargein.audio.resample import HotResampler
from bargein.vendors.common.backlog import Backlog
from bargein.vendors.common.openai_realtime.audio_formats import SessionFormats
from bargein.vendors.common.openai_realtime.send_queue import OutboundEvent

KEEP_MS = 60_000  # of audio that no session has acknowledged
SEND_MS = {"ours": 100, "server_vad": 100, "semantic_vad": 60, "vendor": 60}  # of sound in one message
IDLE_MS = 3_000  # of audio that is kept while no turn is open: covers any pre-roll
APPEND = "input_audio_buffer.append"


class AudioUpload:
    """Positions are counted in samples of what was fed. rate: Hz, of that; piece_ms: of sound in one message."""

    def __init__(self, rate: int, piece_ms: int) -> None:
        self._rate = rate
        self._piece = rate * piece_ms // 1000
        self._backlog = Backlog(rate, KEEP_MS)
        self.format = SessionFormats.asked(rate, mulaw=False).input
        """The format in which the audio goes up. 8 kHz goes as mu-law, which is what a telephone's sound was anyway."""
        self._resampler = HotResampler(rate, self.format.rate)
        self._moved = asyncio.Event()

    @property
    def end(self) -> int:
        """Position after the newest sample."""
        return self._backlog.end

    @property
    def sent(self) -> int:
        """Position of the next sample that goes up."""
        return self._backlog.sent

    @property
    def ready(self) -> bool:
        """Whether there is enough for a message."""
        return self._backlog.waiting >= self._piece

    def gone(self, position: int) -> bool:
        """Whether all before this went up, but for less than a message."""
        return self.sent + self._piece > position

    async def moves(self) -> None:
        """Wait until more goes up, or nothing does any more (`stops`)."""
        self._moved.clear()
        await self._moved.wait()

    def stops(self) -> None:
        """The connection is over."""
        self._moved.set()

    def ago(self, ms: float) -> int:
        """The position so long before the end; never before the beginning."""
        return max(0, self.end - int(ms * self._rate / 1000))

    def push_audio(self, samples: Samples) -> None:
        """The next stretch."""
        self._backlog.push_audio(samples)

    def skip(self, position: int) -> None:
        """What lies before need not go up."""
        self._backlog.skip(position)

    def keep(self, wanted: Iterable[int | None]) -> None:
        """What lies before all of these, and is not the newest, may be forgotten."""
        self._backlog.acknowledge(min([self.ago(IDLE_MS), *(p for p in wanted if p is not None)]))

    def again(self, wanted: Iterable[int | None]) -> int:
        """Another connection: it is sent once more from the first of these, and where there is none, from now on."""
        self._backlog.rewind()
        self._backlog.skip(min((p for p in wanted if p is not None), default=self.end))
        self._resampler = HotResampler(self._rate, self.format.rate)
        return self.sent

    def take(self, until: int | None) -> OutboundEvent | None:
        """The next message. until: it ends there at the latest. None: there is not enough yet."""
        samples = self._backlog.take(self._piece if until is None else min(self._piece, until - self.sent))
        if samples is None:
            return None
        self._moved.set()
        data = self.format.encode(self._resampler.push_audio(samples))
        # Base64 needs no escapes, so that the rest need not be built anew for each.
        return OutboundEvent(APPEND, f'{{"type":"{APPEND}","audio":"{b64encode(data).decode()}"}}')
