"""The user's speech over a reply: hold, resume, cut. Numbers in comments are the pains of the field."""

from __future__ import annotations

import pytest

from bargein import floor as f
from bargein.floor import Policy, Source
from tests.floor.talk import WINDOW, Talk


def test_the_first_window_of_speech_holds_and_says_when_it_began() -> None:
    t = Talk()
    reply = t.speaking()
    onset = t.now
    (hold,) = t.speak(WINDOW)
    assert hold == f.Hold(reply, onset, Source.SPEECH, "speech 0.95")


def test_a_cough_costs_nothing() -> None:  # 5
    t = Talk()
    t.speaking()
    t.speak(160)
    t.quiet(320)
    assert t.names() == ["Hold", "Resume"]
    assert t.floor.state == "speaking"


def test_speech_that_lasts_cuts_though_no_word_was_ever_read() -> None:  # 7: never at the end of the sentence
    t = Talk()
    t.speaking()
    began = t.now
    t.speak(672)
    assert t.names() == ["Hold"], "nobody reads words: it may be no more than a backchannel"
    t.speak(96)
    assert t.names() == ["Hold", "Cut"]
    cut = t.last(f.Cut)
    assert isinstance(cut, f.Cut)
    assert cut.barge_in.source is Source.SPEECH
    assert cut.barge_in.onset_ms == began


def test_instant_cuts_on_the_onset() -> None:
    t = Talk(Policy.instant())
    t.speaking()
    t.speak(WINDOW)
    assert t.names() == ["Cut"]


def test_within_the_echo_guard_only_firm_evidence_holds() -> None:  # 18
    t = Talk()
    t.speaking(guard_over=False)
    t.speak(64, 0.4)
    assert t.names() == []
    t.speak(WINDOW, 0.9)
    assert t.names() == ["Hold"]


def test_a_faint_sound_that_outlasts_the_guard_holds_after_it() -> None:
    t = Talk()
    t.speaking(guard_over=False)
    t.speak(400, 0.4)
    assert t.names() == ["Hold"]


def test_after_two_false_holds_a_reply_is_not_held_for_faint_sounds_again() -> None:
    t = Talk()
    t.speaking()
    for _ in range(3):
        t.speak(64, 0.4)
        t.quiet(320)
    assert t.names() == ["Hold", "Resume"] * 2


def test_interrupting_works_when_all_is_generated_and_only_the_playout_goes_on() -> None:  # 8
    t = Talk()
    t.speaking()
    t.quiet(20_000)
    t.speak(768)
    assert t.names() == ["Hold", "Cut"]


def test_speech_that_is_never_sure_must_last_longer() -> None:
    t = Talk()
    t.speaking()
    t.speak(640, 0.7)
    assert t.names() == ["Hold"]
    t.speak(320, 0.7)
    assert t.names() == ["Hold", "Cut"]


def test_the_agents_own_sound_come_back_does_not_hold_and_that_is_said_once() -> None:  # 18
    t = Talk()
    t.speaking()
    for _ in range(20):
        t.feed(f.SpeechWindow(t.now, t.now + WINDOW, 0.97, echo=0.93))
        t.now += WINDOW
        t.ticks()
    assert t.names() == []
    assert [a.why for a in t.did if isinstance(a, f.Ignore)] == ["the agent's own sound, come back (0.93 of it)"]


def test_a_hold_for_a_sound_that_then_proves_to_be_our_own_ends_at_once() -> None:  # 18
    t = Talk()
    t.speaking()
    t.speak(WINDOW)
    did = t.feed(f.SpeechWindow(t.now, t.now + WINDOW, 0.97, echo=0.9))
    assert [type(a).__name__ for a in did] == ["Dismiss", "Resume"]


def test_a_real_interruption_over_the_echo_holds_and_cuts() -> None:  # 18
    t = Talk()
    t.speaking()
    for _ in range(5):
        t.feed(f.SpeechWindow(t.now, t.now + WINDOW, 0.97, echo=0.95))
        t.now += WINDOW
    for _ in range(24):
        t.feed(f.SpeechWindow(t.now, t.now + WINDOW, 0.97, echo=0.4))
        t.now += WINDOW
    assert t.names() == ["Hold", "Cut"]


def television(t: Talk, ms: float, level_db: float = -40.0) -> None:
    for _ in range(int(ms // WINDOW)):
        t.feed(f.SpeechWindow(t.now, t.now + WINDOW, 0.95, level_db=level_db))
        t.now += WINDOW
        t.ticks()


def test_a_television_that_is_softer_than_the_caller_ends_no_reply() -> None:  # 1
    t = Talk()
    television(t, 960, -20.0)  # the caller's own turn
    t.quiet(960)
    t.feed(f.ReplyStarted(t.now, t.floor.reply.id))
    t.quiet(500)
    t.did.clear()
    for _ in range(3):
        television(t, 2_000)
        t.quiet(480)
    assert t.names() == ["Hold", "Resume"], "once, until it was known how soft it is"
    assert "20 dB softer" in t.last(f.Resume).why
    television(t, 320)
    television(t, 800, -24.0)  # the caller, over it
    assert t.names() == ["Hold", "Resume", "Hold", "Cut"]
    cut = t.last(f.Cut)
    assert isinstance(cut, f.Cut)
    assert cut.barge_in.onset_ms == t.now - 800 // WINDOW * WINDOW, "the caller's onset, not the television's"


def test_a_caller_who_has_stepped_back_is_believed_before_long() -> None:
    t = Talk()
    television(t, 960, -20.0)
    for _ in range(3):  # turns while the agent is silent are turns, however soft
        t.quiet(960)
        t.feed(f.ReplyStarted(t.now, t.floor.reply.id))
        t.quiet(500)
        t.feed(f.ReplyEnded(t.now, t.floor.reply.id))
        television(t, 960, -40.0)
    t.quiet(960)
    t.feed(f.ReplyStarted(t.now, t.floor.reply.id))
    t.quiet(500)
    t.did.clear()
    television(t, 960, -40.0)
    assert t.names() == ["Hold", "Cut"]


@pytest.mark.parametrize(
    ("pause_ms", "heard"),
    [(256, ["Hold", "Cut"]), (416, ["Hold", "Resume", "Hold", "Cut"]), (800, ["Hold", "Resume", "Hold"])],
)
def test_phrases_with_short_pauses_between_them_are_one_interruption(pause_ms: float, heard: list[str]) -> None:
    t = Talk()
    t.speaking()
    t.speak(480)
    t.quiet(pause_ms)
    t.speak(480)
    assert t.names() == heard


def test_a_short_sound_costs_a_short_silence_where_nobody_reads_words() -> None:  # 5
    t = Talk()
    t.speaking()
    t.speak(192)
    t.quiet(192)
    assert t.names() == ["Hold", "Resume"]


def test_a_turn_begins_before_its_first_sound() -> None:  # 21
    t = Talk()
    t.quiet(960)
    began = t.now
    t.speak(320)
    listen = t.last(f.Listen)
    assert isinstance(listen, f.Listen)
    assert listen.from_ms == began - 300
