"""Replies that are protected, given up, lost or waited for. Numbers in comments are the pains of the field."""

from __future__ import annotations

from bargein import floor as f
from bargein.floor import Policy
from tests.floor.talk import WINDOW, Talk


def test_speech_over_a_protected_greeting_is_kept_and_answered_after_it() -> None:  # 21, 24
    t = Talk()
    reply = t.speaking()
    t.feed(f.ReplyProtected(t.now, reply, protected=True))
    t.speak(640)
    t.quiet(320)
    assert t.names() == []
    t.feed(f.ReplyEnded(t.now, reply))
    t.quiet(640)
    assert t.names() == ["Answer"]


def test_when_the_protected_part_is_over_what_was_said_over_it_has_the_floor() -> None:
    t = Talk()
    reply = t.speaking()
    t.feed(f.ReplyProtected(t.now, reply, protected=True))
    t.speak(640)
    t.feed(f.ReplyProtected(t.now, reply, protected=False))
    assert t.names() == ["Cut"]


def test_going_on_while_the_agent_thinks_discards_the_answer_and_merges_the_turns() -> None:
    t = Talk()
    t.speak(480)
    t.quiet(960)
    assert t.names() == ["Answer"]
    t.speak(480)
    assert t.names() == ["Answer", "Hold", "DiscardReply"]
    drop, listen = t.last(f.DiscardReply), t.last(f.Listen)
    assert isinstance(drop, f.DiscardReply)
    assert isinstance(listen, f.Listen)
    assert drop.turn == listen.turn == 1
    t.quiet(960)
    answer = t.last(f.Answer)
    assert isinstance(answer, f.Answer)
    assert (answer.turn, answer.reply) == (1, 2)


def test_a_cough_while_the_agent_thinks_costs_nothing_either() -> None:
    t = Talk()
    t.speak(480)
    t.quiet(960)
    t.speak(96)
    t.quiet(320)
    assert t.names() == ["Answer", "Hold", "Resume"]
    assert t.floor.state == "thinking"


def test_an_interruption_does_not_outlive_its_reply() -> None:  # 11: the next reply is whole
    t = Talk()
    old = t.speaking()
    t.feed(f.Interrupted(t.now, "button"))
    new = t.speaking()
    for late in (f.ReplyEnded(t.now, old), f.ReplyFailed(t.now, old, "late"), f.LevelOnset(t.now, old)):
        t.feed(late)
    assert t.floor.reply.id == new
    assert t.floor.state == "speaking"
    assert "Cut" not in t.names()


def test_something_to_say_waits_for_the_floor() -> None:
    t = Talk()
    t.speak(320)
    t.feed(f.SayRequested(t.now))
    assert "Say" not in t.names()
    t.quiet(960)
    t.feed(f.ReplyStarted(t.now, 1))
    t.feed(f.ReplyEnded(t.now, 1))
    assert t.names() == ["Answer", "Say"]


def test_a_reply_that_fails_is_asked_for_once_again_and_then_recorded() -> None:  # 19
    t = Talk()
    t.speak(480)
    t.quiet(960)
    t.feed(f.ReplyFailed(t.now, 1, "the model is gone"))
    t.feed(f.ReplyFailed(t.now, 2, "the voice, too"))
    assert t.names() == ["Answer", "Reprompt", "CloseTurn"]
    assert t.floor.state == "idle"


def test_a_reply_that_ends_while_it_is_held_leaves_the_floor_to_who_spoke() -> None:
    t = Talk()
    reply = t.speaking()
    t.speak(96)
    t.feed(f.ReplyEnded(t.now, reply))
    assert t.floor.state == "listening"
    t.quiet(960)
    assert t.names() == ["Hold", "CloseTurn"] or t.names() == ["Hold", "Answer"]


def test_an_stt_that_is_lost_in_a_hold_is_not_waited_for() -> None:
    t = Talk(stt=True)
    t.speaking()
    t.speak(352)
    assert t.names() == ["Hold"]
    t.feed(f.STTChanged(t.now, words=False, turns=False))
    t.speak(416)
    assert t.names() == ["Hold", "Cut"]


def test_another_policy_counts_from_the_next_event_on() -> None:
    t = Talk()
    t.speaking()
    t.feed(f.PolicyChanged(t.now, Policy.instant()))
    t.speak(WINDOW)
    assert t.names() == ["Cut"]


def test_a_reply_that_its_client_does_not_play_is_over_and_the_floor_is_free() -> None:
    t = Talk()
    reply = t.speaking()
    t.feed(f.ReplyProtected(t.now, reply, protected=True))
    t.feed(f.ReplyStalled(t.now, reply - 1, "late"))
    assert t.names() == []
    t.feed(f.ReplyStalled(t.now, reply, "no report for 3500 ms"))
    assert t.names() == ["CutStalledReply"]
    assert t.floor.state == "idle"


def test_the_next_thing_to_say_is_said_after_a_reply_that_was_not_played() -> None:
    t = Talk()
    reply = t.speaking()
    t.feed(f.SayRequested(t.now))
    t.feed(f.ReplyStalled(t.now, reply, "no report"))
    assert t.names() == ["CutStalledReply", "Say"]


def test_an_answer_that_the_client_never_began_to_play_is_closed_on_record() -> None:
    t = Talk()
    t.speak(480)
    t.quiet(960)
    t.feed(f.ReplyStalled(t.now, 1, "no report"))
    assert t.names() == ["Answer", "CutStalledReply", "CloseTurn"]


def test_a_hard_stop_on_a_free_floor_empties_a_client_that_may_hold_something_once() -> None:
    for hard in (f.Interrupted(0, "button"), f.Interrupted(0, "operator"), f.KeyPressed(0, "1"), f.Words(0, "stop")):
        for over in (f.ReplyStalled(0, 1, "no report"), f.ReplyEnded(0, 1, confirmed=False)):
            t = Talk()
            assert t.speaking() == 1
            t.feed(over)
            t.did.clear()
            t.feed(hard)
            t.feed(hard)
            assert [a for a in t.did if isinstance(a, f.FlushClient)] == [f.FlushClient(1, t.did[0].why)], (hard, over)


def test_a_client_that_has_said_that_it_played_all_is_not_emptied() -> None:
    t = Talk()
    t.feed(f.ReplyEnded(t.now, t.speaking()))
    t.feed(f.Interrupted(t.now, "button"))
    assert t.all() == ["Ignore"]


def test_a_reply_that_sounds_clears_the_debt_of_the_one_before() -> None:
    t = Talk()
    t.feed(f.ReplyStalled(t.now, t.speaking(), "no report"))
    t.feed(f.Interrupted(t.now, "button"))
    t.feed(f.ReplyEnded(t.now, t.speaking(), confirmed=False))
    t.speaking()
    t.feed(f.Interrupted(t.now, "button"))
    assert t.all() == ["Cut"]


def test_speech_that_held_an_answer_has_the_floor_when_the_answer_is_lost() -> None:
    t = Talk(stt=True)
    t.speak(480)
    t.quiet(960)
    t.speak(480)
    t.quiet(192)
    assert t.floor.state == "barge_in"
    assert not t.floor.talking
    t.feed(f.ReplyFailed(t.now, 1, "the model is gone"))
    assert t.names() == ["Answer", "Hold", "CloseTurn"]
    assert t.floor.state == "listening"
