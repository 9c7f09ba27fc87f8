"""The newest part of a stream of samples, in one array: to add a frame is one copy, to read a part of it is a slice.

Older samples go as the owner says. Their room is used again when the array is full, by moving what is kept to its
beginning; so the array is moved once in a while, and is at most twice as long as what is kept.
"""

from __future__ import annotations

import numpy as np

from bargein.audio.pcm import Samples

LEAST = 4096  # samples of the array
ROOM = 4  # one part in so many of what is kept is room for what comes


class KeptAudio:
    """Positions count samples since the stream began."""

    def __init__(self) -> None:
        self.first = 0
        """Position of the first kept sample."""
        self.end = 0
        """Position after the newest."""
        self._array: Samples = np.empty(LEAST, np.int16)
        self._base = 0  # position of the array's first sample

    def append(self, samples: Samples) -> None:
        """Keep the next samples. They may be overwritten by their owner afterwards."""
        at = self.end - self._base
        until = at + len(samples)
        if until > len(self._array):
            at = self._make_room(len(samples))
            until = at + len(samples)
        self._array[at:until] = samples
        self.end += len(samples)

    def overwrite(self, position: int, samples: Samples) -> None:
        """Put other samples in the place of kept ones. Nothing happens where they are not kept."""
        if self.first <= position and position + len(samples) <= self.end:
            at = position - self._base
            self._array[at : at + len(samples)] = samples

    def discard_before(self, position: int) -> None:
        """Keep no sample before this position."""
        if position > self.first:
            self.first = min(position, self.end)

    def restart(self, position: int) -> None:
        """Keep nothing, and go on at this position."""
        self.first = self.end = self._base = position

    def view(self, begin: int, end: int) -> Samples:
        """The samples between two positions, as far as they are kept. To be read before the next `append`."""
        first = min(max(begin, self.first), self.end)
        last = min(max(end, first), self.end)
        return self._array[first - self._base : last - self._base]

    def copy(self, begin: int, end: int) -> Samples:
        """As `view`, to keep."""
        return self.view(begin, end).copy()

    def _make_room(self, count: int) -> int:
        """Move what is kept to the beginning of an array that has room. Returns where the next sample goes."""
        kept = self._array[self.first - self._base : self.end - self._base]
        wanted = len(kept) + count
        size = max(LEAST, wanted + wanted // ROOM)
        if not size <= len(self._array) <= 2 * size:
            self._array = np.empty(size, np.int16)
        self._array[: len(kept)] = kept
        self._base = self.first
        return len(kept)
