"""What has sounded at a caller's ear, and whose it was. Pure.

Places count samples since the call began, at the sound's own rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bargein.audio.pcm import Samples
from bargein.audio.resample import HotResampler

PAUSE_S = 0.5  # of silence, after which the agent begins to sound anew; as simulators.telephone has it


@dataclass(slots=True)
class AudioRun:
    """Sound of one reply without a break. begin, end: places; first: which of the reply's samples came first."""

    begin: int
    end: int
    reply: int
    first: int


class HeardAudio:
    """What has sounded: a mouth.Playout by shape. rate, mouth_rate: Hz; heard: by place, until `settled`; what sounds
    after most_ms is counted, but not kept. stretches, sounding: in places of the mouth's rate; at another rate than
    the sound's it comes up to 1.5 ms later, by the filter between the two."""

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
        """These sound from there on: `first` and those after it, of that reply."""
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
        """mouth.Playout.sounding. What has not sounded yet is silence."""
        self._follow()
        out = np.zeros(count, np.int16)
        begin, end = max(first, 0), min(first + count, self._resampled_count)
        if begin < end:
            out[begin - first : end - first] = self._resampled[begin:end]
        return out

    def _follow(self) -> None:
        """Bring what has sounded since to the mouth's rate; only what is settled, as a stream cannot be taken back."""
        settled = min(self.settled, len(self.heard))
        if self._caller_rate == self.rate:
            self._resampled_count = settled
            return
        if self._resampler is None:  # most calls have no echo, and never ask
            self._resampler = HotResampler(self.rate, self._caller_rate)
            self._resampled = np.zeros(len(self.heard) * self._caller_rate // self.rate + 1, np.int16)
        out = self._resampler.push_audio(self.heard[self._fed : settled])
        self._resampled[self._resampled_count : self._resampled_count + len(out)] = out
        self._fed, self._resampled_count = settled, self._resampled_count + len(out)
