"""From a position in an incoming stream of samples to a time on the call's clock.

Samples come in frames, and each frame has a delay that jitters. Jitter only adds to a delay, so the least delay of the
last seconds is the best estimate of the stream's own delay and holds for every sample: speech in a late frame gets no
later time. Older delays are discarded, because the two clocks drift.
"""

from __future__ import annotations

from collections import deque

WINDOW_MS = 4_000.0  # the least delay comes from this much of the past: long enough for a frame with little jitter
BUCKET_MS = 250.0  # the past is kept as the least delay of each bucket, not of each frame
MAX_DRIFT_PPM = 200.0  # each sound card is within 100 of the truth


class StreamClock:
    """rate: Hz of the stream.

    A sample's time is never later than the sample's arrival. The time is late by at most the least jitter of the frames
    in the last WINDOW_MS - BUCKET_MS, and off by at most ERROR_MS more for the drift of the clocks. At each instant a
    later sample has a later time.
    """

    ERROR_MS = 1.0  # MAX_DRIFT_PPM over WINDOW_MS + BUCKET_MS, and over a jitter of up to 750 ms

    def __init__(self, rate: int) -> None:
        self._ms_per_sample = 1000 / rate
        self._buckets: deque[tuple[float, float]] = deque()  # (when the bucket began, its least delay)
        self._delay_ms = 0.0

    def arrived(self, last_sample: int, at_ms: float) -> None:
        """All samples before position `last_sample` (exclusive) have come at at_ms, a time on the call's clock."""
        delay = at_ms - last_sample * self._ms_per_sample
        buckets = self._buckets
        if not buckets or at_ms - buckets[-1][0] >= BUCKET_MS:
            buckets.append((at_ms, delay))
            while at_ms - buckets[0][0] > WINDOW_MS:
                buckets.popleft()
            self._delay_ms = min(least for _, least in buckets)
        elif delay < buckets[-1][1]:
            buckets[-1] = (buckets[-1][0], delay)
            self._delay_ms = min(self._delay_ms, delay)

    def at(self, sample: int) -> float:
        """The time at which a sample was spoken, in ms on the call's clock, plus the least delay of the network."""
        return sample * self._ms_per_sample + self._delay_ms
