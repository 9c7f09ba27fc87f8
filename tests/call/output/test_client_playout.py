"""The playout of a call whose sound goes elsewhere: it goes by what the far end reports, and by nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from bargein.audio.pcm import Pcm
from bargein.call.output.client_playout import LOST_MS, ClientPlayout
from bargein.call.output.playout import GRACE_MS, STALL_MS
from bargein.call.output.track import Track
from bargein.clock import ManualClock
from bargein.floor import ReplyEnded, ReplyFailed, ReplyStarted
from bargein.protocols import Held, Played, SpeechChunk
from tests.call.kit import FarEnd, Notes

RATE = 24_000
TEXT = "one two three four five six seven eight nine ten"


def text(words: str) -> SpeechChunk:
    return SpeechChunk(Pcm(np.zeros(0, np.int16), RATE), words, ahead=True)


@pytest.fixture
def playout() -> ClientPlayout:
    made = ClientPlayout(FarEnd(ManualClock(0)), Notes())
    made.begin(1, RATE)
    made.push(1, text(TEXT))
    return made


def test_a_reply_begins_with_the_first_report_and_ends_with_the_last(playout: ClientPlayout) -> None:
    assert playout.tick(100) == []
    playout.played(200, Played(1, 2_400, playing=True))
    assert playout.tick(220) == [ReplyStarted(220, 1)]
    assert playout.finished(4_000, 1) is None, "the model may have more to say"
    playout.finish(1)
    assert playout.tick(4_020) == [ReplyEnded(4_020, 1)]
    assert playout.track is None


def test_a_model_that_goes_on_after_a_tool_goes_on_with_the_same_reply(playout: ClientPlayout) -> None:
    playout.played(200, Played(1, 2_400, playing=True))
    playout.tick(220)
    playout.finished(1_000, 1)
    playout.played(2_000, Played(1, 30_000, playing=True))
    playout.finish(1)
    assert playout.tick(2_020) == [], "it sounds"
    playout.finished(3_000, 1)
    assert playout.track is None


def test_positions_are_the_far_ends_and_a_hold_waits_for_as_long_as_it_lasts(playout: ClientPlayout) -> None:
    playout.played(200, Played(1, 2_400, playing=True))
    playout.tick(220)
    playout.hold(500)
    playout.paused(520, Held(1, 7_200))
    assert playout.track is not None
    assert playout.track.position(9_000).ms == 300
    playout.finish(1)
    assert playout.tick(30_000) == []
    playout.resume(30_000)
    assert playout.tick(30_020) == []
    cleared = playout.cut(30_100)
    assert cleared.position.samples == 7_200
    assert playout.track is None


def test_a_far_end_that_reports_nothing_any_more_does_not_hold_the_floor(playout: ClientPlayout) -> None:
    playout.played(200, Played(1, 2_400, playing=True))
    playout.tick(220)
    playout.tick(1_000)
    playout.finish(1)
    assert playout.tick(1_000 + STALL_MS - 20) == []
    assert [type(e) for e in playout.tick(1_000 + STALL_MS)] == [ReplyEnded]


def test_a_model_that_was_lost_ends_the_reply_when_what_it_sent_has_sounded(playout: ClientPlayout) -> None:
    playout.tick(1_000)
    playout.finish(1, "it broke off")
    assert playout.tick(1_000 + GRACE_MS) == [ReplyFailed(1_000 + GRACE_MS, 1, "it broke off")]


def test_a_model_that_gives_nothing_more_does_not_hold_the_floor_though_its_stream_goes_on(
    playout: ClientPlayout,
) -> None:
    playout.played(200, Played(1, 2_400, playing=True))
    playout.tick(220)
    at = 220.0
    while (at := at + 100) < 10_220:
        playout.played(at, Played(1, int(at * 24), playing=True))
        assert playout.tick(at) == []
    assert playout.tick(10_220, excused=True) == [], "it runs a tool"
    playout.played(10_220 + LOST_MS, Played(1, int(at * 24), playing=True))
    assert [type(e) for e in playout.tick(10_220 + LOST_MS)] == [ReplyFailed]


def test_a_far_end_that_fell_silent_beyond_its_last_report_was_heard_that_far(playout: ClientPlayout) -> None:
    playout.played(200, Played(1, 2_400, playing=True))
    playout.tick(220)
    track = playout.track
    assert track is not None
    playout.cut(280)
    assert track.reach(4_800) == 4_800
    assert track.made == 4_800
    ours = Track(2, RATE, RATE)
    assert ours.reach(4_800) == 0, "of what we sent nobody plays more than we sent"


def test_what_is_late_or_of_another_reply_changes_nothing(playout: ClientPlayout) -> None:
    playout.played(200, Played(9, 2_400, playing=True))
    playout.paused(200, Held(9, 2_400))
    assert playout.finished(200, 9) is None
    assert playout.push(9, text("x")) == ()
    assert playout.tick(220) == []


def test_a_whole_reply_teaches_how_fast_the_voice_speaks(playout: ClientPlayout) -> None:
    slow_ms = len(TEXT) * 130
    playout.played(200, Played(1, slow_ms * 24, playing=True))
    playout.tick(220)
    playout.finish(1)
    playout.finished(9_000, 1)
    track = playout.begin(2, RATE)
    playout.push(2, text(TEXT))
    slower = len(track.words.heard(1_500).text)
    other = ClientPlayout(FarEnd(ManualClock(0)), Notes())
    fresh = other.begin(1, RATE)
    other.push(1, text(TEXT))
    assert slower < len(fresh.words.heard(1_500).text)
