"""Is there the beep of an answering machine in some audio? One steady tone, alone, between 390 and 2100 Hz.

A beep is told from a voice by three facts at once: nearly all energy lies in one spectral line (a vowel has harmonics),
the line stays at one frequency (a voice glides), and at one level (a voice swells). A key of a telephone has two lines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bargein.audio.pcm import Pcm, Samples

HOP_MS, FRAME_MS = 20, 40
LEAST_FRAMES = 4  # that lie wholly in a tone of 120 ms, wherever it begins
MOST_MS = 3_000.0  # longer ones are dial tones and faults
LOWEST_HZ, HIGHEST_HZ = 390.0, 2100.0
SHARE = 0.94  # of a frame's energy in the tone and its two neighbours on each side
STEADY_HZ = 2.5  # a beep is made by a clock
STEADY_DB = 1.0
QUIETEST = 100.0  # rms of 16 bit: -50 dBFS


@dataclass(frozen=True, slots=True)
class Beep:
    """A beep that is over."""

    begin: int
    """Its first sample, to within a frame."""
    end: int
    """The sample after its last."""
    hz: float


class BeepWatch:
    """Finds beeps in a stream of audio, chunk by chunk."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._hop = rate * HOP_MS // 1000
        self._size = rate * FRAME_MS // 1000
        self._window = np.hanning(self._size).astype(np.float32)
        self._low = int(np.ceil(LOWEST_HZ * self._size / rate))
        self._high = int(HIGHEST_HZ * self._size / rate)
        self._tail: Samples = np.zeros(0, np.int16)
        self._at = 0  # position of the tail's first sample
        self._run = 0  # frames of one tone
        self._run_from = 0
        self._hz = self._db = 0.0  # of the run so far

    def push(self, samples: Samples) -> Beep | None:
        """Take the next audio. Returns a beep that ended in it."""
        joined = np.concatenate((self._tail, samples)) if len(self._tail) else samples
        found: Beep | None = None
        at = 0
        while at + self._size <= len(joined):
            found = self._frame(joined[at : at + self._size], self._at + at) or found
            at += self._hop
        self._tail = joined[at:].copy()
        self._at += at
        return found

    def finish(self) -> Beep | None:
        """No audio follows: the beep that still sounded. None: none did."""
        return self._end(self._at)

    def _frame(self, frame: Samples, at: int) -> Beep | None:
        tone = self._tone(frame)
        if tone is None:
            return self._end(at)
        hz, db = tone
        same = self._run > 0 and abs(hz - self._hz) <= STEADY_HZ and abs(db - self._db) <= STEADY_DB
        over = None
        if not same:
            over = self._end(at)
            self._run, self._run_from = 0, at
        self._run += 1
        self._hz += (hz - self._hz) / self._run
        self._db += (db - self._db) / self._run
        return over

    def _end(self, at: int) -> Beep | None:
        run, self._run = self._run, 0
        end = at - self._hop + self._size
        long = (end - self._run_from) * 1000 / self._rate > MOST_MS
        return Beep(self._run_from, end, self._hz) if run >= LEAST_FRAMES and not long else None

    def _tone(self, frame: Samples) -> tuple[float, float] | None:
        """Frequency and level of the one tone in a frame. None: there is none."""
        wave = frame.astype(np.float32)
        wave -= wave.mean()
        square = float(np.dot(wave, wave)) / self._size
        if square < QUIETEST**2:
            return None
        power = np.square(np.abs(np.fft.rfft(wave * self._window)))
        peak = int(power[self._low : self._high + 1].argmax()) + self._low
        if float(power[peak - 2 : peak + 3].sum()) < SHARE * float(power[2:].sum()):
            return None
        left, middle, right = np.log(power[peak - 1 : peak + 2] + 1.0)
        bent = left - 2 * middle + right
        offset = 0.5 * (left - right) / bent if bent < 0 else 0.0
        return (peak + float(offset)) * self._rate / self._size, 10 * float(np.log10(square))


def has_beep(pcm: Pcm) -> bool:
    """Whether there is a beep in a whole recording."""
    watch = BeepWatch(pcm.rate)
    return watch.push(pcm.samples) is not None or watch.finish() is not None
