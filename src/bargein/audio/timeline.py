"""From a position in an incoming stream of samples to a moment on the call's clock.

Samples come in frames that arrive late by a delay that jitters. The least delay seen in the last seconds is taken for
the true one: jitter can only make a frame later, so it never moves speech to a later time than it had.
"""

from __future__ import annotations

from collections import deque

WINDOW_MS = 4_000.0  # the least delay is sought in this much of the past: long enough to meet a quick frame
BUCKET_MS = 250.0  # the past is kept as the least delay of each such stretch


class StreamClock:
    """rate: Hz of the stream. The error of `at` is at most the least jitter within WINDOW_MS plus the drift of two
    clocks over WINDOW_MS (200 ppm: under 1 ms)."""

    def __init__(self, rate: int) -> None:
        self._ms_per_sample = 1000 / rate
        self._buckets: deque[tuple[float, float]] = deque()  # (when the bucket began, its least offset)
        self._offset_ms = 0.0

    def arrived(self, last_sample: int, at_ms: float) -> None:
        """The sample before position `last_sample` (exclusive end) arrived at at_ms."""
        offset = at_ms - last_sample * self._ms_per_sample
        buckets = self._buckets
        if not buckets or at_ms - buckets[-1][0] >= BUCKET_MS:
            buckets.append((at_ms, offset))
            while at_ms - buckets[0][0] > WINDOW_MS:
                buckets.popleft()
        elif offset < buckets[-1][1]:
            buckets[-1] = (buckets[-1][0], offset)
        self._offset_ms = min(b[1] for b in buckets)

    def at(self, sample: int) -> float:
        """When this sample was in the microphone, in ms on the call's clock (the network's least delay included)."""
        return sample * self._ms_per_sample + self._offset_ms
