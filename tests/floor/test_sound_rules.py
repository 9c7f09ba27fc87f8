"""Looks at the sound of an onset: laughs go by, words do not, and no look cuts."""

from __future__ import annotations

import pytest

from bargein import floor as f
from bargein.floor import Policy
from tests.floor.talk import Talk


class Heard(Talk):
    """A talk whose sounds are looked at, by a judge that the test plays."""

    def __init__(self, policy: Policy | None = None, *, stt: bool = True, small: bool = True) -> None:
        super().__init__(policy)
        if stt:
            self.feed(f.STTChanged(0, words=True, turns=False, small=small))
        self.feed(f.SoundChanged(0, judged=True))
        self.speaking()

    @property
    def looks(self) -> list[f.JudgeSound]:
        return [action for action in self.did if isinstance(action, f.JudgeSound)]

    def look(self, words: float | None, *other: f.Other, late: int = 0) -> list[f.Action]:
        """Answer the newest look."""
        order = self.looks[-1]
        return self.feed(f.SoundJudged(order.onset_ms, order.until_ms, order.look - late, words, other))


def test_a_laugh_that_reads_as_words_costs_nothing() -> None:
    t = Heard()
    t.speak(330)
    t.look(0.05)
    t.words("you look up")
    t.speak(290)
    t.look(0.1)
    assert t.names() == ["Hold", "Resume"]
    t.speak(1000)
    t.quiet(1500)
    assert t.names() == ["Hold", "Resume"]


def test_a_laugh_without_an_stt_costs_nothing_either() -> None:
    t = Heard(stt=False)
    t.speak(330)
    t.look(0.05)
    t.speak(290)
    t.look(0.1)
    t.speak(600)
    assert t.names() == ["Hold", "Resume"]


def test_length_cuts_nothing_while_the_newest_look_found_no_words() -> None:
    t = Heard(stt=False)
    t.speak(330)
    t.look(0.05)
    t.speak(200)
    assert t.names() == ["Hold"]


def test_a_word_that_one_look_misses_cuts_at_the_next() -> None:
    t = Heard()
    t.speak(330)
    t.look(0.05)
    t.words("tell me more")
    assert t.names() == ["Hold"]
    t.speak(290)
    t.look(0.9)
    assert t.names() == ["Hold", "Cut"]
    assert "tell me more" in t.last(f.Cut).why


def test_a_look_that_finds_words_cuts_nothing_by_itself() -> None:
    t = Heard()
    t.speak(330)
    t.look(0.99)
    assert t.names() == ["Hold"]
    t.words("tell me more")
    assert t.names() == ["Hold", "Cut"]


def test_words_cut_as_soon_as_without_looks() -> None:
    looked, plain = Heard(), Talk(stt=True)
    plain.speaking()
    for talk in (looked, plain):
        talk.speak(330)
    looked.look(0.99)
    for talk in (looked, plain):
        talk.words("tell me more")
        assert talk.names() == ["Hold", "Cut"]
    assert looked.now - looked.floor.speech.onset_ms == plain.now - plain.floor.speech.onset_ms


def test_a_short_reading_waits_for_the_second_look_where_the_first_is_not_sure() -> None:
    t = Heard()
    t.speak(330)
    t.look(0.6)
    t.words("the")
    assert t.names() == ["Hold"]
    t.speak(290)
    t.look(0.6)
    assert t.names() == ["Hold", "Cut"]


def test_three_words_do_not_wait_for_it() -> None:
    t = Heard()
    t.speak(330)
    t.look(0.6)
    t.words("the blue one")
    assert t.names() == ["Hold", "Cut"]


def test_a_short_word_that_is_over_does_not_wait_either() -> None:
    t = Heard()
    t.speak(200)
    t.quiet(160)
    t.words("tomorrow")
    t.look(0.6)
    assert t.names() == ["Hold", "Cut"]


def test_what_was_passed_over_holds_again_only_for_words_that_are_sure() -> None:
    t = Heard()
    t.speak(330)
    t.look(0.05)
    t.speak(290)
    t.look(0.05)
    t.speak(170)
    t.look(0.6)
    assert t.names() == ["Hold", "Resume"]


def test_a_stop_phrase_cuts_whatever_a_look_says() -> None:
    t = Heard()
    t.speak(330)
    t.look(0.01, "voice")
    t.words("stop")
    assert t.names() == ["Hold", "Cut"]


def test_so_many_words_are_no_laugh() -> None:
    t = Heard()
    t.speak(330)
    t.look(0.01)
    t.words("I want something else entirely")
    assert t.names() == ["Hold", "Cut"]


def test_words_that_follow_a_laugh_hold_again_and_cut() -> None:
    t = Heard()
    t.speak(330)
    t.look(0.05)
    t.speak(290)
    t.look(0.05)
    t.speak(200)
    t.look(0.95)
    assert t.names() == ["Hold", "Resume", "Hold"]
    t.speak(130)
    t.words("no listen")
    assert t.names() == ["Hold", "Resume", "Hold", "Cut"]


def test_a_short_sound_goes_by_after_one_look_that_is_sure() -> None:
    t = Heard()
    t.speak(200)
    t.quiet(160)
    t.words("you hear that")
    assert t.names() == ["Hold"]
    t.look(0.1)
    assert t.names() == ["Hold", "Resume"]


def test_a_short_word_is_kept_where_one_look_is_not_sure() -> None:
    t = Heard()
    t.speak(200)
    t.quiet(160)
    t.words("tell me")
    t.look(0.4)
    assert t.names() == ["Hold", "Cut"]


def test_a_sound_that_ends_between_two_looks_is_looked_at_once_more() -> None:
    t = Heard()
    t.speak(420)
    t.look(0.1)
    t.quiet(160)
    t.words("wow that")
    t.look(0.3)
    assert t.names() == ["Hold", "Resume"]
    assert len(t.looks) == 2


def test_a_judge_that_does_not_answer_is_not_waited_for() -> None:
    t = Heard()
    t.speak(330)
    t.words("tell me")
    assert t.names() == ["Hold"]
    t.speak(128)
    assert t.names() == ["Hold", "Cut"]
    assert [a.what for a in t.did if isinstance(a, f.Ignore)] == ["sound"]


def test_a_look_that_tells_nothing_leaves_everything_as_it_was() -> None:
    t = Heard()
    t.speak(330)
    t.words("tell me")
    t.look(None)
    assert t.names() == ["Hold", "Cut"]


def test_a_judge_that_goes_away_is_not_waited_for() -> None:
    t = Heard()
    t.speak(330)
    t.words("tell me")
    t.feed(f.SoundChanged(t.now, judged=False))
    assert t.names() == ["Hold", "Cut"]


def test_an_old_look_changes_nothing() -> None:
    t = Heard()
    t.speak(330)
    assert t.look(0.01, "voice", "before", late=1) == []
    assert t.names() == ["Hold"]


@pytest.mark.parametrize("text", ["you", "'kay", "Nah.", "Thank you.", "oh you"])
def test_a_lone_word_of_a_small_stt_is_no_word(text: str) -> None:
    t = Heard()
    t.speak(330)
    t.look(None)
    t.words(text)
    t.quiet(800)
    assert t.names() == ["Hold", "Resume"]


@pytest.mark.parametrize(
    ("text", "small", "words"), [("you", True, 0.9), ("you", False, None), ("you two", True, None)]
)
def test_it_is_one_where_the_sound_says_so_or_another_follows_or_the_stt_is_large(
    text: str, small: bool, words: float | None
) -> None:
    t = Heard(small=small)
    t.speak(330)
    t.look(words)
    t.words(text)
    assert t.names() == ["Hold", "Cut"]


def test_one_sign_of_another_voice_asks_for_one_word_more_and_longer_speech() -> None:
    t = Heard()
    t.speak(330)
    t.look(0.9, "voice")
    t.words("yes tomorrow")
    t.speak(320)
    t.look(0.9, "voice")
    assert t.names() == ["Hold"]
    t.words("yes tomorrow at")
    assert t.names() == ["Hold", "Cut"]


def test_one_sign_never_resumes() -> None:
    t = Heard(stt=False)
    t.speak(330)
    t.look(0.9, "before")
    t.speak(290)
    t.look(0.9, "before")
    t.speak(320)
    assert t.names() == ["Hold"]
    t.speak(700)
    assert t.names() == ["Hold", "Cut"]
    assert "another person" in t.last(f.Cut).why


def test_two_signs_resume_and_the_rest_of_the_sound_changes_nothing() -> None:
    t = Heard()
    t.speak(330)
    t.look(0.95, "voice", "before")
    t.words("in other news tonight the president")
    t.speak(1500)
    assert t.names() == ["Hold", "Resume"]


def test_speech_that_is_softer_counts_as_one_sign() -> None:
    t = Heard()
    t.floor.turn.own_level_db = -20.0
    for k in range(12):
        at = t.now + 32 * k
        t.feed(f.SpeechWindow(at, at + 32, 0.95, level_db=-28.0))
    t.look(0.95, "before")
    assert t.names() == ["Hold", "Resume"]


def faint(t: Heard, ms: float, level_db: float) -> None:
    for _ in range(int(ms // 32)):
        t.feed(f.SpeechWindow(t.now, t.now + 32, 0.95, level_db=level_db))
        t.now += 32
        t.ticks()


def test_before_the_first_turn_speech_that_is_soft_for_the_line_asks_for_one_word_more() -> None:
    t = Heard()
    t.feed(f.LineKnown(t.now, -28.0))
    faint(t, 330, -36.0)
    t.look(0.9)
    t.words("fourth")
    assert t.names() == ["Hold"]
    faint(t, 320, -36.0)
    t.look(0.9)
    t.words("fourth of july")
    assert t.names() == ["Hold", "Cut"]


@pytest.mark.parametrize(("level_db", "own_db"), [(-30.0, None), (-36.0, -30.0)])
def test_a_caller_whose_level_is_usual_or_known_is_not_doubted(level_db: float, own_db: float | None) -> None:
    t = Heard()
    t.feed(f.LineKnown(t.now, -28.0))
    t.floor.turn.own_level_db = own_db
    faint(t, 330, level_db)
    t.look(0.9)
    t.words("fourth")
    assert t.names() == ["Hold", "Cut"]


def test_soft_speech_that_is_like_what_spoke_before_resumes() -> None:
    t = Heard()
    t.feed(f.LineKnown(t.now, -28.0))
    faint(t, 330, -36.0)
    t.look(None, "before")
    assert t.names() == ["Hold", "Resume"]


def test_a_second_burst_of_a_laugh_needs_one_look() -> None:
    t = Heard()
    t.speak(330)
    t.look(0.1)
    t.quiet(224)
    t.speak(330)
    t.words("you know")
    t.look(0.1)
    assert t.names() == ["Hold", "Resume"]


def test_nothing_is_looked_at_where_the_policy_wants_no_looks() -> None:
    t = Heard(Policy().with_({"sound_ms": 0}))
    t.speak(330)
    t.words("tell me")
    assert t.looks == []
    assert t.names() == ["Hold", "Cut"]


def test_the_onset_itself_cuts_where_the_policy_says_so() -> None:
    t = Heard(Policy.instant())
    t.speak(64)
    assert t.names() == ["Cut"]
