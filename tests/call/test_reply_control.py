"""A hold, a resume and a cut: what is done, in which order, and what reaches the client."""

from __future__ import annotations

import pytest

from bargein import floor as f
from bargein import notices as n
from bargein.call.output.playout import Cleared
from bargein.call.output.reply import Reply
from bargein.call.output.silence_timer import SilenceTimer
from bargein.call.output.track import Position
from bargein.call.reply_control import ReplyControl
from bargein.floor.state import ReplyState
from bargein.protocols import Word
from tests.call.kit import scene
from tests.call.parts import Parts, sounding

STORY = "once there was a fox who lived by a river"
BARGE_IN = f.BargeIn(1, 900.0, 1_000.0, f.Source.SPEECH, 0.9, "speech lasted")


class Floor:
    """As much of a floor as a reply control reads."""

    def __init__(self) -> None:
        self.reply = ReplyState(sounding=True)


class World:
    """What a reply control acts on: playout, speaker, ledger and responder in one, each call in order."""

    def __init__(self, reply: Reply | None, *, sounded: bool = True) -> None:
        self.parts = Parts()
        self.did: list[tuple[object, ...]] = []
        self.held = False
        self.floor = Floor()
        if reply is not None:
            self.parts.replies.begin(reply)
            self.parts.replies.sounded = reply if sounded else None
        self.timer = SilenceTimer(self.parts.notes)
        self.control = ReplyControl(
            self.parts.context,
            self.floor,  # type: ignore[arg-type]
            self.parts.replies,
            self,  # type: ignore[arg-type]
            _Speaker(self),  # type: ignore[arg-type]
            _Ledger(self),  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            self.timer,
        )

    # Playout
    def hold(self, now_ms: float) -> None:
        self.held = True
        self.did.append(("hold", now_ms))

    def resume(self, now_ms: float) -> None:
        self.held = False
        self.did.append(("resume", now_ms))

    def cut(self, now_ms: float) -> Cleared:
        self.held = False
        self.did.append(("silence", now_ms))
        return Cleared(7, 130.04, Position(14_400, 600.0, 0.0))

    # Responder
    def stopped(self, reply: Reply, *, sounded: bool) -> None:
        self.did.append(("stopped", reply.id, sounded))

    def discard_prepared(self, cause: str) -> None:
        self.did.append(("discard", cause))


class _Speaker:
    def __init__(self, world: World) -> None:
        self.world = world

    def stop(self) -> Reply | None:
        self.world.did.append(("stop",))
        live = self.world.parts.replies.live
        return None if live is None else self.world.parts.replies.end(live.id)


class _Ledger:
    def __init__(self, world: World) -> None:
        self.world = world

    def cut(self, reply: Reply, position: Position) -> None:
        self.world.did.append(("write", reply.id, position.ms))


# ----------------------------------------------------------------------------------------------- hold, resume


def test_a_hold_silences_and_tells_the_client_and_its_time_is_measured() -> None:
    world = World(sounding(1, STORY))
    world.control.hold(f.Hold(1, 940.0, f.Source.SPEECH, "speech"), 1_000)
    assert world.did == [("hold", 1_000)]
    assert world.parts.notices[0] == n.HoldNow(1, 940.0, "speech")
    assert world.parts.decisions() == [("hold", "speech")]
    assert world.parts.notes.seen == [("onset_to_hold", 60, "speech")]
    assert world.parts.notes.counts == {"holds": 1}
    world.timer.confirmed(1_030, "hold")
    assert world.parts.notes.seen[-1] == ("stop", 30, "hold")


def test_a_reply_that_does_not_sound_is_held_without_a_word_to_the_client() -> None:
    world = World(Reply(1, "reply", 0.0))
    world.floor.reply.sounding = False
    world.control.hold(f.Hold(1, 940.0, f.Source.SPEECH, "speech"), 1_000)
    assert world.did == [("hold", 1_000)]
    assert not any(isinstance(x, n.HoldNow) for x in world.parts.notices)
    world.timer.confirmed(1_030, "hold")
    assert ("stop", 30, "hold") not in world.parts.notes.seen


def test_a_resume_goes_on_and_the_hold_is_measured() -> None:
    world = World(sounding(1, STORY))
    world.control.hold(f.Hold(1, 940.0, f.Source.SPEECH, "speech"), 1_000)
    world.control.resume(f.Resume(1, "a cough"), 1_250)
    assert world.did == [("hold", 1_000), ("resume", 1_250)]
    assert world.parts.notices[-2] == n.ResumeNow(1, "a cough")
    assert world.parts.notes.seen == [("onset_to_hold", 60, "speech"), ("hold_to_resume", 250, "")]
    assert world.parts.notes.counts == {"holds": 1, "resumes": 1}


def test_a_hold_of_the_clients_own_is_undone_at_the_client_only() -> None:
    world = World(sounding(1, STORY))
    world.control.resume(f.Resume(1, "no speech followed"), 1_250)
    assert (world.did, world.parts.notices) == ([], [n.ResumeNow(1, "no speech followed")])


# --------------------------------------------------------------------------------------------------------- cut


def test_a_cut_silences_first_and_then_settles_the_record() -> None:
    world = World(sounding(1, STORY))
    world.control.cut(f.Cut(1, BARGE_IN), 1_000)
    assert world.did == [("silence", 1_000), ("stop",), ("write", 1, 600.0), ("stopped", 1, True)]
    assert world.parts.notes.seen == [("onset_to_cut", 100, "speech")]
    assert world.parts.notes.counts == {"cuts": 1}
    world.timer.confirmed(1_020, "cut")
    assert world.parts.notes.seen[-1] == ("stop", 20, "cut")


def test_the_client_learns_of_a_cut_in_this_order_and_with_these_numbers() -> None:
    world = World(sounding(1, STORY))
    world.control.cut(f.Cut(1, BARGE_IN), 1_000)
    interrupted, happened, stopped, decision = world.parts.notices
    assert isinstance(interrupted, n.AudioInterrupted)
    assert interrupted.conversation_id == "c1"
    assert (interrupted.cleared_chunks, interrupted.cleared_ms) == (7, 130.0)
    assert (interrupted.heard_ms, interrupted.heard_text) == (600.0, "once there was")
    assert happened == n.BargeInHappened(1, 900.0, "speech", 0.9, "speech lasted")
    assert stopped == n.TtsInterrupted(1, "speech")
    assert isinstance(decision, n.Decision)
    assert (decision.kind, decision.reply_id, decision.onset_ms) == ("cut", 1, 900.0)


def test_a_held_client_is_silent_already_when_the_cut_comes() -> None:
    world = World(sounding(1, STORY))
    world.control.hold(f.Hold(1, 940.0, f.Source.SPEECH, "speech"), 1_000)
    world.timer.confirmed(1_010, "hold")
    world.control.cut(f.Cut(1, BARGE_IN), 1_200)
    world.timer.confirmed(1_220, "cut")
    assert [name for name, _, _ in world.parts.notes.seen].count("stop") == 1


def test_a_realtime_model_says_where_its_words_sound_as_well_as_it_can() -> None:
    class Response:
        def words(self) -> tuple[Word, ...]:
            return (Word(0.0, 500.0, 0, 4), Word(500.0, 5_000.0, 5, 10))

    reply = sounding(1, "")
    reply.track = type(reply.track)(1, 24_000, 24_000)  # type: ignore[misc]
    response = Response()
    reply.response = response  # type: ignore[assignment]
    reply.text = "once there"
    guessed: list[object] = []
    reply.track.words.guess = guessed.append  # type: ignore[method-assign]
    World(reply).control.cut(f.Cut(1, BARGE_IN), 1_000)
    assert guessed == [response.words()]


def test_a_cut_of_a_reply_that_is_over_already_still_tells_the_client() -> None:
    world = World(None)
    world.control.cut(f.Cut(1, BARGE_IN), 1_000)
    assert world.did == [("silence", 1_000), ("stop",)]
    assert any(isinstance(x, n.AudioInterrupted) and x.heard_text == "" for x in world.parts.notices)


# ----------------------------------------------------------------------------------------------------- discard


def test_a_reply_that_never_sounded_is_discarded_with_all_that_was_prepared() -> None:
    world = World(Reply(2, "reply", 0.0), sounded=False)
    world.control.discard(f.DiscardReply(2, 1, BARGE_IN), 1_000)
    assert world.did == [("silence", 1_000), ("stop",), ("stopped", 2, False), ("discard", "dropped")]
    assert world.parts.decisions() == [("drop", "speech lasted")]
    assert world.parts.notes.causes == [("drops", "speech")]


def test_a_reply_that_is_late_is_discarded_and_no_interruption_is_counted() -> None:
    world = World(None)
    world.control.discard_late(f.DiscardLateReply(2, "no sound for 8000 ms"), 9_000)
    assert world.did == [("silence", 9_000), ("stop",), ("discard", "abandoned")]
    assert world.parts.decisions() == [("abandon", "no sound for 8000 ms")]
    assert world.parts.notes.counts == {}


@pytest.mark.parametrize("acks", [True, False])
async def test_in_a_call_nothing_of_a_cut_reply_sounds_any_more(*, acks: bool) -> None:
    async with scene(greeting=STORY, acks=acks) as s:
        await s.until(lambda: s.words(1) >= 3)
        s.call.interrupt()
        heard = len(s.client.heard[1])
        await s.pass_ms(960)
        assert len(s.client.heard[1]) == heard
        assert s.state == "idle"
