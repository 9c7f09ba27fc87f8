"""Interruptions: phrases from recordings inside the wheel of the package moonshine-voice (MIT).

This repository keeps no recording, only positions: where in a file of the package a phrase begins and ends, in samples.
Each onset was found once by level: the first 2 ms at 10 dB above the pause before the phrase, where four fifths of the
next 20 ms are as loud. Three people speak: one each in `two_cities.wav`, `beckett.wav` and `clone-test.wav`.
"""

from __future__ import annotations

import wave
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from bargein.audio.pcm import Pcm, Samples
from bargein.audio.resample import resample
from bargein.errors import Unavailable
from bargein_bench.scenarios.clips import RATE, Clip

PACKAGE = "moonshine_voice"
SOURCE = "moonshine-voice 0.1.0, assets"
LICENCE = "MIT (package)"
ADVICE = "Install the extra: bargein[moonshine]"
LEAD_MS, TAIL_MS = 320, 130  # of the reader's pause, before the phrase and behind it
FADE_MS = 100  # of either: a room that begins at once sounds like speech to a detector
LEVEL_DB = -22.0  # of full scale, in the phrase: the readers' own levels are 15 dB apart

# Samples in each file: another release may carry other recordings under the same names.
LENGTHS = {"two_cities.wav": 2_129_958, "beckett.wav": 159_414, "clone-test.wav": 65_758}


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase in a recording."""

    file: str
    """A file of the package's assets."""
    onset: int
    """The first sample of the speech, at the file's own rate."""
    end: int
    """The first sample after the speech."""
    text: str
    """The words, as the reader says them."""


INTERRUPTIONS = (
    Phrase("two_cities.wav", 1_275_936, 1_356_576, "we were all going direct the other way"),
    Phrase("clone-test.wav", 7_648, 38_016, "I do, I think that America do it"),
    Phrase("two_cities.wav", 1_020_096, 1_085_472, "we had everything before us"),
    Phrase("two_cities.wav", 1_183_584, 1_246_752, "we were all going direct to heaven"),
    Phrase("two_cities.wav", 1_436_832, 1_546_464, "the period was so far like the present period"),
    Phrase("beckett.wav", 5_216, 19_200, "ever tried"),
    Phrase("two_cities.wav", 423_552, 484_704, "it was the epoch of belief"),
)
# Two sentences: the pause between them lasts 900 ms.
SPEECH = Phrase(
    "two_cities.wav",
    727_392,
    981_888,
    "it was the season of darkness; it was the spring of hope, it was the winter of despair",
)


def interruptions() -> list[Clip]:
    """All of INTERRUPTIONS, in their order. Raises Unavailable where the package, or its recordings, are not there."""
    return [clip("interruption", phrase) for phrase in INTERRUPTIONS]


def clip(kind: str, phrase: Phrase) -> Clip:
    """A phrase with the pause around it. Raises Unavailable."""
    samples, rate = recording(phrase.file)
    lead, tail = LEAD_MS * rate // 1000, TAIL_MS * rate // 1000
    cut = resample(Pcm(samples[phrase.onset - lead : phrase.end + tail], rate), RATE).samples
    fade = np.linspace(0, 1, FADE_MS * RATE // 1000)
    cut = np.rint(cut * np.concatenate((fade, np.ones(len(cut) - 2 * len(fade)), fade[::-1]))).astype(np.int16)
    end_ms = LEAD_MS + (phrase.end - phrase.onset) * 1000 / rate
    return Clip(kind, phrase.text, cut, float(LEAD_MS), end_ms).at_level(LEVEL_DB)


def recording(name: str) -> tuple[Samples, int]:
    """A file of the package's, with its rate. Raises Unavailable."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise Unavailable("The package moonshine-voice is not installed", advice=ADVICE)
    path = Path(spec.origin).parent / "assets" / name
    try:
        with wave.open(str(path), "rb") as file:
            if file.getnframes() != LENGTHS[name] or file.getnchannels() != 1 or file.getsampwidth() != 2:
                raise Unavailable(f"{path.name} of moonshine-voice is another recording", advice=ADVICE)
            return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16), file.getframerate()
    except (OSError, EOFError, wave.Error) as error:
        raise Unavailable(f"moonshine-voice has no {name}: {error}", advice=ADVICE) from None
