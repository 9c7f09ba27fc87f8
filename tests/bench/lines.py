"""Records made by hand: an agent whose line one knows to the sample."""

from __future__ import annotations

import numpy as np

from bargein.audio.pcm import Samples
from bargein_bench.callers.caller_audio import SayLine, SpokenLine
from bargein_bench.record import RATE, AudioSpan, ClearSent, Record

MS = RATE // 1000


def voice(seed: int, ms: int, *, breath: int = 0) -> Samples:
    """Something like speech: syllables of noise of their own colour. breath: another take of the same words."""
    rng, own = np.random.default_rng(seed), np.random.default_rng([seed, breath])
    out = np.zeros(ms * MS)
    at = 0
    while at < len(out):
        size = int(rng.uniform(0.1, 0.25) * RATE)
        colour = np.convolve(rng.normal(0, 1, size), np.ones(int(rng.integers(2, 9))), "same")
        part = out[at : at + size]
        part += (colour * np.hanning(size))[: len(part)]
        at += size + int(rng.uniform(0.01, 0.05) * RATE)
    if breath:
        out += own.normal(0, 0.1 * float(np.std(out)), len(out))
    said: Samples = np.rint(out / np.abs(out).max() * 12_000).astype(np.int16)
    return said


class Line:
    """An agent's side, piece by piece, from the call's beginning on."""

    def __init__(self) -> None:
        self._parts: list[Samples] = []
        self._stretches: list[AudioSpan] = []
        self._cleared: list[ClearSent] = []

    @property
    def now_ms(self) -> int:
        return sum(len(p) for p in self._parts) // MS

    def says(self, samples: Samples, reply: str | None = None, first: int | None = None) -> Line:
        begin = self.now_ms * MS
        self._parts.append(samples)
        self._stretches.append(AudioSpan(begin, begin + len(samples), reply, first))
        return self

    def quiet(self, ms: int) -> Line:
        self._parts.append(np.zeros(ms * MS, np.int16))
        return self

    def throws_away(self, samples: Samples) -> Line:
        self._cleared.append(ClearSent(self.now_ms * MS, samples))
        return self

    def record(self, *spoken: tuple[int, int]) -> Record:
        """spoken: (onset, end) in ms."""
        agent = np.concatenate(self._parts)
        said = tuple(SpokenLine(SayLine(0, agent[:0], name=str(n)), a * MS, b * MS) for n, (a, b) in enumerate(spoken))
        return Record(agent, np.zeros(len(agent), np.int16), said, tuple(self._stretches), tuple(self._cleared))
