"""Interruptions for the benchmarks: recorded voices with labelled onsets, and a quiet room around them."""

from __future__ import annotations

import json
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bargein.audio.pcm import Samples
from bargein.errors import UsageError

RATE = 16_000
ROOM_DBFS = -66.0  # a quiet room: digital silence is not what a microphone gives
FADE_MS = 2  # the room's own noise fades over into the clip's


@dataclass(frozen=True, slots=True)
class VoiceClip:
    """A spoken interruption that begins at its first sample."""

    name: str
    samples: Samples


def clips(directory: Path) -> list[VoiceClip]:
    """The interruptions of a folder with WAV files and a labels.json (kind, onset_ms). Raises Misuse when none."""
    try:
        labels = json.loads((directory / "labels.json").read_text())
    except OSError as error:
        raise UsageError(f"No sounds at {directory}", advice="Run it in a checkout, or give --sounds DIR") from error
    found = []
    for label in labels:
        if label["kind"] == "interruption":
            samples = _wav(directory / label["file"])
            found.append(VoiceClip(label["file"], samples[int(label["onset_ms"] * RATE / 1000) :]))
    if not found:
        raise UsageError(f"No interruptions in {directory}", advice="Give a folder whose labels.json names some")
    return found


def room(ms: float, seed: int = 1) -> Samples:
    """Noise of a quiet room."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 32768 * 10 ** (ROOM_DBFS / 20), int(ms * RATE / 1000))
    return np.clip(np.rint(noise), -32768, 32767).astype(np.int16)


@dataclass(frozen=True, slots=True)
class InterruptionScript:
    """A microphone's signal. onsets: positions of the first speech sample of each interruption."""

    samples: Samples
    onsets: tuple[int, ...]


def script(
    sounds: list[VoiceClip], *, first_ms: float, every_ms: float, times: int, most_ms: float = 1_600
) -> InterruptionScript:
    """A quiet room in which somebody interrupts every so often."""
    total = room(first_ms + every_ms * times).astype(np.int32)
    onsets = []
    for i in range(times):
        at = int((first_ms + every_ms * i) * RATE / 1000)
        clip = sounds[i % len(sounds)].samples[: int(most_ms * RATE / 1000)].astype(np.int32)
        total[at : at + len(clip)] += clip
        onsets.append(at)
    return InterruptionScript(np.clip(total, -32768, 32767).astype(np.int16), tuple(onsets))


def _wav(path: Path) -> Samples:
    with wave.open(str(path), "rb") as file:
        if file.getframerate() != RATE or file.getnchannels() != 1 or file.getsampwidth() != 2:
            raise UsageError(f"{path} is not 16-bit mono at {RATE} Hz", advice="Convert it, with sox for instance")
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)
