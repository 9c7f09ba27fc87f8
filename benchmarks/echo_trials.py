"""Echo on the line, offline and seeded: does the agent's own audio interrupt it, and can a caller still do so?

A trial is six seconds of an agent's speech over a line with a synthetic echo (20-500 ms, -10 to -40 dB), noise, and
mu-law both ways. The real detector judges the rest, window by window, and the policy's rules say what is an onset. Two
unexplained windows in a row would be an audible hold longer than 60 ms.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bargein.audio.echo import LineEcho
from bargein.audio.mulaw import from_mulaw, to_mulaw
from bargein.audio.pcm import Pcm, Samples
from bargein.audio.resample import resample
from bargein.audio.silero import CONTEXT, WINDOW, SileroModel
from bargein.call.input.user_audio import UserAudio
from bargein.floor import Policy, SpeechWindow
from bargein.protocols import AudioIn
from bargein.vendors.local.espeak import say
from bargein_bench.agent import SENTENCES
from benchmarks.sounds import RATE as CLIP_RATE
from benchmarks.sounds import clips
from benchmarks.table import Check, SpreadRow, show

RATE, FRAME = 8000, 160
LEAD, SECONDS = 4000, 6
DELAYS_MS, GAINS_DB, NOISES_DB = (20.0, 500.0), (-40.0, -10.0), (-70.0, -60.0)


class Detector:
    """The real model of one stream, without a thread between a frame and its window."""

    dropped = 0

    def __init__(self, model: SileroModel, rate: int = RATE) -> None:
        self._model = model
        self._rate = rate
        self._state = np.zeros((2, 1, 128), np.float32)
        self._rest = np.zeros(CONTEXT[rate], np.float32)
        self._at = 0
        self._on_window: Callable[..., None] = lambda _: None

    def open(self, rate: int, on_window: Callable[..., None]) -> Detector:
        self._on_window = on_window
        return self

    def push_audio(self, samples: Samples) -> None:
        self._rest = np.concatenate((self._rest, samples.astype(np.float32) / 32768))
        size, context = WINDOW[self._rate], CONTEXT[self._rate]
        while len(self._rest) >= size + context:
            speech, self._state = self._model.run(self._rest[None, : size + context], self._state, self._rate)
            self._rest = self._rest[size:]
            self._at += size
            self._on_window(_Window(self._at - size, self._at, float(speech[0])))

    def skip(self, samples: int) -> None:
        self._at += samples

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Window:
    first_sample: int
    last_sample: int
    speech: float


@dataclass(frozen=True, slots=True)
class Trial:
    """One line, once."""

    onsets: list[tuple[float, bool]]
    """Of each window, in order: where it ends, and whether it counts as an onset."""
    at_ms: float | None
    """The caller's first sample. None: there is no caller."""
    cost_us: float
    """Processor time of the echo's work, for each frame."""


def trial(model: SileroModel, agent: Samples, caller: Samples | None, rng: np.random.Generator) -> Trial:
    """One line, once."""
    begin = int(rng.integers(0, len(agent) - SECONDS * RATE))
    sent = np.concatenate((np.zeros(LEAD, np.int16), _coded(agent[begin : begin + SECONDS * RATE].astype(float))))
    shift, gain = int(rng.uniform(*DELAYS_MS) * RATE / 1000), 10 ** (rng.uniform(*GAINS_DB) / 20)
    heard = rng.normal(0, 32768 * 10 ** (rng.uniform(*NOISES_DB) / 20), len(sent))
    heard[shift:] += sent[: len(sent) - shift] * gain
    at: int | None = None
    if caller is not None:
        at = LEAD + int(rng.uniform(2.0, SECONDS - 1.5) * RATE)
        room = heard[at:][: len(caller)]
        room += caller[: len(room)]
    raw = _coded(heard)
    policy, onsets = Policy.balanced(), []
    now = 0.0

    def window(w: SpeechWindow) -> None:
        loud = w.speech >= policy.hold.loud_threshold and w.rise_db >= policy.hold.loud_rise_db
        speech = w.speech >= policy.hold.hold_threshold or loud
        onsets.append((w.until_ms, speech and w.echo < policy.echo.echo_threshold))

    echo = LineEcho(RATE)
    timed = _Timed(echo)
    user_audio = UserAudio(RATE, Detector(model), lambda: now, window, timed)  # type: ignore[arg-type]  # by shape
    out = 0
    for first in range(0, len(raw) - FRAME, FRAME):
        now = (first + FRAME) * 1000 / RATE
        while out < len(sent) and out * 1000 / RATE <= now + 100:
            if out >= LEAD:
                echo.played(out * 1000 / RATE, sent[out : out + FRAME])
            out += FRAME
        user_audio.push_audio(AudioIn(raw[first : first + FRAME], first))
    return Trial(onsets, None if at is None else at * 1000 / RATE, timed.spent_s * 1e6 / (len(raw) // FRAME))


class _Timed:
    """A LineEcho that measures its own time."""

    def __init__(self, echo: LineEcho) -> None:
        self._echo = echo
        self.spent_s = 0.0

    def clean(self, first_sample: int, at_ms: float, samples: Samples) -> Samples:
        began = time.perf_counter()
        cleaned = self._echo.clean(first_sample, at_ms, samples)
        self.spent_s += time.perf_counter() - began
        return cleaned

    def explains(self, first_sample: int, last_sample: int) -> float:
        began = time.perf_counter()
        share = self._echo.explains(first_sample, last_sample)
        self.spent_s += time.perf_counter() - began
        return share


def run(trials: int, seed: int) -> list[SpreadRow | Check]:
    """So many trials with echo alone, and as many with a caller over it."""
    model = SileroModel()
    agent = resample(asyncio.run(say(" ".join(SENTENCES * 2)))[0], RATE).samples
    callers = [resample(Pcm(c.samples, CLIP_RATE), RATE).samples[: 2 * RATE] for c in clips()]
    rng = np.random.default_rng(seed)
    alone = [trial(model, agent, None, rng) for _ in range(trials)]
    spoken = [trial(model, agent, callers[i % len(callers)], rng) for i in range(trials)]
    quiet = sum(not any(a and b for (_, a), (_, b) in zip(t.onsets, t.onsets[1:], strict=False)) for t in alone)
    held = [
        min((ms - t.at_ms for ms, on in t.onsets if on and ms > t.at_ms), default=2000.0) for t in spoken if t.at_ms
    ]
    return [
        Check("echo alone: no hold over 60 ms (goal: 99 %)", quiet, trials),
        Check("interruption over that echo: held within 150 ms (goal: 95 %)", sum(ms <= 150 for ms in held), trials),
        SpreadRow("interruption over that echo: onset to the window that holds", tuple(held)),
        SpreadRow("echo's work on a line that has one, us for each 20 ms", tuple(t.cost_us for t in alone)),
    ]


def _coded(x: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Samples:
    return from_mulaw(to_mulaw(np.clip(np.rint(x), -32768, 32767).astype(np.int16)))


if __name__ == "__main__":
    from rich.console import Console

    show(Console(width=140), run(100, seed=1))
