"""What time alone decides. Numbers in comments are the pains of the field."""

from __future__ import annotations

from bargein import floor as f
from bargein.floor import Policy
from tests.floor.talk import WINDOW, Talk


def test_speech_that_no_transcript_follows_never_ends_in_silence() -> None:  # 19
    t = Talk(stt=True)
    t.speaking()
    t.speak(320)
    t.quiet(2_000)  # the reading is never answered
    assert t.names() == ["Hold", "Resume"]


def test_a_reply_that_never_comes_is_given_up_and_so_is_a_filler_before_it() -> None:
    t = Talk()
    t.speak(480)
    t.quiet(12_000)
    assert t.names()[:2] == ["Answer", "Reprompt"]


def test_the_time_in_which_a_filler_sounds_is_no_time_of_waiting() -> None:
    t = Talk()
    t.speak(480)
    (filler,) = [action for action in t.quiet(3_500) if isinstance(action, f.SayFiller)]
    t.feed(f.ReplyStarted(t.now, filler.reply))
    t.quiet(9_000)
    t.feed(f.ReplyEnded(t.now, filler.reply))
    assert "Reprompt" not in [type(action).__name__ for action in t.quiet(6_000)]
    assert "Reprompt" in [type(action).__name__ for action in t.quiet(3_000)]


def test_a_silent_user_is_asked_and_then_left_in_peace() -> None:
    t = Talk(Policy.balanced().with_({"user_silence_ms": 1000, "max_reprompts": 2}))
    for _ in range(4):
        t.quiet(1100)
        t.feed(f.ReplyStarted(t.now, t.floor.reply.id))
        t.feed(f.ReplyEnded(t.now, t.floor.reply.id))
    assert t.names() == ["Reprompt", "Reprompt"]


def test_a_telephone_that_nobody_speaks_into_is_asked_twice_and_then_left() -> None:  # 19
    t = Talk(Policy().with_({"user_silence_ms": 5000, "max_reprompts": 2, "hang_up_on_silence": True}))
    left: list[float] = []
    for _ in range(2000):
        for action in t.quiet(WINDOW):
            if isinstance(action, f.Reprompt):
                t.feed(f.ReplyStarted(t.now, action.reply))
                t.feed(f.ReplyEnded(t.now, action.reply))
            elif isinstance(action, f.EndCall):
                left.append(t.now)
    assert t.names() == ["Reprompt", "Reprompt"]
    assert len(left) == 1
    assert 15_000 <= left[0] <= 15_200


def test_one_word_is_enough_to_be_asked_again_instead_of_left() -> None:
    t = Talk(Policy().with_({"user_silence_ms": 5000, "max_reprompts": 1, "hang_up_on_silence": True}))
    t.quiet(5100)
    t.feed(f.ReplyStarted(t.now, t.floor.reply.id))
    t.feed(f.ReplyEnded(t.now, t.floor.reply.id))
    t.quiet(2000)
    t.speak(400)
    t.quiet(1000)
    t.feed(f.ReplyStarted(t.now, t.floor.reply.id))
    t.feed(f.ReplyEnded(t.now, t.floor.reply.id))
    t.quiet(5100)
    assert t.names() == ["Reprompt", "Answer", "Reprompt"]


def test_a_noise_that_never_ends_is_answered_once_and_spoken_over() -> None:
    t = Talk()
    t.speak(61_000)
    t.feed(f.ReplyStarted(t.now, t.floor.reply.id))
    t.speak(3_000)
    assert t.names() == ["Answer"]
    assert t.floor.state == "speaking"


def test_a_microphone_that_dies_in_the_middle_of_a_word_ends_it() -> None:
    t = Talk()
    t.speaking()
    t.speak(128)
    t.now += 1_500
    t.ticks()
    assert t.names() == ["Hold", "Resume"]


def test_windows_that_come_late_are_no_dead_microphone() -> None:
    """The line stood still for 1.3 s. Its audio comes after all, as old as it is: one hold, and one cut."""
    t = Talk()
    t.speaking()
    t.now += 1_300
    for k in range(40):
        at_ms = t.now - 1_300 + k * WINDOW
        t.feed(f.SpeechWindow(at_ms, at_ms + WINDOW, 0.95, came_ms=t.now))
        t.now += 2
        t.ticks()
    assert t.names() == ["Hold", "Cut"]


def test_time_counts_from_when_a_window_came() -> None:
    t = Talk()
    t.speaking()
    t.now += 900
    t.feed(f.SpeechWindow(t.now - 900, t.now - 868, 0.95, came_ms=t.now))
    assert t.floor.deadline is not None
    assert t.floor.deadline == t.now + t.floor.policy.endpointing.deaf_ms
