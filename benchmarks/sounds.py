"""Interruptions for the benchmarks: people's voices with labelled onsets, and a quiet room around them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bargein.audio.pcm import Samples
from bargein.errors import UsageError
from bargein_bench.scenarios.clips import RATE, read_folder
from bargein_bench.scenarios.people import at_hand
from bargein_bench.scenarios.readers import LEVEL_DB

__all__ = ["RATE", "InterruptionScript", "VoiceClip", "clips", "room", "script"]

ROOM_DBFS = -66.0  # a quiet room: digital silence is not what a microphone gives
FADE_MS = 2  # the room's own noise fades over into the clip's


@dataclass(frozen=True, slots=True)
class VoiceClip:
    """A spoken interruption that begins at its first sample."""

    name: str
    samples: Samples


def clips(directory: Path | None = None, seed: int = 1) -> list[VoiceClip]:
    """The interruptions with an exact onset: of a folder (see `read_folder`), or else of the people at hand. Mixed by
    seed, so that the first few are of several people. Raises UsageError when there are none."""
    sounds = at_hand() if directory is None else read_folder(directory)
    found = [
        VoiceClip(sound.name, sound.at_level(LEVEL_DB).samples[int(sound.onset_ms * RATE / 1000) :])
        for sound in sounds
        if sound.kind == "interruption" and sound.exact
    ]
    if not found:
        advice = "Install bargein[moonshine], or give a folder whose manifest.json names some"
        raise UsageError("There are no interruptions to play", advice=advice)
    return [found[i] for i in np.random.default_rng(seed).permutation(len(found))]


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
    """A quiet room in which a caller interrupts at intervals."""
    total = room(first_ms + every_ms * times).astype(np.int32)
    onsets = []
    for i in range(times):
        at = int((first_ms + every_ms * i) * RATE / 1000)
        clip = sounds[i % len(sounds)].samples[: int(most_ms * RATE / 1000)].astype(np.int32)
        total[at : at + len(clip)] += clip
        onsets.append(at)
    return InterruptionScript(np.clip(total, -32768, 32767).astype(np.int16), tuple(onsets))
