"""Records made by hand: the agent's audio is known to the sample."""

from __future__ import annotations

import numpy as np

from bargein.audio.pcm import Samples
from bargein_bench.callers.caller_audio import SayLine, SpokenLine
from bargein_bench.record import RATE, AudioSpan, ClearSent, Record

MS = RATE // 1000


def speech_like(seed: int, ms: int, *, breath: int = 0) -> Samples:
    """Audio like speech: syllables of noise, each of its own colour. breath: the same words, spoken again."""
    rng, breath_rng = np.random.default_rng(seed), np.random.default_rng([seed, breath])
    out = np.zeros(ms * MS)
    at = 0
    while at < len(out):
        size = int(rng.uniform(0.1, 0.25) * RATE)
        colour = np.convolve(rng.normal(0, 1, size), np.ones(int(rng.integers(2, 9))), "same")
        syllable = out[at : at + size]
        syllable += (colour * np.hanning(size))[: len(syllable)]
        at += size + int(rng.uniform(0.01, 0.05) * RATE)
    if breath:
        out += breath_rng.normal(0, 0.1 * float(np.std(out)), len(out))
    speech: Samples = np.rint(out / np.abs(out).max() * 12_000).astype(np.int16)
    return speech


class AgentAudio:
    """The agent's audio, chunk by chunk, from the begin of the call."""

    def __init__(self) -> None:
        self._samples: list[Samples] = []
        self._spans: list[AudioSpan] = []
        self._cleared: list[ClearSent] = []

    @property
    def now_ms(self) -> int:
        return sum(len(p) for p in self._samples) // MS

    def says(self, samples: Samples, reply: str | None = None, first: int | None = None) -> AgentAudio:
        begin = self.now_ms * MS
        self._samples.append(samples)
        self._spans.append(AudioSpan(begin, begin + len(samples), reply, first))
        return self

    def quiet(self, ms: int) -> AgentAudio:
        self._samples.append(np.zeros(ms * MS, np.int16))
        return self

    def discards(self, samples: Samples) -> AgentAudio:
        self._cleared.append(ClearSent(self.now_ms * MS, samples))
        return self

    def record(self, *spoken: tuple[int, int]) -> Record:
        """spoken: (onset, end) in ms."""
        agent = np.concatenate(self._samples)
        lines = tuple(SpokenLine(SayLine(0, agent[:0], name=str(n)), a * MS, b * MS) for n, (a, b) in enumerate(spoken))
        return Record(agent, np.zeros(len(agent), np.int16), lines, tuple(self._spans), tuple(self._cleared))
