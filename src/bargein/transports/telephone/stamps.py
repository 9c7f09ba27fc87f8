"""Gaps in a telephone's audio, from the vendor's times of the frames.

A network sends nothing in silence (DTX), or loses frames: the next frame's time tells how long the gap was. Not every
vendor counts in milliseconds, from one beginning, or at all: a time is compared with the times before it only, and the
caller of `gap` says whether real time allows the gap. Times that are wrong again and again are not read any more.
"""

from __future__ import annotations

MAX_BACK_MS = 100.0  # a time that lies further back is of another count
MAX_DOUBTS = 5  # gaps in a row for which no time has passed
MAX_MS = 2.0**53  # milliseconds since 1970 are far below


class Stamps:
    """rate: Hz of the stream. frame_samples: samples in one frame."""

    def __init__(self, rate: int, frame_samples: int) -> None:
        self._rate = rate
        self._least = frame_samples // 2  # a smaller difference is jitter of the vendor's clock
        self._base: tuple[float, int] | None = None  # a time, and its position
        self._doubts = 0
        self.useful = True
        """The vendor's times are read."""

    def gap(self, at_ms: float | None, end: int) -> int | None:
        """Samples of silence between position `end` and a frame of this time. None: the times do not tell."""
        if at_ms is None or not self.useful or not 0 <= at_ms < MAX_MS:
            return None
        if self._base is None:
            self._base = at_ms, end
            return None
        gap = round((at_ms - self._base[0]) * self._rate / 1000) + self._base[1] - end
        if gap * 1000 < -MAX_BACK_MS * self._rate:
            self._base = at_ms, end
            return None
        if gap < self._least:
            self._doubts = 0
            return 0
        return gap

    def doubt(self, at_ms: float | None, position: int) -> None:
        """No time has passed for the gap: count from this frame, which has this position."""
        if at_ms is None:
            return
        self._base = at_ms, position
        self._doubts += 1
        self.useful = self._doubts < MAX_DOUBTS
