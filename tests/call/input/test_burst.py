"""Audio that comes all at once: what passes, what waits, and what is dropped."""

from __future__ import annotations

import numpy as np

from bargein.call.input.burst import KEEP_MS, PASS_MS, BurstLimiter
from bargein.protocols import AudioIn

FRAME = 160  # samples at 8000 Hz: 20 ms


class Line:
    def __init__(self) -> None:
        self.limiter = BurstLimiter(8_000, 0.0)
        self.now_ms = 0.0
        self.sent = 0
        self.got: list[int] = []  # numbers of the frames that were taken

    def send(self, frames: int) -> None:
        for _ in range(frames):
            audio = AudioIn(np.zeros(FRAME, np.int16), self.sent * FRAME)
            self.sent += 1
            if self.limiter.admit(self.now_ms, audio):
                self.got.append(audio.first_sample // FRAME)

    def tick(self) -> None:
        self.now_ms += 20
        self.got += [audio.first_sample // FRAME for audio in self.limiter.tick(self.now_ms)]

    def over(self) -> None:
        """The burst is over: six frames at the usual pace."""
        for _ in range(6):
            self.send(1)
            self.tick()


def test_a_steady_stream_passes_at_once() -> None:
    line = Line()
    for k in range(500):
        line.send(1)
        assert line.got[-1] == k
        line.tick()


def test_of_a_burst_the_end_waits_until_the_burst_is_over_and_nothing_is_lost() -> None:
    line = Line()
    line.send(250)  # five seconds
    assert line.got == list(range(100))
    line.over()
    assert line.got == list(range(256))
    assert line.limiter.take_dropped() == 0


def test_of_a_long_burst_the_middle_is_dropped_and_the_newest_kept() -> None:
    line = Line()
    line.send(994)
    line.over()  # twenty seconds
    passed, kept = int(PASS_MS // 20), int(KEEP_MS // 20)
    assert line.got[:passed] == list(range(passed))
    assert line.got[-kept:] == list(range(1_000 - kept, 1_000))
    assert len(line.got) * FRAME + line.limiter.take_dropped() == 1_000 * FRAME
    assert line.limiter.take_dropped() == 0


def test_after_a_burst_the_stream_passes_at_once_again() -> None:
    line = Line()
    line.send(1_000)
    line.over()
    for _ in range(100):
        line.send(1)
        line.tick()
        assert line.got[-1] == line.sent - 1


def test_a_stream_that_is_always_too_fast_gets_little_more_than_real_time_and_stays_near_its_end() -> None:
    line = Line()
    for _ in range(1_000):
        line.send(2)
        line.tick()
    assert len(line.got) <= 1_000 * 1.25 + PASS_MS / 20
    assert line.got[-1] >= line.sent - KEEP_MS / 20 - 4


def test_one_message_longer_than_all_that_passes_is_taken_in_the_end() -> None:
    line = Line()
    long = AudioIn(np.zeros(8_000 * 5, np.int16), 0)
    assert not line.limiter.admit(0.0, long)
    assert list(line.limiter.tick(60.0)) == []
    assert list(line.limiter.tick(120.0)) == [long]
