"""The playout alone, on a client that a test plays: pace, hold, resume, cut, and who ends a reply."""

from __future__ import annotations

import asyncio

import numpy as np

from bargein.audio.echo import LineEcho
from bargein.audio.pcm import Pcm
from bargein.call.output.playout import HELD_WAIT_MS, STALL_MS, Playout, PlayoutEvent
from bargein.call.output.reply import Replies, Reply
from bargein.call.output.report_watch import END_MS
from bargein.floor import ReplyEnded, ReplyFailed, ReplyStalled, ReplyStarted
from bargein.protocols import AudioOut, Held, Played, SpeechChunk, TransportCapabilities
from tests.call.kit import Notes

RATE, FRAME, LEAD_MS = 8000, 160, 100


class Wire:
    """The transport's outgoing half. full: it takes no frame."""

    rate_out = RATE

    def __init__(self, *, pause: bool = True, reports: bool = True, plays_immediately: bool = False) -> None:
        self.capabilities = TransportCapabilities(pause=pause, reports=reports, plays_immediately=plays_immediately)
        self.frames: list[AudioOut] = []
        self.unsent: AudioOut | None = None
        self.flushed: list[int] = []
        self.full = False

    def send(self, frame: AudioOut) -> bool:
        if not self.full:
            self.frames.append(frame)
        return not self.full

    def hold(self, reply: int) -> AudioOut | None:
        return self.unsent

    def flush(self, reply: int) -> int:
        self.flushed.append(reply)
        return 0


class World:
    """A playout with one live reply of `ms` audio, in a call that ends a reply when the playout says so."""

    def __init__(
        self, ms: float = 1000, *, wire: Wire | None = None, complete: bool = True, echo: LineEcho | None = None
    ) -> None:
        self.wire = wire or Wire()
        self.notes = Notes()
        self.replies = Replies()
        self.playout = Playout(self.replies, self.wire, self.notes, LEAD_MS, echo)  # type: ignore[arg-type]
        self.reply = Reply(1, "reply", 0.0)
        self.replies.begin(self.reply)
        self.playout.begin(self.reply, RATE)
        self.push(ms)
        if complete:
            self.playout.finish(1)

    def push(self, ms: float) -> None:
        self.playout.push_audio(1, SpeechChunk(Pcm(np.full(int(ms * 8), 9, np.int16), RATE), "", ()))

    def run(self, from_ms: float, to_ms: float, *, excused: bool = False) -> list[PlayoutEvent]:
        """Tick every 20 ms, from_ms included and to_ms excluded."""
        events: list[PlayoutEvent] = []
        at = from_ms
        while at < to_ms:
            for event in self.playout.tick(at, excused=excused):
                events.append(event)
                if not isinstance(event, ReplyStarted):
                    self.replies.end(event.reply)
            at += 20
        return events

    def held(self) -> bool:
        return self.playout.held

    @property
    def sent_ms(self) -> float:
        return sum(len(f.samples) for f in self.wire.frames) / 8


# ------------------------------------------------------------------------------------------------------- pace


def test_a_lead_leaves_at_once_and_then_a_frame_each_20_ms() -> None:
    world = World()
    assert world.run(0, 20) == [ReplyStarted(0, 1)]
    assert world.sent_ms == LEAD_MS + 20
    world.run(20, 200)
    assert world.sent_ms == LEAD_MS + 200


def test_a_reply_ends_when_the_client_says_that_it_has_played_all() -> None:
    world = World(200)
    world.run(0, 140)
    assert world.playout.on_finished(150, 1) == ReplyEnded(150, 1)


def test_the_client_cannot_have_finished_what_was_not_sent() -> None:
    world = World(1000)
    world.run(0, 140)
    assert world.playout.on_finished(150, 1) is None
    assert world.playout.on_finished(150, 9) is None


def test_a_client_that_never_says_finished_holds_the_floor_no_longer_than_the_grace() -> None:
    world = World(200)
    events = world.run(0, 4_000)
    why = f"the client's report of the end is overdue by {END_MS:g} ms"
    assert events == [ReplyStarted(0, 1), ReplyStalled(200 + END_MS, 1, why)]


def test_a_client_that_reports_the_last_sample_and_never_says_finished_has_heard_all() -> None:
    world = World(200)
    world.run(0, 140)
    world.playout.on_played(240, Played(1, 1_600, playing=False))
    assert world.run(240, 400) == [ReplyEnded(240, 1)]


def test_a_client_without_reports_ends_when_the_last_frame_has_sounded() -> None:
    world = World(200, wire=Wire(pause=False, reports=False))
    assert world.run(0, 400) == [ReplyStarted(0, 1), ReplyEnded(200, 1, confirmed=False)]


def test_a_reply_without_audio_ends_without_having_begun() -> None:
    world = World(0)
    assert world.run(0, 40) == [ReplyEnded(0, 1)]
    assert world.wire.frames == []


def test_a_transport_that_is_full_gets_the_same_frame_again_and_a_whole_lead() -> None:
    world = World(1000)
    world.run(0, 100)
    sent = world.sent_ms
    world.wire.full = True
    world.run(100, 300)
    assert world.sent_ms == sent
    world.wire.full = False
    world.run(300, 320)
    assert [f.first_sample for f in world.wire.frames] == [k * FRAME for k in range(len(world.wire.frames))]
    assert world.notes.counts["frames_late"] > 0


async def test_a_tts_that_gives_too_much_waits_until_there_is_room() -> None:
    world = World(2_900, complete=False)
    waiting = asyncio.create_task(world.playout.wait_room())
    await asyncio.sleep(0)
    world.run(0, 20)
    await asyncio.sleep(0)
    assert not waiting.done()
    world.run(20, 300)
    await waiting


async def test_what_the_client_has_and_did_not_play_takes_room() -> None:
    world = World(2_900, complete=False)
    world.run(0, 20)
    world.playout.on_played(20, Played(1, 160, playing=True))
    waiting = asyncio.create_task(world.playout.wait_room())
    world.run(20, 1_000)
    await asyncio.sleep(0)
    assert not waiting.done()
    world.playout.on_played(1_000, Played(1, 1_600, playing=True))
    world.run(1_000, 1_020)
    await waiting


# ----------------------------------------------------------------------------------------------- a slow tts


def test_a_tts_that_stalls_in_the_middle_of_a_reply_is_lost() -> None:
    world = World(200, wire=Wire(pause=False, reports=False), complete=False)
    events = world.run(0, 10_000)
    assert isinstance(events[-1], ReplyFailed)
    assert events[-1].why == f"the TTS gave nothing for {STALL_MS} ms"
    assert not events[-1].confirmed
    assert world.notes.counts["underruns"] == 1


def test_a_model_that_waits_for_a_tool_is_not_lost() -> None:
    world = World(200, complete=False)
    world.run(0, 200)
    assert world.run(200, 20_000, excused=True) == []


def test_a_failure_is_reported_once_the_audio_before_it_has_sounded() -> None:
    world = World(200, complete=False)
    world.run(0, 100)
    world.playout.finish(1, "the vendor is gone")
    world.run(100, 200)
    assert world.playout.on_finished(200, 1) == ReplyFailed(200, 1, "the vendor is gone")


def test_chunks_of_another_reply_are_dropped() -> None:
    world = World(200, complete=False)
    assert world.playout.push_audio(9, SpeechChunk(Pcm(np.ones(800, np.int16), RATE))) == ()
    assert world.playout.finish(9) == ()
    late = Reply(9, "reply", 0.0)
    world.playout.begin(late, RATE)
    assert late.track is None
    assert world.playout.track is world.reply.track


# ------------------------------------------------------------------------------------------ hold, resume, cut


def test_a_client_that_can_pause_goes_on_from_the_frame_of_the_hold() -> None:
    world = World(1000)
    world.run(0, 100)
    sent = world.sent_ms
    world.playout.hold(100)
    assert world.run(100, 1_100) == []
    assert world.sent_ms == sent
    world.playout.resume(1_100)
    world.run(1_100, 1_200)
    assert world.sent_ms == sent + 100


def test_frames_that_the_transport_had_not_sent_come_again_after_the_resume() -> None:
    world = World(1000)
    world.run(0, 100)
    world.wire.unsent = world.wire.frames[-2]
    world.playout.hold(100)
    world.playout.resume(140)
    before = len(world.wire.frames)
    world.run(140, 160)
    assert world.wire.frames[before].first_sample == world.wire.unsent.first_sample


def test_a_telephone_is_sent_the_rest_anew_from_where_it_fell_silent() -> None:
    world = World(1000, wire=Wire(pause=False, plays_immediately=True))
    world.run(0, 200)
    world.playout.on_played(190, Played(1, 1_200, playing=True))
    world.playout.hold(200)
    world.playout.resume(220)
    assert world.held(), "only the telephone knows from where"
    world.playout.on_held(240, Held(1, 1_290))
    assert not world.held()
    before = len(world.wire.frames)
    world.run(240, 260)
    assert world.wire.frames[before].first_sample == 1_290
    assert len(world.wire.frames[before].samples) == FRAME


def test_a_telephone_that_never_says_where_it_stopped_is_not_waited_for_again() -> None:
    world = World(3_000, wire=Wire(pause=False, plays_immediately=True))
    world.run(0, 200)
    world.playout.hold(200)
    world.playout.resume(220)
    world.run(220, 200 + HELD_WAIT_MS)
    assert world.held()
    world.run(200 + HELD_WAIT_MS, 260 + HELD_WAIT_MS)
    assert not world.held()
    world.playout.hold(1_000)
    world.playout.resume(1_020)
    assert not world.held()


def test_a_hold_before_the_first_audio_keeps_it_waiting() -> None:
    world = World(1000)
    world.replies.end(1)
    world.playout.hold(0)
    world.replies.begin(world.reply)
    assert world.run(0, 100) == []
    world.playout.resume(100)
    assert world.run(100, 120) == [ReplyStarted(100, 1)]


def test_a_second_hold_and_a_resume_without_one_change_nothing() -> None:
    world = World(1000)
    world.run(0, 100)
    world.playout.resume(100)
    world.playout.hold(100)
    world.playout.hold(500)
    world.playout.resume(600)
    world.run(600, 620)
    assert world.sent_ms == LEAD_MS + 120


def test_a_resume_without_audio_only_ends_the_hold() -> None:
    world = World()
    world.replies.end(1)
    world.playout.hold(0)
    world.playout.resume(20)
    assert not world.held()
    assert world.run(20, 60) == []


def test_a_cut_empties_the_transport_and_says_what_was_not_heard() -> None:
    world = World(1000)
    world.run(0, 200)
    world.playout.on_played(200, Played(1, 1_600, playing=False))
    cleared = world.playout.cut(200)
    assert world.wire.flushed == [1]
    assert (cleared.ms, cleared.chunks, cleared.position.samples) == (800, 40, 1_600)


def test_a_cut_without_audio_takes_nothing_back() -> None:
    world = World()
    world.replies.end(1)
    assert world.playout.cut(0).ms == 0
    assert world.wire.flushed == []


# --------------------------------------------------------------------------------------------------- reports


def test_reports_of_another_reply_or_of_what_was_not_sent_change_nothing() -> None:
    world = World(1000)
    world.run(0, 20)
    assert world.reply.track is not None
    before = world.reply.track.position(20)
    world.playout.on_played(20, Played(9, 160, playing=False))
    world.playout.on_played(20, Played(1, 7_900, playing=False))
    world.playout.on_held(20, Held(9, 160))
    world.playout.on_held(20, Held(1, 7_900))
    assert world.reply.track.position(20) == before


def test_a_held_client_says_where_and_the_position_is_exact() -> None:
    world = World(1000)
    world.run(0, 200)
    world.playout.hold(200)
    world.playout.on_held(230, Held(1, 1_500))
    assert world.reply.track is not None
    assert (world.reply.track.position(900).samples, world.reply.track.position(900).bound_ms) == (1_500, 0)


def test_the_echo_guard_knows_what_sounds_and_when_it_stops() -> None:
    class Echo:
        def __init__(self) -> None:
            self.frames: list[float] = []
            self.silent: list[float] = []

        def played(self, at_ms: float, samples: object) -> None:
            self.frames.append(at_ms)

        def silenced(self, at_ms: float) -> None:
            self.silent.append(at_ms)

    echo = Echo()
    world = World(1000, wire=Wire(pause=False, plays_immediately=True), echo=echo)  # type: ignore[arg-type]
    world.run(0, 40)
    world.playout.hold(40)
    world.playout.cut(60)
    assert echo.frames == [0, 20, 40, 60, 80, 100, 120]
    assert echo.silent == [40, 60]


async def test_a_tts_that_speaks_at_once_is_asked_for_little_ahead() -> None:
    world = World(0, complete=False)
    world.playout.begin(world.reply, RATE, 1_000)
    world.push(1_200)
    waiting = asyncio.create_task(world.playout.wait_room())
    await asyncio.sleep(0)
    assert not waiting.done()
    world.run(0, 20)
    world.playout.on_played(20, Played(1, 160, playing=True))
    world.run(20, 600)
    world.playout.on_played(600, Played(1, 4_800, playing=True))
    world.run(600, 620)
    await waiting
