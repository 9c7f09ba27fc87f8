"""The playout of a call whose audio goes elsewhere: it knows what the client reports, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from bargein.audio.pcm import Pcm
from bargein.call.output.client_playout import LOST_MS, ClientPlayout
from bargein.call.output.playout import STALL_MS, PlayoutEvent
from bargein.call.output.reply import Replies, Reply
from bargein.call.output.report_watch import END_MS
from bargein.call.output.track import Track
from bargein.clock import ManualClock
from bargein.floor import ReplyEnded, ReplyFailed, ReplyStalled, ReplyStarted
from bargein.protocols import Held, Played, SpeechChunk
from tests.call.kit import FakeClient

RATE = 24_000
TEXT = "one two three four five six seven eight nine ten"


def text(words: str) -> SpeechChunk:
    return SpeechChunk(Pcm(np.zeros(0, np.int16), RATE), words, ahead=True)


class World:
    """A ClientPlayout whose call ends a reply when the playout says that it is over."""

    def __init__(self) -> None:
        self.replies = Replies()
        self.playout = ClientPlayout(self.replies, FakeClient(ManualClock(0)))

    def begin(self, reply: int) -> Track:
        self.replies.begin(Reply(reply, "reply", 0.0))
        assert self.replies.live is not None
        self.playout.begin(self.replies.live, RATE)
        assert self.playout.track is not None
        return self.playout.track

    def end(self, event: PlayoutEvent | None) -> None:
        assert event is not None
        self.replies.end(event.reply)


@pytest.fixture
def world() -> World:
    world = World()
    world.begin(1)
    world.playout.push_audio(1, text(TEXT))
    return world


@pytest.fixture
def playout(world: World) -> ClientPlayout:
    return world.playout


def test_a_reply_begins_with_the_first_report_and_ends_with_the_last(playout: ClientPlayout) -> None:
    assert playout.tick(100) == []
    playout.on_played(200, Played(1, 2_400, playing=True))
    assert playout.tick(220) == [ReplyStarted(220, 1)]
    assert playout.on_finished(4_000, 1) is None, "the model may have more to say"
    playout.finish(1)
    assert playout.tick(4_020) == [ReplyEnded(4_020, 1)]


def test_a_model_that_goes_on_after_a_tool_goes_on_with_the_same_reply(playout: ClientPlayout) -> None:
    playout.on_played(200, Played(1, 2_400, playing=True))
    playout.tick(220)
    playout.on_finished(1_000, 1)
    playout.on_played(2_000, Played(1, 30_000, playing=True))
    playout.finish(1)
    assert playout.tick(2_020) == [], "it sounds"
    assert playout.on_finished(3_000, 1) == ReplyEnded(3_000, 1)


def test_positions_are_the_clients_and_a_hold_waits_for_as_long_as_it_lasts(playout: ClientPlayout) -> None:
    playout.on_played(200, Played(1, 2_400, playing=True))
    playout.tick(220)
    playout.hold(500)
    playout.on_held(520, Held(1, 7_200))
    assert playout.track is not None
    assert playout.track.position(9_000).ms == 300
    playout.finish(1)
    assert playout.tick(30_000) == []
    playout.resume(30_000)
    assert playout.tick(30_020) == []
    cleared = playout.cut(30_100)
    assert cleared.position.samples == 7_200


def test_a_client_that_reports_nothing_any_more_does_not_hold_the_floor(playout: ClientPlayout) -> None:
    playout.on_played(200, Played(1, 2_400, playing=True))
    playout.tick(220)
    playout.tick(1_000)
    playout.finish(1)
    assert playout.tick(1_000 + STALL_MS - 20) == []
    assert [type(e) for e in playout.tick(1_000 + STALL_MS)] == [ReplyStalled]


def test_a_model_that_was_lost_ends_the_reply_when_what_it_sent_has_sounded(playout: ClientPlayout) -> None:
    playout.tick(1_000)
    playout.finish(1, "it broke off")
    assert playout.tick(1_000 + END_MS) == [ReplyFailed(1_000 + END_MS, 1, "it broke off", confirmed=False)]


def test_a_model_that_gives_nothing_more_does_not_hold_the_floor_though_its_stream_goes_on(
    playout: ClientPlayout,
) -> None:
    playout.on_played(200, Played(1, 2_400, playing=True))
    playout.tick(220)
    at = 220.0
    while (at := at + 100) < 10_220:
        playout.on_played(at, Played(1, int(at * 24), playing=True))
        assert playout.tick(at) == []
    assert playout.tick(10_220, excused=True) == [], "it runs a tool"
    playout.on_played(10_220 + LOST_MS, Played(1, int(at * 24), playing=True))
    assert [type(e) for e in playout.tick(10_220 + LOST_MS)] == [ReplyFailed]


def test_a_client_that_fell_silent_beyond_its_last_report_was_heard_that_far(playout: ClientPlayout) -> None:
    playout.on_played(200, Played(1, 2_400, playing=True))
    playout.tick(220)
    track = playout.track
    assert track is not None
    playout.cut(280)
    assert track.reach(4_800) == 4_800
    assert track.made == 4_800
    ours = Track(2, RATE, RATE)
    assert ours.reach(4_800) == 0, "no client plays more than it was sent"


def test_what_is_late_or_of_another_reply_changes_nothing(playout: ClientPlayout) -> None:
    playout.on_played(200, Played(9, 2_400, playing=True))
    playout.on_held(200, Held(9, 2_400))
    assert playout.on_finished(200, 9) is None
    assert playout.push_audio(9, text("x")) == ()
    assert playout.tick(220) == []


def test_a_whole_reply_teaches_how_fast_the_model_speaks(world: World) -> None:
    playout = world.playout
    slow_ms = len(TEXT) * 130
    playout.on_played(200, Played(1, slow_ms * 24, playing=True))
    playout.tick(220)
    playout.finish(1)
    world.end(playout.on_finished(9_000, 1))
    track = world.begin(2)
    playout.push_audio(2, text(TEXT))
    other = World()
    fresh = other.begin(1)
    other.playout.push_audio(1, text(TEXT))
    assert len(track.words.heard(1_500).text) < len(fresh.words.heard(1_500).text)


def test_a_client_that_played_all_before_the_first_tick_has_begun_and_ended(playout: ClientPlayout) -> None:
    playout.finish(1)
    playout.on_played(200, Played(1, 2_400, playing=False))
    assert playout.on_finished(210, 1) is None, "its beginning comes first"
    assert playout.tick(220) == [ReplyStarted(220, 1), ReplyEnded(220, 1)]


def test_a_reply_that_is_no_longer_live_gets_no_track(world: World) -> None:
    late = Reply(9, "reply", 0.0)
    world.playout.begin(late, RATE)
    assert late.track is None


async def test_text_needs_no_room(playout: ClientPlayout) -> None:
    await playout.wait_room()
    assert playout.finish(9) == ()


def test_a_cut_without_a_reply_takes_nothing_back(world: World) -> None:
    world.replies.end(1)
    assert world.playout.cut(100).position.samples == 0


def test_a_client_that_stands_still_has_stalled_though_the_model_goes_on_and_was_heard_as_far_as_it_reported(
    playout: ClientPlayout,
) -> None:
    playout.on_played(200, Played(1, 24_000, playing=True))
    playout.tick(220)
    for at in range(300, 200 + int(STALL_MS), 100):
        playout.on_played(at, Played(1, 24_000, playing=True))
        playout.push_audio(1, text(" and on"))
        assert playout.tick(at) == []
    (event,) = playout.tick(200 + STALL_MS)
    assert isinstance(event, ReplyStalled)
    cleared = playout.cut(200 + STALL_MS, stalled=True)
    assert cleared.position.samples == 24_000


def test_a_client_that_never_plays_the_models_audio_has_stalled_and_heard_nothing(playout: ClientPlayout) -> None:
    playout.tick(1_000)
    playout.finish(1)
    (event,) = playout.tick(1_000 + STALL_MS)
    assert isinstance(event, ReplyStalled)
    assert playout.cut(1_000 + STALL_MS, stalled=True).position.samples == 0


def test_a_client_whose_reply_waits_for_a_tool_has_not_stalled(playout: ClientPlayout) -> None:
    playout.on_played(200, Played(1, 24_000, playing=True))
    playout.tick(220)
    playout.on_finished(1_200, 1)
    assert playout.tick(1_200 + STALL_MS, excused=True) == []
