"""Audio that comes faster than it is spoken: a backlog at the start of a stream, or after a stall.

A stretch as long as PASS_MS is taken at once. The rest of a burst waits until the burst is over, and the newest KEEP_MS
of the rest are kept: older audio would only make each later answer late.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from bargein.protocols import AudioIn

PASS_MS = 2_000.0  # longer than most stalls
KEEP_MS = 4_000.0
PACE = 1.25  # times real time: a far end that is always too fast gets no more
BLOCK_MS = 60.0  # of ticks, over which the pace is measured
FRAME_MS = 20.0  # of audio more than its pace in a block are jitter


class BurstLimiter:
    """rate: Hz of the audio."""

    def __init__(self, rate: int, now_ms: float) -> None:
        self._ms_per_sample = 1000 / rate
        self._left_ms = PASS_MS
        self._at_ms = now_ms
        self._came_ms = 0.0  # in this block
        self._block_ms = now_ms  # when this block began
        self._waiting: deque[AudioIn] = deque()
        self._waiting_ms = 0.0
        self._dropped = 0

    def admit(self, now_ms: float, audio: AudioIn) -> bool:
        """False: the audio waits here, or was dropped."""
        length_ms = len(audio.samples) * self._ms_per_sample
        self._came_ms += length_ms
        if not self._waiting and self._pass(now_ms, length_ms):
            return True
        self._waiting.append(audio)
        self._waiting_ms += length_ms
        while self._waiting_ms > KEEP_MS and len(self._waiting) > 1:
            self._dropped += len(self._pop().samples)
        return False

    def tick(self, now_ms: float) -> Iterable[AudioIn]:
        """The audio whose wait is over. Called every 20 ms, and nearly always none waits."""
        if self._waiting:
            return self._whose_wait_is_over(now_ms)
        if now_ms - self._block_ms >= BLOCK_MS:
            self._came_ms, self._block_ms = 0.0, now_ms
        return ()

    def _whose_wait_is_over(self, now_ms: float) -> Iterator[AudioIn]:
        over, block_ms = False, now_ms - self._block_ms
        if block_ms >= BLOCK_MS:
            over = self._came_ms <= block_ms * PACE + FRAME_MS
            self._came_ms, self._block_ms = 0.0, now_ms
        while self._waiting:
            if not self._pass(now_ms, len(self._waiting[0].samples) * self._ms_per_sample) and not over:
                return
            yield self._pop()

    def take_dropped(self) -> int:
        """Samples that were dropped since the last call."""
        dropped, self._dropped = self._dropped, 0
        return dropped

    def _pop(self) -> AudioIn:
        audio = self._waiting.popleft()
        self._waiting_ms -= len(audio.samples) * self._ms_per_sample
        return audio

    def _pass(self, now_ms: float, length_ms: float) -> bool:
        self._left_ms = min(PASS_MS, self._left_ms + (now_ms - self._at_ms) * PACE)
        self._at_ms = now_ms
        if length_ms > self._left_ms:
            return False
        self._left_ms -= length_ms
        return True
