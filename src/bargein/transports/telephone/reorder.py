"""Puts a telephone's frames in order again: late ones wait for no more than a few others, lost ones are silence.

Numbers are the vendor's own (`chunk`). A vendor, or a proxy, that counts in some other way must not make us deaf: after
some frames whose numbers make no sense we go by the order in which they come.
"""

from __future__ import annotations

from collections.abc import Iterator

from bargein.audio.pcm import Samples

WAIT = 3  # frames (60 ms) that may come before one that is missing is given up
MOST_GAP = 500  # frames (10 s): a larger jump is no loss but another way of counting
NONSENSE = 5  # frames in a row that were too late: nobody counts like that


class MediaReorderer:
    """frame: samples in one. gaps, late: frames that never came, and that came when their time was over."""

    def __init__(self, frame: int) -> None:
        self._frame = frame
        self._next: int | None = None  # number of the frame that is due
        self._at = 0  # its position
        self._early: dict[int, Samples] = {}
        self._too_late = 0
        self.gaps = 0
        self.late = 0
        self.counted = True  # by the vendor's numbers

    def take(self, number: int | None, samples: Samples) -> Iterator[tuple[int, Samples]]:
        """A frame came; those that are in order now, with their positions in samples since the first."""
        if number is None or not self.counted:
            yield self._put(samples)
            return
        if self._next is None or abs(number - self._next) > MOST_GAP:
            yield from self._all_early()
            self._next = number
        if number < self._next or number in self._early:
            self.late += 1
            self._too_late += 1
            if self._too_late >= NONSENSE:
                self.counted = False
                yield from self._all_early()
                yield self._put(samples)
            return
        self._too_late = 0
        self._early[number] = samples
        if number != self._next and len(self._early) <= WAIT:
            return
        if number != self._next or self._next not in self._early:
            missing = min(self._early) - self._next
            self.gaps += missing
            self._at += missing * self._frame
            self._next += missing
        yield from self._in_order()

    def _in_order(self) -> Iterator[tuple[int, Samples]]:
        while self._next is not None and self._next in self._early:
            samples = self._early.pop(self._next)
            self._next += 1
            yield self._put(samples)

    def _all_early(self) -> Iterator[tuple[int, Samples]]:
        for number in sorted(self._early):
            yield self._put(self._early.pop(number))

    def _put(self, samples: Samples) -> tuple[int, Samples]:
        at = self._at
        self._at += len(samples)
        return at, samples
