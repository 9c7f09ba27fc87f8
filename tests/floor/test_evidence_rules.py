"""Words, the STT's turns, a judge, the page and the hard-stop lane. Numbers in comments are the pains of the field."""

from __future__ import annotations

import pytest

from bargein import floor as f
from bargein.floor import Policy
from tests.floor.talk import Talk


def test_yeah_does_not_stop_the_agent_and_enters_as_what_it_is() -> None:  # 1
    t = Talk(stt=True)
    t.speaking()
    t.speak(384)
    t.words("Yeah.")
    t.quiet(320)
    assert t.names() == ["Hold", "Resume"]
    dismissed = t.last(f.Dismiss)
    assert isinstance(dismissed, f.Dismiss)
    assert dismissed.text == "Yeah."


def test_a_word_that_is_no_backchannel_cuts_at_once() -> None:
    t = Talk(stt=True)
    t.speaking()
    t.speak(320)
    t.words("What about")
    assert t.names() == ["Hold", "Cut"]


def test_a_backchannel_that_goes_on_into_words_cuts() -> None:
    t = Talk(stt=True)
    t.speaking()
    t.speak(320)
    t.words("Yeah")
    t.speak(320)
    t.words("Yeah but why")
    assert t.names() == ["Hold", "Cut"]


def test_three_separate_okays_never_add_up() -> None:  # 4
    t = Talk(Policy.balanced().with_({"min_words": 2, "wary_after": 0}), stt=True)
    t.speaking()
    for _ in range(3):
        t.speak(320)
        t.words("tea")
        t.quiet(320)
    assert t.names() == ["Hold", "Resume"] * 3


def test_a_two_word_command_stops_whatever_the_number_of_words_asked_for() -> None:  # 4
    t = Talk(Policy.balanced().with_({"min_words": 5}), stt=True)
    t.speaking()
    t.speak(320)
    t.words("wait, listen")
    assert t.names() == ["Hold", "Cut"]


@pytest.mark.parametrize(("then", "end"), [("I see.", "Resume"), ("I want to", "Cut")])
def test_half_a_backchannel_is_read_again(then: str, end: str) -> None:  # 1
    t = Talk(stt=True)
    t.speaking()
    t.speak(320)
    t.words("I")
    assert t.names() == ["Hold"]
    t.speak(320)
    t.words(then)
    t.quiet(320)
    assert t.names() == ["Hold", end]


def test_what_nobody_can_read_is_judged_by_its_length() -> None:
    t = Talk(stt=True)
    t.speaking()
    t.speak(352)
    t.words(None)
    assert t.names() == ["Hold", "Cut"]


def test_words_of_the_turn_before_do_not_stop_its_answer() -> None:  # 11, 15
    t = Talk()
    t.speak(480)
    t.quiet(960)
    t.feed(f.ReplyStarted(t.now, t.floor.reply.id))
    t.feed(f.Words(100, "stop the timer"))
    assert "Cut" not in t.names()


def test_a_stop_phrase_passes_a_protection() -> None:
    t = Talk(stt=True)
    reply = t.speaking()
    t.feed(f.ReplyProtected(t.now, reply, protected=True))
    t.speak(320)
    t.words("Stop.")
    assert t.names() == ["Cut"]


@pytest.mark.parametrize("source", ["words", "turn"])
def test_every_gate_holds_for_the_transcriber_too(source: str) -> None:  # 3, 6
    t = Talk(Policy.patient())
    t.speaking()
    t.feed(f.TurnStarted(t.now, "") if source == "turn" else f.Words(t.now, "tea"))
    assert "Cut" not in t.names()


def test_a_start_of_turn_that_is_only_mm_hmm_does_not_cancel() -> None:  # 6
    t = Talk()
    t.speaking()
    t.feed(f.TurnStarted(t.now, "mm-hmm"))
    assert t.names() == []


def test_a_trusted_start_of_turn_cuts() -> None:
    t = Talk()
    t.speaking()
    t.feed(f.TurnStarted(t.now, "tell me"))
    assert t.names() == ["Cut"]


def test_a_guess_prepares_the_reply_and_the_end_of_the_turn_releases_it() -> None:
    t = Talk()
    t.feed(f.TurnStarted(t.now, "tell me"))
    t.feed(f.TurnEnding(t.now, "tell me"))
    assert (t.all()[-1], t.floor.state) == ("Prepare", f.State.LISTENING)
    t.feed(f.TurnEnded(t.now, "tell me"))
    assert t.all()[-1] == "Answer"


def test_a_turn_that_goes_on_takes_the_guess_back_once() -> None:
    t = Talk()
    t.feed(f.TurnStarted(t.now, "tell me"))
    t.feed(f.TurnEnding(t.now, "tell me"))
    t.feed(f.TurnResumed(t.now))
    t.feed(f.TurnResumed(t.now))
    assert t.all()[-2:] == ["Prepare", "DiscardPrepared"]


def test_an_end_of_a_turn_that_was_answered_already_does_not_end_the_next() -> None:
    t = Talk()
    t.quiet(2000)
    before = t.now
    t.quiet(100)
    t.feed(f.TurnStarted(t.now, "tell me"))
    t.feed(f.TurnEnded(before, "the old one"))
    assert (t.all()[-1], t.floor.state) == ("Ignore", f.State.LISTENING)


def test_an_own_detector_can_decide_both_ways() -> None:  # 2
    for interrupts, name in ((True, "Cut"), (False, "Resume")):
        t = Talk()
        t.speaking()
        onset = t.now
        t.speak(64)
        t.feed(f.Judged(onset, interrupts, 0.9, "my own model"))
        assert t.names() == ["Hold", name]


def test_a_judge_that_keeps_crying_wolf_does_not_mute_the_call() -> None:  # 20
    t = Talk(Policy.balanced().with_({"wary_after": 0}))
    t.speaking()
    for _ in range(20):
        t.feed(f.LevelOnset(t.now, t.floor.reply.id))
        t.quiet(320)
    assert t.names() == ["Hold", "Resume"] * 20
    assert t.floor.state == "speaking"


def test_a_hold_of_the_pages_own_that_no_speech_confirms_ends() -> None:
    t = Talk()
    reply = t.speaking()
    t.feed(f.LevelOnset(t.now, reply))
    t.quiet(320)
    assert t.names() == ["Hold", "Resume"]


def test_a_hold_of_the_pages_own_that_was_the_agent_s_echo_ends_with_the_window_that_says_so() -> None:
    t = Talk()
    reply = t.speaking()
    onset = t.now
    t.feed(f.LevelOnset(onset, reply))
    before = t.feed(f.SpeechWindow(onset - 28, onset + 4, 0.9, echo=0.95))
    after = t.feed(f.SpeechWindow(onset + 4, onset + 36, 0.9, echo=0.95))
    assert "Resume" not in [type(a).__name__ for a in before], "that window ended before the sound"
    assert "Resume" in [type(a).__name__ for a in after]


def test_a_hold_of_the_pages_own_that_speech_confirms_is_no_echo_of_a_window_before() -> None:
    t = Talk()
    reply = t.speaking()
    onset = t.now
    t.feed(f.LevelOnset(onset, reply))
    for i in range(3):
        assert t.feed(f.SpeechWindow(onset + 32 * i, onset + 32 * i + 32, 0.9, echo=0.2)) == []
    assert t.names() == ["Hold"]


def test_a_hold_of_the_pages_own_that_we_do_not_share_is_undone() -> None:
    t = Talk()
    reply = t.speaking(guard_over=False)
    assert [type(a).__name__ for a in t.feed(f.LevelOnset(t.now, reply))] == ["Ignore", "Resume"]


@pytest.mark.parametrize("event", [f.KeyPressed(0, "1"), f.UserTyped(0), f.Interrupted(0, "button")])
def test_the_hard_stop_lane_passes_every_gate(event: f.Event) -> None:
    t = Talk(Policy.patient())
    reply = t.speaking(guard_over=False)
    t.feed(f.ReplyProtected(t.now, reply, protected=True))
    t.feed(event)
    assert "Cut" in t.names()


def test_keys_are_input_and_more_of_them_may_follow() -> None:  # 24
    t = Talk()
    t.speaking()
    t.feed(f.KeyPressed(t.now, "1"))
    t.quiet(320)
    t.feed(f.KeyPressed(t.now, "2"))
    t.quiet(2_400)
    assert t.names() == ["Cut"]
    t.quiet(160)
    assert t.names() == ["Cut", "Answer"]


def test_the_pace_of_keys_is_their_own_and_the_last_one_is_answered_at_once() -> None:
    t = Talk()
    for key in "4827":
        t.feed(f.KeyPressed(t.now, key))
        t.quiet(1_000)
    assert t.names() == []
    t.feed(f.KeyPressed(t.now, "#", ends=True))
    assert t.names() == ["Answer"]


def test_a_key_may_give_the_next_one_another_pace() -> None:
    t = Talk()
    t.feed(f.KeyPressed(t.now, "4", gap_ms=5_000))
    t.quiet(4_900)
    assert t.names() == []
    t.quiet(150)
    assert t.names() == ["Answer"]


def test_the_end_that_an_stt_tells_of_is_none_while_keys_come() -> None:
    t = Talk(stt=True)
    t.speak(480)
    t.feed(f.KeyPressed(t.now, "4"))
    t.quiet(480)
    t.feed(f.TurnEnded(t.now, "my number is"))
    assert "Answer" not in t.names()
    t.feed(f.KeyPressed(t.now, "2", ends=True))
    assert t.names() == ["Answer"]


def test_two_quick_interruptions_are_one() -> None:  # 11
    t = Talk()
    t.speaking()
    t.feed(f.Interrupted(t.now, "button"))
    t.feed(f.Interrupted(t.now, "operator"))
    t.feed(f.Interrupted(t.now, "button"))
    assert t.names() == ["Cut"]


def test_every_decision_says_why() -> None:  # 25
    t = Talk(stt=True)
    t.speaking()
    t.speak(400)
    t.words("Mm.")
    t.quiet(400)
    assert t.did
    assert all(a.why for a in t.did)
