"""From a position in an incoming stream of samples to a time on the call's clock.

Samples come in frames, and each frame has a delay that jitters. Jitter only adds to a delay, so the least delay of the
last seconds is the best estimate of the stream's own delay and holds for every sample: speech in a late frame gets no
later time. Older delays are discarded, because the two clocks drift.

A stream may lose its pace: audio that was given up as silence comes after all. `split` begins a stretch with a delay of
its own, and the samples before it keep their times.

The estimate moves while a backlog comes: the first sample of it seems to be of this moment, and is old once the rest is
there. A time that was told is kept by its reader, so `position` also knows the told times.
"""

from __future__ import annotations

from collections import deque

WINDOW_MS = 4_000.0  # the least delay comes from this much of the past: long enough for a frame with little jitter
BUCKET_MS = 250.0  # the past is kept as the least delay of each bucket, not of each frame
MAX_DRIFT_PPM = 200.0  # each sound card is within 100 of the truth
STRETCHES = 32  # of the past whose times are kept
TOLD = 256  # estimates that were told and kept: a backlog has one for each window of the VAD
SAME_MS = 20.0  # a smaller change of the estimate is jitter


class StreamClock:
    """rate: Hz of the stream.

    A sample's time is never later than the sample's arrival. The time is late by at most the least jitter of the frames
    in the last WINDOW_MS - BUCKET_MS, and off by at most ERROR_MS more for the drift of the clocks. Within a stretch, a
    later sample has a later time at each instant.
    """

    ERROR_MS = 1.0  # MAX_DRIFT_PPM over WINDOW_MS + BUCKET_MS, and over a jitter of up to 750 ms

    def __init__(self, rate: int) -> None:
        self._ms_per_sample = 1000 / rate
        self._buckets: deque[tuple[float, float]] = deque()  # (when the bucket began, its least delay)
        self._delay_ms = 0.0
        self._since = 0  # position at which the present stretch begins
        self._past: deque[tuple[int, float]] = deque(maxlen=STRETCHES)  # (position after a stretch, its delay)
        self._told: deque[tuple[int, float]] = deque(maxlen=TOLD)  # (sample, delay that was told for it)

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

    def split(self, sample: int) -> None:
        """A stretch begins at this position. The samples before it keep the times that they have now."""
        if sample > self._since:
            self._past.append((sample, self._delay_ms))
            self._since = sample

    def at(self, sample: int) -> float:
        """The time at which a sample was spoken, in ms on the call's clock, plus the least delay of the network."""
        delay_ms = self._delay_ms
        if sample < self._since:
            delay_ms = next((delay for end, delay in self._past if sample < end), delay_ms)
        return sample * self._ms_per_sample + delay_ms

    def tell(self, sample: int) -> float:
        """The time of a sample, as `at` has it now. It stays known, whatever the estimate becomes."""
        at_ms = self.at(sample)
        delay_ms = at_ms - sample * self._ms_per_sample
        if not self._told or abs(delay_ms - self._told[-1][1]) >= SAME_MS:
            self._told.append((sample, delay_ms))
        return at_ms

    def position(self, at_ms: float) -> int:
        """The position of the sample that was spoken at a time: the inverse of `at`, or of `tell` where the time was
        told for an earlier sample. The newest one, where two have the time."""
        estimated = self._estimated(at_ms)
        return min(estimated, self._as_told(at_ms)) if self._told else estimated

    def _as_told(self, at_ms: float) -> int:
        position = 0.0
        for since, delay_ms in reversed(self._told):
            position = (at_ms - delay_ms) / self._ms_per_sample
            if position >= since:
                break
        return round(max(position, 0))

    def _estimated(self, at_ms: float) -> int:
        position, since = (at_ms - self._delay_ms) / self._ms_per_sample, self._since
        past = list(self._past)
        while position < since and past:
            end, delay_ms = past.pop()
            since = past[-1][0] if past else 0
            position = min(end, (at_ms - delay_ms) / self._ms_per_sample)
        return round(max(position, since))
