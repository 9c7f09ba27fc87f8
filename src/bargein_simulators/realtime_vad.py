"""The voice activity detection of a simulated realtime server: Silero, on the clock of the audio."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bargein.audio.pcm import Pcm, Samples
from bargein.audio.silero import CONTEXT, STATE, WINDOW, Floats
from bargein_simulators.simulated_stt import silero

RELEASE = 0.15  # a window is quiet from so far below the threshold on
KEEP_MS = 60_000  # of audio that was not committed


@dataclass(frozen=True, slots=True)
class DetectedSpeech:
    """A begin or an end of speech."""

    kind: Literal["started", "stopped"]
    at_ms: float
    """Position of the begin or the end in the session's audio."""
    began_ms: float
    """Position of the begin."""


class SimulatedServerVAD:
    """Keeps the audio that was not committed, and finds speech in it.

    rate: 8000 or 16000 Hz. threshold: 0..1. silence_ms: quiet that ends speech. on: False, and no speech is found.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.threshold = 0.5
        self.silence_ms = 500.0
        self.on = True
        self.speaking = False
        self.speech_ms = 0.0  # begin of the running speech
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
        """Length of the session's audio so far."""
        return self._end * 1000 / self.rate

    @property
    def waiting_ms(self) -> float:
        """Length of the audio that was not committed."""
        return (self._end - self._kept_from) * 1000 / self.rate

    def push_audio(self, samples: Samples) -> list[DetectedSpeech]:
        """Take the next audio. Returns the begins and ends of speech in it."""
        self._kept.append(samples)
        self._end += len(samples)
        while self.waiting_ms > KEEP_MS:
            self._kept_from += len(self._kept.popleft())
        send_event: list[DetectedSpeech] = []
        joined = np.concatenate((self._rest, samples))
        while len(joined) >= self._context + self._size:
            window, joined = joined[: self._context + self._size], joined[self._size :]
            self._judged += self._size
            if self.on:
                batch: Floats = (window.astype(np.float32) / np.float32(32768))[None, :]
                speech, self._state = silero().run(batch, self._state, self.rate)
                self._window(float(speech[0]), send_event)
        self._rest = joined
        return send_event

    def commit(self, from_ms: float = 0.0, until_ms: float | None = None) -> Pcm:
        """The audio between two positions, which is committed now. Audio after until_ms stays in the buffer."""
        samples = self._waiting()
        begin = max(0, int(from_ms * self.rate / 1000) - self._kept_from)
        end = len(samples) if until_ms is None else max(0, int(until_ms * self.rate / 1000) - self._kept_from)
        self._kept = deque([samples[end:]])
        self._kept_from += min(end, len(samples))
        return Pcm(samples[begin:end], self.rate)

    def clear(self) -> None:
        """Discard the audio that was not committed."""
        self._kept.clear()
        self._kept_from = self._end

    def since(self, from_ms: float) -> Pcm:
        """The audio from a position on that was not committed."""
        samples = self._waiting()
        return Pcm(samples[max(0, int(from_ms * self.rate / 1000) - self._kept_from) :], self.rate)

    def _waiting(self) -> Samples:
        return np.concatenate(list(self._kept) or [np.zeros(0, np.int16)])

    def _window(self, speech: float, send_event: list[DetectedSpeech]) -> None:
        now, size_ms = self._judged * 1000 / self.rate, self._size * 1000 / self.rate
        if speech >= self.threshold:
            self._voiced_ms = now
            if not self.speaking:
                self.speaking, self.speech_ms = True, now - size_ms
                send_event.append(DetectedSpeech("started", self.speech_ms, self.speech_ms))
        elif self.speaking and speech >= self.threshold - RELEASE:
            self._voiced_ms = now
        elif self.speaking and now - self._voiced_ms >= self.silence_ms:
            self.speaking = False
            send_event.append(DetectedSpeech("stopped", now, self.speech_ms))
