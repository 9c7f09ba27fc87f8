"""One segment of the agent's speech: its audio until it has been heard, and the times of its words."""

from __future__ import annotations

import numpy as np
from livekit import rtc
from livekit.agents.types import USERDATA_TIMED_TRANSCRIPT

from bargein.audio.envelope import Envelope
from bargein.vendors.common.told_times import Timed

KEEP_S = 10.0  # of what the sink has, which it may give back: a telephone's report comes a second late


class OutputSegment:
    """What LiveKit gives between its first `capture_frame` and its `flush`. Positions count samples per channel."""

    def __init__(self, rate: int, channels: int) -> None:
        self.rate, self.channels = rate, channels
        self.made = 0
        """Samples that LiveKit has given."""
        self.fed = 0
        """Samples that the sink was given, less what it has to be given again."""
        self.played = 0
        """Samples that sounded, as the sink last said."""
        self.flushed = False
        """LiveKit gives no more."""
        self.whole = False
        """LiveKit has given all of it: no clear came before."""
        self.begun = False
        """The floor lets it sound."""
        self.cleared = False
        """LiveKit has dropped what was not heard."""
        self.over = False
        self.timed: list[Timed] = []
        """Words with their times (ms), where the TTS gives them."""
        self.sound = Envelope()
        """All that LiveKit has given, of the first channel."""
        self._audio = bytearray()
        self._first = 0  # position of the first kept sample
        self._bytes = 2 * channels  # of a sample

    def push_audio(self, frame: rtc.AudioFrame) -> None:
        """Take the next frame."""
        self._audio += frame.data.cast("B")
        self.sound.push(np.array(frame.data, np.int16)[:: frame.num_channels], self.rate)
        self.made += frame.samples_per_channel
        self.timed += timed(frame.userdata.get(USERDATA_TIMED_TRANSCRIPT, ()))

    def end(self) -> None:
        """LiveKit has given the last frame. Not so if it has cleared the segment."""
        self.whole = not self.cleared

    def next_frame(self, samples: int) -> rtc.AudioFrame:
        """The frame that the sink gets next. Count it as fed when the sink has taken it."""
        begin = (self.fed - self._first) * self._bytes
        samples = min(samples, self.made - self.fed)
        data = bytes(self._audio[begin : begin + samples * self._bytes])
        return rtc.AudioFrame(data, self.rate, self.channels, samples)

    def drop_old(self) -> None:
        """Forget audio that the sink will not be given again."""
        old = self.fed - round(KEEP_S * self.rate) - self._first
        if old > self.rate:
            del self._audio[: old * self._bytes]
            self._first += old

    def back_to(self, position: int) -> None:
        """The sink has played up to here: the rest goes to it again."""
        self.played = min(max(position, self.played, self._first), self.fed)
        self.fed = self.played

    def ms(self, samples: int) -> float:
        """How long so many samples sound."""
        return samples * 1000 / self.rate


def timed(texts: object) -> list[Timed]:
    """LiveKit's words with times, those of them that have both."""
    found: list[Timed] = []
    for text in texts if isinstance(texts, list | tuple) else ():
        start, end = getattr(text, "start_time", None), getattr(text, "end_time", None)
        if isinstance(start, int | float) and isinstance(end, int | float) and np.isfinite(start + end):
            found.append((str(text), start * 1000, max(start, end) * 1000))
    return found
