"""The sound head: three logistic regressions, and the file that holds them.

`curve` hears Silero's seven numbers, which cost nothing, and answers alone where there is no front end. `spectrum`
hears the mel spectrum, too (0.5 ms of a core): where it is sure of words, as of most, its answer stands. `full` hears
two embeddings besides (1.5 ms). All have the same threshold.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bargein.audio.pcm import Pcm
from bargein.audio.silero import Floats
from bargein.audio.sound.features import (
    CURVE_NUMBERS,
    EMBEDDED_NUMBERS,
    LAYOUT,
    RATE,
    SPECTRUM_NUMBERS,
    embedded_numbers,
    levelled,
    spectrum_numbers,
)
from bargein.audio.sound.front_end import SoundFrontEnd
from bargein.errors import Unavailable

FORMAT, VERSION = "bargein sound head", 1
FILE = Path(__file__).with_name("head.json")
ADVICE = "Install Bargein again, or train a head with tools/train_sound_head.py"


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """A logistic regression."""

    weights: Floats
    """Shape (n,)."""
    bias: float

    def probability(self, numbers: Floats) -> float | None:
        """Of words, 0..1. None: the numbers are not finite. numbers: shape (n,)."""
        score = float(numbers @ self.weights) + self.bias
        if not math.isfinite(score):
            return None
        return 1 / (1 + math.exp(-min(max(score, -60.0), 60.0)))


@dataclass(frozen=True, slots=True, eq=False)
class SoundHead:
    """Weights and numbers of one training."""

    curve: Regression
    """Of the seven numbers of the curve."""
    spectrum: Regression
    """Of the curve's numbers, and then the spectrum's."""
    full: Regression
    """Of the curve's numbers, the spectrum's, and then the embeddings'."""
    threshold: float
    """Below this probability a look finds no words: the policy's default `sound_threshold`."""
    settled: float
    """From this probability on, the answer of `spectrum` stands."""
    sha256: dict[str, str]
    """Of the files of the front end that the head was trained with."""

    def words(self, pcm: Pcm, curve: Floats, front_end: SoundFrontEnd) -> tuple[float | None, bool]:
        """The probability of words, and whether `spectrum` was sure of them. curve: of `curve_numbers`.

        None: the front end's numbers are not finite."""
        wave, heard = levelled(pcm)
        frames = front_end.mel(wave)
        numbers = np.concatenate((curve, spectrum_numbers(frames, heard)))
        words = self.spectrum.probability(numbers)
        if words is None or words >= self.settled:
            return words, words is not None
        return self.full.probability(np.concatenate((numbers, embedded_numbers(frames, front_end)))), False


def read_head(path: Path = FILE) -> SoundHead:
    """Raises Unavailable where the file is missing, broken, or made for another version of the features."""
    try:
        read = json.loads(path.read_text())
        head = _head(read)
    except OSError as error:
        raise Unavailable(f"The sound head {path.name} cannot be read: {error}", advice=ADVICE) from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Unavailable(f"The sound head {path.name} is broken: {error!r}", advice=ADVICE) from None
    return head


def _head(read: dict[str, Any]) -> SoundHead:
    for name, wanted in (("format", FORMAT), ("version", VERSION), ("rate", RATE), ("layout", LAYOUT)):
        if read[name] != wanted:
            raise ValueError(f"{name} is {read[name]!r}, not {wanted!r}")
    head = SoundHead(
        curve=_regression(read["curve"], CURVE_NUMBERS),
        spectrum=_regression(read["spectrum"], CURVE_NUMBERS + SPECTRUM_NUMBERS),
        full=_regression(read["full"], CURVE_NUMBERS + SPECTRUM_NUMBERS + EMBEDDED_NUMBERS),
        threshold=float(read["threshold"]),
        settled=float(read["settled"]),
        sha256={str(name): str(value) for name, value in read["front_end"]["sha256"].items()},
    )
    if not (0 < head.threshold < 1 and head.threshold <= head.settled):
        raise ValueError(f"threshold is {head.threshold}, settled is {head.settled}")
    return head


def _regression(read: dict[str, Any], length: int) -> Regression:
    weights, bias = np.asarray(read["weights"], np.float32), float(read["bias"])
    if weights.shape != (length,) or not (np.isfinite(weights).all() and math.isfinite(bias)):
        raise ValueError(f"a regression has weights of shape {weights.shape}, not {length} finite numbers")
    return Regression(weights, bias)
