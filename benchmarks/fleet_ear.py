"""Which words of `fleet_agent` a caller heard, and when: read off the audio that the telephone played."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bargein.audio.pcm import Samples
from benchmarks.fleet_agent import APART_HZ, BRIDGE, STORY, TONE_MS, WORDS

RATE = 8_000
BLOCK = RATE // 200  # 5 ms
LOUD = 1_000  # RMS of a block in which a tone sounds
HOP = RATE // 50  # 20 ms
TORN_MS = 200.0
LEAST_MS = 15.0  # of a tone
UNDERSTOOD = 0.6  # of its tone: a word of which less sounded was not heard
WHOLE = 0.9  # a word of which less sounded was broken off, and may be said again
NAMES = {hz: word for word, hz in WORDS.items()}


@dataclass(frozen=True, slots=True)
class HeardWord:
    word: str
    """"?": no word of the list."""
    at_ms: float
    ms: float
    """How long its tone sounded."""

    @property
    def understood(self) -> bool:
        """Enough of it was heard."""
        return self.ms >= UNDERSTOOD * TONE_MS

    @property
    def whole(self) -> bool:
        """It was heard to its end."""
        return self.ms >= WHOLE * TONE_MS

    @property
    def of_bridge(self) -> bool:
        return self.word in BRIDGE


def words_in(samples: Samples) -> list[HeardWord]:
    """The words in audio at 8000 Hz."""
    blocks = samples[: len(samples) // BLOCK * BLOCK].astype(np.float32).reshape(-1, BLOCK)
    loud = np.concatenate(([False], np.sqrt(np.mean(np.square(blocks), axis=1)) > LOUD, [False]))
    edges = np.flatnonzero(loud[1:] != loud[:-1])
    found = []
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        found += _tones(samples[begin * BLOCK : end * BLOCK], begin * 1000 * BLOCK / RATE)
    return found


def _tones(samples: Samples, at_ms: float) -> list[HeardWord]:
    """The tones of a stretch without silence. Where a stream breaks off, the next tone may begin without a pause."""
    ms = len(samples) * 1000 / RATE
    if ms < LEAST_MS:
        return []
    if ms <= TONE_MS * 1.2:
        return [HeardWord(_name(samples), at_ms, ms)]
    hops = range(0, len(samples) - 2 * HOP + 1, HOP)
    names = [_name(samples[begin : begin + 2 * HOP]) for begin in hops]
    found: list[HeardWord] = []
    first = 0
    for n in range(1, len(names) + 1):
        if n < len(names) and names[n] == names[first]:
            continue
        lasts_ms = (n - first) * 1000 * HOP / RATE
        if names[first] != "?" and lasts_ms >= LEAST_MS:  # over the border of two tones stands neither
            found.append(HeardWord(names[first], at_ms + first * 1000 * HOP / RATE, lasts_ms))
        first = n
    return found


def _name(samples: Samples) -> str:
    size = 4 * RATE  # to 0.25 Hz
    spectrum = np.abs(np.fft.rfft(samples.astype(np.float32) * np.hanning(len(samples)), size))
    hz = float(np.argmax(spectrum)) * RATE / size
    nearest = round(hz / APART_HZ) * APART_HZ
    return NAMES.get(nearest, "?") if abs(hz - nearest) < APART_HZ / 2 else "?"


@dataclass(frozen=True, slots=True)
class Continuity:
    """How a chain of words went on over the death or the move of a node."""

    twice: int
    """Words that were heard again, after they had been heard to their end."""
    missing: int
    """Words of the chain that were not understood, though later ones were."""
    bridges: int
    """Sentences in which the agent said that it had been away."""


def joined(heard: Sequence[HeardWord]) -> list[HeardWord]:
    """A word that a late frame has torn into pieces is one word."""
    found: list[HeardWord] = []
    for each in heard:
        last = found[-1] if found else None
        if last is not None and last.word == each.word and each.at_ms - last.at_ms - last.ms <= TORN_MS:
            found[-1] = HeardWord(last.word, last.at_ms, last.ms + each.ms)
        else:
            found.append(each)
    return found


def continuity(heard: Sequence[HeardWord]) -> Continuity:
    """Of words of one chain (`fleet_agent.story`), and of what the agent says when it comes back."""
    told = [each for each in joined(heard) if each.understood and not each.of_bridge and each.word in STORY]
    twice = missing = 0
    for before, after in itertools.pairwise(told):
        step = (STORY.index(after.word) - STORY.index(before.word)) % len(STORY)
        if step == 0 or step > len(STORY) // 2:
            twice += (-step) % len(STORY) + before.whole
        else:
            missing += step - 1
    return Continuity(twice, missing, sum(each.word == "sorry" for each in heard))
