"""Where the samples of both sides stand: late and early audio, gaps, drift; a client that stalls, or says nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bargein.audio.mulaw import from_mulaw
from bargein.audio.pcm import Samples
from bargein.protocols import AudioOut
from bargein.recorder.audio_lanes import AgentLane, ReplyLane, UserLane, assembled

RATE = 8000
TABLE = from_mulaw(bytes(range(256)))
FRAME = 160
BLOCK = RATE


def laid(lane: UserLane | AgentLane, first: int, last: int) -> Samples:
    """So many blocks of a second."""
    return np.concatenate([assembled(lane.lay(k * BLOCK, (k + 1) * BLOCK), BLOCK, TABLE) for k in range(first, last)])


def user_lane(at: Callable[[int], float] = lambda sample: sample * 1000 / RATE) -> UserLane:
    return UserLane(RATE, at)


def speak(lane: UserLane, first: int, ms: int, value: int) -> int:
    """Frames of 20 ms; returns the position after them."""
    for _ in range(ms // 20):
        lane.push(first, np.full(FRAME, value, np.int16))
        first += FRAME
    return first


def test_the_jitter_of_the_clocks_estimate_moves_no_sample() -> None:
    times = iter(np.random.default_rng(1).uniform(-8, 8, 10_000))
    lane = user_lane(lambda sample: max(0.0, sample * 1000 / RATE + 30 + next(times)))
    for index in range(150):
        lane.push(index * FRAME, np.arange(index * FRAME, (index + 1) * FRAME).astype(np.int16) | 1)
    found = laid(lane, 0, 3)
    begin = int(np.flatnonzero(found)[0])
    whole = np.arange(3 * RATE).astype(np.int16) | 1
    assert np.array_equal(found[begin:], whole[: len(found) - begin])


def test_what_the_stream_says_was_silent_is_silent() -> None:
    lane = user_lane()
    end = speak(lane, 0, 400, 900)
    speak(lane, end + RATE // 2, 400, 700)
    found = laid(lane, 0, 2)
    assert np.flatnonzero(found == 900).tolist() == list(range(3200))
    assert np.flatnonzero(found == 700).tolist() == list(range(7200, 10_400))


def test_audio_of_before_the_call_is_no_part_of_it() -> None:
    lane = user_lane(lambda sample: sample * 1000 / RATE - 100)
    speak(lane, 0, 400, 900)
    assert np.flatnonzero(laid(lane, 0, 1)).tolist() == list(range(2400))


def test_audio_that_comes_too_late_follows_and_pauses_are_left_out_until_it_is_on_time() -> None:
    """A page's connection was away for 2 s, and what was said meanwhile comes when the block is written already."""
    lane = user_lane()
    end = speak(lane, 0, 1000, 900)
    laid(lane, 0, 1)
    assert not laid(lane, 1, 3).any()
    end = speak(lane, end, 2000, 800)  # should stand from 1 s to 3 s
    end = speak(lane, end, 1000, 0)
    end = speak(lane, end, 200, 700)
    end = speak(lane, end, 1500, 0)
    speak(lane, end, 400, 600)  # at 5.7 s
    found = laid(lane, 3, 7)
    assert (found == 800).sum() == 2 * RATE, "nothing that was said is lost"
    assert np.flatnonzero(found == 800)[0] == 0
    assert np.flatnonzero(found == 700)[0] == 2 * RATE, "the pause before it is left out"
    assert 3000 + np.flatnonzero(found == 600)[0] / 8 == pytest.approx(5700, abs=21), "and now it is on time"


@pytest.mark.parametrize("ppm", [150, -150])
def test_clocks_that_drift_apart_stay_within_a_tenth_of_a_second(ppm: int) -> None:
    lane = user_lane(lambda sample: sample * 1000 / RATE * (1 + ppm / 1e6))
    position, onsets, parts = 0, [], []
    for k in range(150):  # ten minutes
        position = speak(lane, position, 3000, 0)
        onsets.append(position / 8 * (1 + ppm / 1e6))
        position = speak(lane, position, 1000, 900)
        parts.append(laid(lane, k * 4, k * 4 + 4))
    found = np.concatenate(parts)
    begins = (np.flatnonzero(np.diff(found) > 0) + 1) / 8
    assert len(begins) == len(onsets), "no word is torn"
    assert np.abs(begins - onsets).max() < 100


def test_a_packet_that_comes_late_takes_its_place() -> None:
    lane = user_lane()
    speak(lane, 0, 400, 900)
    lane.replace(800, np.full(FRAME, 5, np.int16))
    found = laid(lane, 0, 1)
    assert np.flatnonzero(found == 5).tolist() == list(range(800, 960))
    lane.replace(800, np.full(FRAME, 6, np.int16))  # it is laid already


def test_a_lane_that_is_never_laid_keeps_a_bounded_part() -> None:
    lane = user_lane()
    speak(lane, 0, 60_000, 900)
    assert lane.dropped > 45 * RATE
    assert (laid(lane, 0, 60) == 900).sum() <= 11 * RATE


# ----------------------------------------------------------------------------------------------------- the agent


def sent(reply: ReplyLane, first: int, ms: int) -> int:
    """So much audio is sent; each sample has its place as its value."""
    for _ in range(ms // 20):
        samples = np.arange(first + 1, first + 1 + FRAME).astype(np.int16)
        reply.sent(AudioOut(1, 0, first, samples, last=False))
        first += FRAME
    return first


def told(reply: ReplyLane, at_ms: float, samples: int, *, playing: bool = True, final: bool = False) -> None:
    reply.at(at_ms, samples, playing=playing, reported=True, final=final, paced=False)


def test_a_reply_begins_when_its_reports_say_so_by_the_least_of_their_delays() -> None:
    lane = AgentLane(RATE)
    reply = lane.reply()
    sent(reply, 0, 600)
    for k, jitter in ((1, 40), (2, 5), (3, 30), (4, 60), (5, 5)):
        told(reply, 200 + k * 100 + jitter, k * 800)
    found = laid(lane, 0, 1)
    begin = int(np.flatnonzero(found)[0])
    assert begin / 8 == 205
    assert found[begin : begin + 4000].tolist() == list(range(1, 4001))


def test_an_underrun_is_silence_where_it_was_and_no_sample_is_lost() -> None:
    lane = AgentLane(RATE)
    reply = lane.reply()
    sent(reply, 0, 200)
    told(reply, 100, 800)
    told(reply, 200, 1600, playing=False)  # the TTS has stalled
    sent(reply, 1600, 200)
    told(reply, 600, 2400)
    told(reply, 700, 3200, playing=False)
    reply.over(3200)
    found = laid(lane, 0, 1)
    assert found[:1600].tolist() == list(range(1, 1601))
    assert not found[1600:4000].any()
    assert found[4000:5600].tolist() == list(range(1601, 3201))
    assert not found[5600:].any()


def test_what_was_sent_and_never_played_is_not_there() -> None:
    lane = AgentLane(RATE)
    reply = lane.reply()
    sent(reply, 0, 1000)
    reply.at(0, 0, playing=False, reported=False, final=False, paced=False)  # our estimate: it waits
    assert not lane.settled(BLOCK)
    assert not laid(lane, 0, 2).any()
    reply.over(0)
    assert lane.settled(2 * BLOCK)
    answer = lane.reply()
    sent(answer, 0, 100)
    told(answer, 2200, 800, playing=False)
    answer.over(800)
    found = laid(lane, 2, 3)
    assert np.flatnonzero(found)[[0, -1]].tolist() == [800, 1599]


def test_without_newer_reports_half_a_second_is_believed_and_counted() -> None:
    lane = AgentLane(RATE)
    reply = lane.reply()
    sent(reply, 0, 2000)
    told(reply, 100, 800)
    assert not lane.settled(BLOCK)
    found = np.concatenate((laid(lane, 0, 1), laid(lane, 1, 2)))
    assert int(np.flatnonzero(found)[-1]) + 1 == 800 + RATE // 2
    assert lane.estimated == RATE // 2


def test_a_network_that_reports_nothing_is_taken_to_play_as_it_gets() -> None:
    lane = AgentLane(RATE)
    reply = lane.reply()
    sent(reply, 0, 400)
    reply.at(50, 0, playing=True, reported=False, final=False, paced=True)
    reply.over(3200)
    assert lane.settled(BLOCK)
    found = laid(lane, 0, 1)
    assert np.flatnonzero(found)[[0, -1]].tolist() == [400, 3599]
    assert lane.estimated == 0


def test_a_later_word_on_a_cut_replaces_the_first_one() -> None:
    lane = AgentLane(RATE)
    reply = lane.reply()
    sent(reply, 0, 600)
    told(reply, 100, 800)
    told(reply, 200, 1600)
    reply.over(2000)  # our own count
    told(reply, 260, 1900, playing=False, final=True)
    reply.over(1900)  # the client's
    found = laid(lane, 0, 1)
    assert int(np.flatnonzero(found)[-1]) == 1899


def test_frames_that_are_sent_again_after_a_hold_stand_once() -> None:
    lane = AgentLane(RATE)
    reply = lane.reply()
    sent(reply, 0, 400)
    told(reply, 100, 800)
    reply.at(150, 1300, playing=False, reported=False, final=False, paced=False)  # our estimate of the hold
    told(reply, 160, 1240, playing=False, final=True)
    sent(reply, 1240, 400)
    reply.at(500, 1240, playing=True, reported=False, final=False, paced=False)
    told(reply, 620, 2040)
    told(reply, 770, 4440 - 1200, playing=False)
    reply.over(3240)
    found = laid(lane, 0, 1)
    assert found[:1240].tolist() == list(range(1, 1241))
    assert found[4160 : 4160 + 2000].tolist() == list(range(1241, 3241))
    assert np.count_nonzero(found) == 3240
