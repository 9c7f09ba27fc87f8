"""Puts a telephone's frames in order. A missing frame is waited for during a few other frames; a lost frame is silence.

The numbers are the vendor's own (`chunk`). The audio of a vendor, or a proxy, that counts in some other way must still
be heard: after some frames in a row with useless numbers, frames are taken in the order in which they come.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from bargein.audio.pcm import Samples

WAIT = 3  # frames (60 ms) after which a missing frame counts as lost
MAX_GAP = 500  # frames (10 s): a larger jump is no loss but another way of counting
MAX_LATE = 5  # late frames in a row, after which the numbers are ignored


class OrderedFrame(NamedTuple):
    """A frame in its order."""

    samples: Samples
    lost: int
    """Frames that are missing just before it."""
    at_ms: float | None
    """The vendor's time of the frame."""


class MediaReorderer:
    """One stream's frames."""

    def __init__(self) -> None:
        self._next: int | None = None  # number of the frame that is due
        self._missing = 0  # frames just before that one
        self._early: dict[int, tuple[Samples, float | None]] = {}
        self._late_in_a_row = 0
        self.lost = 0
        """Frames that did not come in time."""
        self.late = 0
        """Frames that came after they counted as lost, or twice."""
        self.counted = True
        """The vendor's numbers give the order."""

    def is_next(self, number: int | None) -> bool:
        """The frame with this number is the next one, and no frame waits or is missing. Counts the frame as taken."""
        if number is None or number != self._next or self._early or self._missing or not self.counted:
            return False
        self._next = number + 1
        self._late_in_a_row = 0
        return True

    def take(self, number: int | None, samples: Samples, at_ms: float | None = None) -> Iterator[OrderedFrame]:
        """Take a frame. Gives the frames that are in order now."""
        if number is None or not self.counted:
            yield OrderedFrame(samples, 0, at_ms)
            return
        if self._next is None or abs(number - self._next) > MAX_GAP:
            yield from self._all_early()
            self._next = number
        if number < self._next or number in self._early:
            self.late += 1
            self._late_in_a_row += 1
            if self._late_in_a_row >= MAX_LATE:
                self.counted = False
                yield from self._all_early()
                yield OrderedFrame(samples, 0, at_ms)
            return
        self._late_in_a_row = 0
        self._early[number] = samples, at_ms
        if number != self._next and len(self._early) <= WAIT:
            return
        if number != self._next or self._next not in self._early:
            missing = min(self._early) - self._next
            self.lost += missing
            self._missing += missing
            self._next += missing
        yield from self._in_order()

    def _in_order(self) -> Iterator[OrderedFrame]:
        while self._next is not None and self._next in self._early:
            samples, at_ms = self._early.pop(self._next)
            self._next += 1
            missing, self._missing = self._missing, 0
            yield OrderedFrame(samples, missing, at_ms)

    def _all_early(self) -> Iterator[OrderedFrame]:
        for number in sorted(self._early):
            samples, at_ms = self._early.pop(number)
            yield OrderedFrame(samples, 0, at_ms)
