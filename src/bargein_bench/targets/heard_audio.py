"""What a caller has heard, and of which reply it was. Pure.

Places count samples from the begin of the call, at the audio's own rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bargein.audio.pcm import Samples
from bargein.audio.resample import HotResampler

PAUSE_S = 0.5  # of silence, after which the agent begins to speak again; as callers.telephone.PAUSE


@dataclass(slots=True)
class AudioRun:
    """Audio of one reply without a break."""

    begin: int
    """Place of the first sample."""
    end: int
    """Place after the last sample."""
    reply: int
    first: int
    """Which sample of the reply came first."""


class HeardAudio:
    """Audio by place; satisfies CallerPlayout.

    rate: of the audio, Hz. caller_rate: of the caller's audio; `speech_starts` and `played` count in places of that
    rate. heard: what sounded, up to `settled`; audio after most_ms is counted and not kept. Between two rates `played`
    is up to 1.5 ms late, by the resampler.
    """

    def __init__(self, most_ms: float, rate: int, caller_rate: int) -> None:
        self.rate = rate
        self.heard: Samples = np.zeros(int(most_ms * rate / 1000), np.int16)
        self.settled = 0
        self.runs: list[AudioRun] = []
        self.speech_starts: list[int] = []
        self._caller_rate = caller_rate
        self._resampler: HotResampler | None = None
        self._resampled = self.heard
        self._fed = self._resampled_count = 0

    def add(self, place: int, reply: int, first: int, samples: Samples) -> None:
        """These samples sound from a place on. first: which sample of the reply is the first of them."""
        end = place + len(samples)
        room = self.heard[place:end]
        room[:] = samples[: len(room)]
        last = self.runs[-1] if self.runs else None
        if last is None or place - last.end > PAUSE_S * self.rate:
            self.speech_starts.append(place * self._caller_rate // self.rate)
        if last is not None and (last.end, last.reply, last.first + last.end - last.begin) == (place, reply, first):
            last.end = end
        else:
            self.runs.append(AudioRun(place, end, reply, first))

    def played(self, first: int, count: int) -> Samples:
        """As CallerPlayout has it. What has not sounded yet is silence."""
        self._follow()
        out = np.zeros(count, np.int16)
        begin, end = max(first, 0), min(first + count, self._resampled_count)
        if begin < end:
            out[begin - first : end - first] = self._resampled[begin:end]
        return out

    def _follow(self) -> None:
        """Resample what has sounded since. Only settled audio: a stream cannot be taken back."""
        settled = min(self.settled, len(self.heard))
        if self._caller_rate == self.rate:
            self._resampled_count = settled
            return
        if self._resampler is None:  # calls without an echo never get here
            self._resampler = HotResampler(self.rate, self._caller_rate)
            self._resampled = np.zeros(len(self.heard) * self._caller_rate // self.rate + 1, np.int16)
        out = self._resampler.push_audio(self.heard[self._fed : settled])
        self._resampled[self._resampled_count : self._resampled_count + len(out)] = out
        self._fed, self._resampled_count = settled, self._resampled_count + len(out)
