"""A front end that does as it is told, heads with known answers, and sounds as the product has them."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from bargein.audio.pcm import Pcm, Samples
from bargein.audio.resample import resample
from bargein.audio.silero import Floats
from bargein.audio.sound import LEAD_MS
from bargein.audio.sound.features import FRAMES
from bargein.audio.sound.front_end import EMBEDDING, MEL_BANDS
from bargein.audio.sound.head import FILE
from tests import sounds
from tests.audio.vad_kit import alone

CURVE = (0.4, 0.9, 0.99, 0.99, 0.99, 0.98, 0.97, 0.99, 0.9)
OPENS = 0.08  # loud sound is an onset from this probability on
BY_CURVE, BY_SPECTRUM, BY_FULL = 0.6, 0.7, 0.2


def speech(ms: float = 360, rate: int = 16000) -> Pcm:
    """Any sound."""
    noise = np.random.default_rng(4).normal(0, 2000, int(ms * rate / 1000))
    return Pcm(noise.astype(np.int16), rate)


class ToldFrontEnd:
    """Counts its looks. gate: each look waits for it."""

    def __init__(self, *, gate: threading.Event | None = None, raises: bool = False, gives: float = 0.0) -> None:
        self.looks = 0
        self.embedded = 0
        self.threads: set[int] = set()
        self._gate, self._raises, self._gives = gate, raises, gives

    def mel(self, samples: Floats) -> Floats:
        self.looks += 1
        self.threads.add(threading.get_ident())
        if self._gate is not None:
            self._gate.wait(20)
        if self._raises:
            raise ValueError("a broken network")
        return np.full((FRAMES, MEL_BANDS), self._gives, np.float32)

    def embeddings(self, windows: Floats) -> Floats:
        self.embedded += 1
        return np.zeros((len(windows), EMBEDDING), np.float32)


def head_file(folder: Path, *, settled: float = 0.9, **changed: Any) -> Path:
    """A head that gives OPENS = 0.08  # loud sound is an onset from this probability on
    BY_CURVE, BY_SPECTRUM and BY_FULL, whatever it hears."""
    read = json.loads(FILE.read_text())
    for name, words in (("curve", BY_CURVE), ("spectrum", BY_SPECTRUM), ("full", BY_FULL)):
        read[name] = {"weights": [0.0] * len(read[name]["weights"]), "bias": math.log(words / (1 - words))}
    read |= {"settled": settled} | changed
    path = folder / "head.json"
    path.write_text(json.dumps(read))
    return path


def changed_head(folder: Path, change: Mapping[str, Any]) -> Path:
    """The shipped head with other values."""
    path = folder / "head.json"
    path.write_text(json.dumps(json.loads(FILE.read_text()) | dict(change)))
    return path


@cache
def heard(name: str, rate: int = 16000) -> tuple[Samples, tuple[float, ...]]:
    """A sound of tests.sounds from LEAD_MS before the VAD's first crossing on, and Silero's curve since then."""
    clip = sounds.load(name)
    onset_ms = next(label.onset_ms for label in sounds.labels() if label.file == name)
    before = clip.samples[max(0, int((onset_ms - LEAD_MS) * clip.rate / 1000)) :]
    quiet = np.random.default_rng(3).normal(0, 12, clip.rate).astype(np.int16)
    samples = resample(Pcm(np.concatenate((quiet[: clip.rate // 2], before, quiet)), clip.rate), rate).samples
    windows = alone(samples, rate, 0)
    first = next(i for i, window in enumerate(windows) if window.speech >= OPENS)
    begin = max(0, windows[first].first_sample - rate * LEAD_MS // 1000)
    return samples[begin:], tuple(window.speech for window in windows[first:])


def look(name: str, ms: int, rate: int = 16000) -> tuple[Pcm, tuple[float, ...]]:
    """What the product has of the sound at this length after its onset."""
    samples, curve = heard(name, rate)
    return Pcm(samples[: (LEAD_MS + ms) * rate // 1000], rate), curve[: ms // 32]
