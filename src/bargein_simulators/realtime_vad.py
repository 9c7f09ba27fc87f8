"""The voice activity detection of a simulated realtime server: Silero, on the clock of the sound that it gets."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bargein.audio.pcm import Pcm, Samples
from bargein.audio.silero import CONTEXT, STATE, WINDOW, Floats
from bargein_simulators.simulated_stt import silero

RELEASE = 0.15  # below the threshold by so much a window is quiet
KEEP_MS = 60_000  # of what was not committed


@dataclass(frozen=True, slots=True)
class DetectedSpeech:
    """at_ms: where speech began or ended, from the first sample of the session; began_ms: where it began."""

    kind: Literal["started", "stopped"]
    at_ms: float
    began_ms: float


class SimulatedServerVAD:
    """Keeps what was not committed, and finds speech in it. rate: 8000 or 16000 Hz. threshold 0..1; silence_ms: that
    ends speech; on: off, nothing is ever found."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.threshold = 0.5
        self.silence_ms = 500.0
        self.on = True
        self.speaking = False
        self.speech_ms = 0.0  # of the running speech, where it began
        self._size, self._context = WINDOW[rate], CONTEXT[rate]
        self._rest: Samples = np.zeros(self._context, np.int16)
        self._state: Floats = np.zeros((2, 1, STATE), np.float32)
        self._judged = 0
        self._voiced_ms = 0.0
        self._kept: deque[Samples] = deque()
        self._kept_from = 0
        self._end = 0

    @property
    def now_ms(self) -> float:
        """So much sound has come in this session."""
        return self._end * 1000 / self.rate

    @property
    def waiting_ms(self) -> float:
        """So much of it was not committed."""
        return (self._end - self._kept_from) * 1000 / self.rate

    def push_audio(self, samples: Samples) -> list[DetectedSpeech]:
        """The next stretch; what was found by it."""
        self._kept.append(samples)
        self._end += len(samples)
        while self.waiting_ms > KEEP_MS:
            self._kept_from += len(self._kept.popleft())
        out: list[DetectedSpeech] = []
        joined = np.concatenate((self._rest, samples))
        while len(joined) >= self._context + self._size:
            window, joined = joined[: self._context + self._size], joined[self._size :]
            self._judged += self._size
            if self.on:
                batch: Floats = (window.astype(np.float32) / np.float32(32768))[None, :]
                speech, self._state = silero().run(batch, self._state, self.rate)
                self._window(float(speech[0]), out)
        self._rest = joined
        return out

    def take(self, from_ms: float = 0.0, until_ms: float | None = None) -> Pcm:
        """What waits between two moments, which is committed now; what comes after them goes on waiting."""
        samples = self._waiting()
        begin = max(0, int(from_ms * self.rate / 1000) - self._kept_from)
        end = len(samples) if until_ms is None else max(0, int(until_ms * self.rate / 1000) - self._kept_from)
        self._kept = deque([samples[end:]])
        self._kept_from += min(end, len(samples))
        return Pcm(samples[begin:end], self.rate)

    def clear(self) -> None:
        """Drop what waits."""
        self._kept.clear()
        self._kept_from = self._end

    def since(self, from_ms: float) -> Pcm:
        """What waits of the sound from there on."""
        samples = self._waiting()
        return Pcm(samples[max(0, int(from_ms * self.rate / 1000) - self._kept_from) :], self.rate)

    def _waiting(self) -> Samples:
        return np.concatenate(list(self._kept) or [np.zeros(0, np.int16)])

    def _window(self, speech: float, out: list[DetectedSpeech]) -> None:
        now, size_ms = self._judged * 1000 / self.rate, self._size * 1000 / self.rate
        if speech >= self.threshold:
            self._voiced_ms = now
            if not self.speaking:
                self.speaking, self.speech_ms = True, now - size_ms
                out.append(DetectedSpeech("started", self.speech_ms, self.speech_ms))
        elif self.speaking and speech >= self.threshold - RELEASE:
            self._voiced_ms = now
        elif self.speaking and now - self._voiced_ms >= self.silence_ms:
            self.speaking = False
            out.append(DetectedSpeech("stopped", now, self.speech_ms))
