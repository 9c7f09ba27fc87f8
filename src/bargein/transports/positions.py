"""Positions of incoming audio in the user's stream, held against the passing of time.

A client may state a gap (by a position, a time or a count), and a gap is silence. But a stream does not run ahead of
real time by a gap: such a gap is a mistake of the client, and the audio follows what came before. A stream may run
ahead by audio, though: what was kept back by a stall comes all at once. Then the stream's beginning moves back, so that
one burst is no fault for the rest of the call.
"""

from __future__ import annotations

from bargein.clock import Clock
from bargein.transports.rate_limit import RateLimit

SLACK_MS = 60.0  # by which a stated gap may be ahead of real time: jitter, and rounding in the client's clock
PACE = 1.25  # times real time: so fast a stream comes back from a burst before it may burst again


class IncomingPositions:
    """rate: Hz of the stream. ahead_ms: audio that may come ahead of real time without being called a burst."""

    def __init__(self, clock: Clock, rate: int, ahead_ms: float) -> None:
        self.end = 0
        """Position after the newest sample."""
        self._clock = clock
        self._ms_per_sample = 1000 / rate
        self._late = 0  # samples of the past that may still come
        self._began_ms: float | None = None  # when position 0 was spoken, as far as the arrivals tell
        self._pace = RateLimit(clock, rate * PACE, ahead_ms * rate / 1000)

    def begin(self) -> None:
        """Position 0 is now. Otherwise the first audio tells."""
        self._began_ms = self._clock.now_ms()

    def begin_late(self, samples: int) -> None:
        """Position 0 was so many samples ago, and the audio since then comes now: it runs not ahead."""
        self._began_ms = self._clock.now_ms() - samples * self._ms_per_sample
        self._late = samples

    def place(self, samples: int, gap: int = 0) -> tuple[int, bool]:
        """The position of the next `samples`, after `gap` samples of silence. False: no time has passed for this gap,
        and the audio has the position without it."""
        now_ms, length_ms = self._clock.now_ms(), samples * self._ms_per_sample
        if self._began_ms is None:
            self._began_ms = now_ms - length_ms
        room_ms = now_ms - self._began_ms - self.end * self._ms_per_sample - length_ms
        believed = gap <= 0 or gap * self._ms_per_sample <= room_ms + SLACK_MS
        first = self.end + gap if believed and gap > 0 else self.end
        self.end = first + samples
        ahead_ms = self.end * self._ms_per_sample - (now_ms - self._began_ms)
        if ahead_ms > 0:
            self._began_ms -= ahead_ms
        return first, believed

    def in_pace(self, samples: int) -> bool:
        """False: with these samples more than `ahead_ms` has come ahead of real time."""
        late = min(samples, self._late)
        self._late -= late
        return self._pace.take(samples - late)
