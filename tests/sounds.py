"""Sounds for tests: people who interrupt, hums, coughs and noises; and where each sound begins.

The repository keeps no recording. The interruptions and the speech are cut from recordings inside the package
moonshine-voice; the other sounds are made by arithmetic, with labels known by construction. `recordings` adds the
folder of recordings where there is one (see `bargein_bench.scenarios.people`): a test over those states which share
must pass, and also runs without the folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from bargein.audio.pcm import Pcm, Samples
from bargein_bench.scenarios import formants, people, readers
from bargein_bench.scenarios.clips import RATE, Clip, read_folder
from bargein_bench.scenarios.formants import Floats
from benchmarks.sounds import room

Kind = Literal["interruption", "backchannel", "cough", "noise", "speech"]

LEAD_MS, TAIL_MS = 100, 100  # of a quiet room around what is made
COUGH_DB, HUM_DB, NOISE_DB = -12.0, -28.0, -20.0  # of full scale, as recordings of such sounds have them
SPEECH_DB = -19.0  # "speech.wav" stands for an agent's voice in the tests of echo
DOG: formants.Resonances = ((850, 200), (1_900, 260), (3_100, 350), (4_600, 500))


@dataclass(frozen=True, slots=True)
class Label:
    """One sound. file: the name by which `load` knows it; onset_ms, end_ms: from its first sample; text: None when it
    has no words."""

    file: str
    kind: Kind
    onset_ms: float
    end_ms: float
    text: str | None
    source: str
    licence: str


@cache
def labels(kind: Kind | None = None) -> tuple[Label, ...]:
    """All sounds that are always there, or those of one kind, in the order of their names."""
    return tuple(label for label, _ in _sounds().values() if kind in (None, label.kind))


@cache
def load(name: str) -> Pcm:
    """The sound of that name, 16 000 Hz."""
    samples = _sounds()[name][1]
    samples.flags.writeable = False  # shared by every test that loads it
    return Pcm(samples, RATE)


@cache
def recordings(kind: str) -> tuple[Clip, ...]:
    """The clips of one kind of `bargein_bench.scenarios.clips.KINDS` in the folder of recordings; none without it."""
    return tuple(clip for clip in _recorded() if clip.kind == kind)


@cache
def _recorded() -> tuple[Clip, ...]:
    folder = people.recordings_folder()
    return () if folder is None else tuple(read_folder(folder))


@cache
def _sounds() -> dict[str, tuple[Label, Samples]]:
    found = {label.file: (label, samples) for label, samples in (*_read(), *_made())}
    return dict(sorted(found.items()))


def _read() -> Iterator[tuple[Label, Samples]]:
    for number, phrase in enumerate(readers.INTERRUPTIONS, 1):
        yield _phrase(f"interruption-{number}.wav", "interruption", phrase)
    yield _phrase("speech.wav", "speech", readers.SPEECH, SPEECH_DB)


def _phrase(name: str, kind: Kind, phrase: readers.Phrase, db: float = readers.LEVEL_DB) -> tuple[Label, Samples]:
    clip = readers.clip(kind, phrase).at_level(db)
    source = f"{readers.SOURCE}/{phrase.file}, samples {phrase.onset} to {phrase.end}"
    return Label(name, kind, clip.onset_ms, clip.end_ms, phrase.text, source, readers.LICENCE), clip.samples


def _made() -> Iterator[tuple[Label, Samples]]:
    """The coughs' seeds are chosen so that the detector always hears an onset, and speech in five windows at most,
    wherever its windows begin. Some people's coughs are more like speech: the folder of recordings has such."""
    sounds: tuple[tuple[str, Kind, Floats, float], ...] = (
        ("backchannel-1.wav", "backchannel", formants.mm_hmm(_seeded(1)), HUM_DB),
        ("backchannel-2.wav", "backchannel", formants.mm(_seeded(1)), HUM_DB),
        ("cough-1.wav", "cough", formants.cough(_seeded(14)), COUGH_DB),
        ("cough-2.wav", "cough", formants.cough(_seeded(10), lasts_ms=480, voiced=0.1, again_ms=250), COUGH_DB),
        ("cough-3.wav", "cough", formants.cough(_seeded(5), lasts_ms=260, voiced=0.3), COUGH_DB),
        ("dog.wav", "noise", _barks(_seeded(1)), NOISE_DB),
        ("tap.wav", "noise", _taps(_seeded(1)), NOISE_DB),
    )
    for name, kind, signal, level_db in sounds:
        whole = np.rint(signal / np.abs(signal).max() * 32_000).astype(np.int16)
        lasts_ms = len(whole) * 1000 / RATE
        heard = Clip(kind, name, whole, 0.0, lasts_ms).at_level(level_db).samples.astype(np.int32)
        around = room(LEAD_MS + lasts_ms + TAIL_MS).astype(np.int32)
        at = LEAD_MS * RATE // 1000
        around[at : at + len(heard)] += heard
        samples = np.clip(around, -32768, 32767).astype(np.int16)
        yield Label(name, kind, LEAD_MS, LEAD_MS + lasts_ms, None, "made by arithmetic", "as this repository"), samples


def _seeded(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def _barks(rng: np.random.Generator) -> Floats:
    """A dog that barks three times: a pitch that leaps up and falls, hoarse, through a long snout."""
    parts: list[Floats] = []
    for _ in range(3):
        lasts_ms = rng.uniform(130, 170)
        samples = int(lasts_ms * RATE / 1_000)
        pitch = rng.uniform(520, 600) * formants.contour(((0, 0.7), (30, 1.25), (lasts_ms, 0.6)), samples)
        loud = formants.contour(((0, 0), (8, 1), (0.6 * lasts_ms, 0.7), (lasts_ms, 0)), samples)
        hoarse = formants.folds(pitch, rng, unsteady=0.05) + rng.normal(0, 1.2, samples)
        parts += [formants.tract(hoarse * loud, DOG), np.zeros(int(rng.uniform(230, 300) * RATE / 1_000))]
    return np.concatenate(parts[:-1])


def _taps(rng: np.random.Generator) -> Floats:
    """Three taps on a table: a click, and the board that booms after it."""
    signal = np.zeros(int(0.78 * RATE))
    t = np.arange(int(0.12 * RATE)) / RATE
    for at_s in (0.0, 0.31, 0.62):
        tap = rng.normal(0, 1, len(t)) * np.exp(-t / 0.003)
        tap += 0.8 * np.sin(2 * np.pi * rng.uniform(180, 260) * t) * np.exp(-t / 0.02)
        tap += 0.3 * np.sin(2 * np.pi * rng.uniform(900, 1_400) * t) * np.exp(-t / 0.008)
        at = int(at_s * RATE)
        signal[at : at + len(tap)] += rng.uniform(0.6, 1) * tap
    return signal
