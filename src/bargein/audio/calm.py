"""Which windows of a stream may wait for the VAD: those of a calm line, where nothing depends on their scores yet.

A run of the VAD's model after a pause costs six times as much as the next one (0.5 and 0.07 ms: the processor's caches
are cold). So the windows of a calm line wait, and go through the model together, in their order: the scores are the
same. The first window that is louder than the line's quiet takes all of them along at once.
"""

from __future__ import annotations

import numpy as np

from bargein.audio.pcm import Samples

CALM_WINDOWS = 32  # about 1 s without a sign of speech, before windows wait
CALM_SPEECH = 0.05  # of a score; from here on, something may begin
MOST_WAITING = 8  # windows, 256 ms
SILENT = 18.0**2  # mean square at -65 dBFS: windows below it are quiet on any line
LOUDER = 1.6  # times the line's quiet, 2 dB: such a window does not wait
WEIGHT = 0.1  # of the newest quiet window in the line's quiet


class CalmLine:
    """What a stream's windows were like."""

    def __init__(self) -> None:
        self._calm = 0
        self._quiet: float | None = None  # mean square

    def scored(self, speech: float) -> None:
        """A window's score has come."""
        self._calm = self._calm + 1 if speech < CALM_SPEECH else 0

    def may_wait(self, window: Samples) -> bool:
        """Whether the score of this window may come later."""
        floats = window.astype(np.float32)
        square = float(np.dot(floats, floats)) / len(floats)
        quiet = self._quiet
        if quiet is None or square < quiet * LOUDER or square < SILENT:
            self._quiet = square if quiet is None else quiet + WEIGHT * (square - quiet)
            return self._calm >= CALM_WINDOWS
        # A line that has become louder for good is not calm before the quiet has followed.
        self._quiet = quiet * (1 + WEIGHT)
        self._calm = 0
        return False
