"""The loudspeaker's queue: order, pauses in place, and positions that have sounded."""

from __future__ import annotations

import numpy as np

from bargein import protocols as c
from bargein.transports.console.playback import LoudspeakerQueue

RATE = 1000  # a sample is a millisecond


def frame(reply: int, first: int, count: int = 20, *, last: bool = False) -> c.AudioOut:
    return c.AudioOut(reply, first // 20, first, np.arange(first, first + count, dtype=np.int16) + 1, last)


def test_a_position_counts_once_it_has_sounded() -> None:
    playback = LoudspeakerQueue(RATE)
    for first in (0, 20, 40):
        assert playback.push(frame(1, first, last=first == 40))
    assert playback.pull(30, sounds_s=0.1).tolist() == list(range(1, 31))
    assert playback.reports(0.05) == [], "the card has it, and it does not sound yet"
    assert playback.reports(0.119) == []
    assert playback.reports(0.12) == [c.Played(1, 20, playing=True)]
    playback.pull(30, sounds_s=0.13)
    assert playback.reports(0.2) == [c.Played(1, 60, playing=False), c.Finished(1, 60)]


def test_a_pause_takes_nothing_more_and_goes_on_at_the_next_sample() -> None:
    playback = LoudspeakerQueue(RATE)
    playback.push(frame(1, 0))
    playback.push(frame(1, 20))
    playback.pull(25, 0.0)
    assert playback.pause(1) == c.Held(1, 25)
    assert not playback.pull(20, 0.025).any()
    playback.go_on()
    assert playback.pull(20, 0.045).tolist() == [*range(26, 41), 0, 0, 0, 0, 0]


def test_a_flush_discards_one_reply_and_keeps_the_next() -> None:
    playback = LoudspeakerQueue(RATE)
    playback.push(frame(1, 0))
    playback.push(frame(1, 20))
    playback.pull(10, 0.0)
    playback.push(frame(2, 0))
    assert playback.flush(1) == 2
    assert playback.pull(20, 0.01).tolist() == list(range(1, 21)), "reply 2 from its first sample"
    assert [report.reply for report in playback.reports(1.0) if isinstance(report, c.Played)] == [2]


def test_a_reply_that_ends_in_an_empty_frame_is_finished() -> None:
    playback = LoudspeakerQueue(RATE)
    playback.push(frame(1, 0))
    playback.push(c.AudioOut(1, 1, 20, np.zeros(0, np.int16), last=True))
    playback.pull(20, 0.0)
    playback.pull(20, 0.02)
    assert c.Finished(1, 20) in playback.reports(0.1)


def test_there_is_a_bound() -> None:
    playback = LoudspeakerQueue(RATE)
    taken = sum(playback.push(frame(1, first)) for first in range(0, 2_000, 20))
    assert taken < 25
    playback.pull(200, 0.0)
    assert playback.push(frame(1, taken * 20))


def test_the_agent_sounds_until_its_last_sample_does() -> None:
    playback = LoudspeakerQueue(RATE)
    playback.push(frame(1, 0, 20, last=True))
    playback.pull(20, 0.1)
    assert playback.sounds(0.11)
    assert not playback.sounds(0.12)
