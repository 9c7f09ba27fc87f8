"""Other speech on a line: what a television, a colleague or a child has said while the caller had no turn.

Bounded: the newest STRETCHES stretches (times and levels), and one FrameBook of how they sound.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from bargein.audio.pcm import Pcm
from bargein.audio.speaker import FrameBook, cepstra, level_db

STRETCHES = 64
FORGET_MS = 60_000.0  # older stretches say nothing about a sound
SHARE_MS = 8_000.0  # before an onset, over which is counted how much of the time was talked
WEIGHT_MS = 100.0  # of speech count once among the levels


@dataclass(frozen=True, slots=True)
class OtherSpeech:
    """The other speech before a moment."""

    talked_ms: float
    """How much of it was heard in the last minute."""
    share: float
    """Share of the last SHARE_MS that it filled, 0..1."""
    loud_db: float
    """Level of its louder stretches (9 of 10 are softer), dB of full scale."""


class Background:
    """One call's other speech."""

    def __init__(self) -> None:
        self._stretches: deque[tuple[float, float, float]] = deque(maxlen=STRETCHES)  # from, until (ms), level (dB)
        self.frames = FrameBook(seed=1)
        """How it sounds."""

    def add(self, from_ms: float, until_ms: float, pcm: Pcm) -> None:
        """A stretch is over that was not the caller's."""
        self._stretches.append((from_ms, until_ms, level_db(pcm)))
        self.frames.add(cepstra(pcm))

    def before(self, at_ms: float) -> OtherSpeech | None:
        """What was heard before a moment. None: there was no other speech."""
        heard = [each for each in self._stretches if at_ms - FORGET_MS < each[1] <= at_ms]
        if not heard:
            return None
        lengths = np.array([until - begin for begin, until, _ in heard])
        levels = np.repeat([level for *_, level in heard], np.maximum(1, (lengths / WEIGHT_MS).astype(int)))
        since = at_ms - SHARE_MS
        lately = sum(max(0.0, until - max(begin, since)) for begin, until, _ in heard)
        return OtherSpeech(float(lengths.sum()), lately / SHARE_MS, float(np.percentile(levels, 90)))
