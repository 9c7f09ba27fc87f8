"""Recorded sounds for tests: people who interrupt, who only say "mm-hmm", who cough; and where each one begins."""

from __future__ import annotations

import json
import wave
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from bargein.audio.pcm import Pcm

FOLDER = Path(__file__).parent / "data" / "audio"
Kind = Literal["interruption", "backchannel", "cough", "noise", "speech"]


@dataclass(frozen=True, slots=True)
class Label:
    """One sound. onset_ms, end_ms: from the file's first sample; text: None when the words are not known."""

    file: str
    kind: Kind
    onset_ms: float
    end_ms: float
    text: str | None
    source: str
    licence: str


@cache
def labels(kind: Kind | None = None) -> tuple[Label, ...]:
    """All sounds, or those of one kind, in the order of their names."""
    found = (Label(**fields) for fields in json.loads((FOLDER / "labels.json").read_text()))
    return tuple(label for label in found if kind in (None, label.kind))


@cache
def load(name: str) -> Pcm:
    """The sound of that file name, 16 000 Hz."""
    with wave.open(str(FOLDER / name), "rb") as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)
        samples.flags.writeable = False  # shared by every test that loads it
        return Pcm(samples, file.getframerate())
