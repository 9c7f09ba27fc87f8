"""The word clock: what was heard, to the word."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bargein.audio.pcm import Pcm
from bargein.audio.words import MS_PER_CHAR, HeardText, WordClock
from bargein.errors import UsageError
from bargein.protocols import SpeechChunk, Word

RATE = 22050


def sound(ms: float) -> Pcm:
    return Pcm(np.zeros(round(ms * RATE / 1000), np.int16), RATE)


def timed(text: str, at_ms: float = 0, begin: int = 0, per_word_ms: float = 200) -> SpeechChunk:
    """A text whose words last 200 ms each, as a voice with word times gives it."""
    words, at = [], 0
    for i, word in enumerate(text.split()):
        at = text.index(word, at)
        start = at_ms + i * per_word_ms
        words.append(Word(start, start + per_word_ms, begin + at, begin + at + len(word)))
        at += len(word)
    return SpeechChunk(sound(len(words) * per_word_ms), text, tuple(words))


def untimed(text: str, ms: float) -> SpeechChunk:
    return SpeechChunk(sound(ms), text)


# ----------------------------------------------------------------------------------- times from the voice itself


def test_a_word_is_heard_once_it_has_ended() -> None:
    clock = WordClock()
    clock.add(timed("Wait, I am not done."))
    assert clock.heard(199) == HeardText("", 0, exact=True, next_word=Word(0, 200, 0, 5))
    assert clock.heard(200) == HeardText("Wait,", 5, exact=True, next_word=Word(200, 400, 6, 7))
    assert clock.heard(599).text == "Wait, I"
    assert clock.heard(1000).text == "Wait, I am not done."


def test_the_words_of_a_stretch_are_given_once_for_the_page() -> None:
    clock = WordClock()
    first, second = timed("One two. "), timed("Three.", at_ms=400, begin=9)
    assert clock.add(first) == first.words
    assert clock.add(SpeechChunk(sound(50))) == ()
    assert clock.add(second) == second.words
    assert clock.finish() == ()
    assert clock.words == (*(first.words or ()), *(second.words or ()))
    assert clock.text == "One two. Three."


def test_signs_that_the_voice_did_not_count_belong_to_the_word_before() -> None:
    clock = WordClock()
    clock.add(
        SpeechChunk(sound(400), "“Stop”, he said.", (Word(0, 100, 1, 5), Word(100, 200, 8, 10), Word(200, 400, 11, 15)))
    )
    assert clock.heard(150).text == "“Stop”,"
    assert clock.heard(400).text == "“Stop”, he said."


def test_words_may_come_after_their_text() -> None:
    clock = WordClock()
    clock.add(SpeechChunk(sound(0), "Hello there.", ()))
    clock.add(SpeechChunk(sound(600), "", (Word(0, 300, 0, 5),)))
    assert clock.heard(300) == HeardText("Hello", 5, exact=True, next_word=None)


def test_times_that_come_late_replace_the_estimate() -> None:
    clock = WordClock()
    clock.add(untimed("Hello there.", 600))
    assert clock.heard(300).exact is False
    clock.add(SpeechChunk(sound(0), "", (Word(0, 500, 0, 5), Word(500, 600, 6, 12))))
    assert clock.heard(500) == HeardText("Hello", 5, exact=True, next_word=Word(500, 600, 6, 12))


def test_silence_after_the_last_word_changes_nothing() -> None:
    clock = WordClock()
    clock.add(timed("Well, that is all."))
    before = [clock.heard(ms) for ms in range(0, 900, 50)]
    clock.add(SpeechChunk(sound(3000)))
    assert [clock.heard(ms) for ms in range(0, 900, 50)] == before
    clock.finish()
    assert clock.heard(3800).text == clock.heard(800).text == "Well, that is all."


def test_a_voice_whose_times_go_back_does_not_take_back_what_was_heard() -> None:
    clock = WordClock()
    given_back = clock.add(
        SpeechChunk(sound(500), "a b c", (Word(0, 300, 0, 1), Word(100, 200, 2, 3), Word(300, 500, 4, 5)))
    )
    assert given_back[1] == Word(100, 300, 2, 3)
    assert [clock.heard(ms).text for ms in (250, 300, 500)] == ["", "a b", "a b c"]


def test_a_position_counted_at_another_rate_still_hears_the_last_word() -> None:
    clock = WordClock()
    clock.add(SpeechChunk(sound(0), "Yes.", (Word(0, 1000.02, 0, 4),)))
    assert clock.heard(1000.0).text == "Yes."


# --------------------------------------------------------------------------------------- times that are estimated


def test_without_times_the_words_are_spread_by_their_letters_a_space_being_half_a_one() -> None:
    clock = WordClock()
    assert clock.add(untimed("aaaa bbbb cc", 1100)) == ()
    assert clock.finish() == (Word(0, 450, 0, 4), Word(450, 900, 5, 9), Word(900, 1100, 10, 12))
    assert clock.heard(450) == HeardText("aaaa", 4, exact=False, next_word=Word(450, 900, 5, 9))


def test_numbers_and_stops_take_longer_than_letters() -> None:
    clock = WordClock()
    clock.add(untimed("a 42. bb", 21_000))
    assert clock.finish() == (Word(0, 1500, 0, 1), Word(1500, 19_000, 2, 5), Word(19_000, 21_000, 6, 8))


def test_a_text_that_still_grows_is_not_taken_to_be_over_soon() -> None:
    clock = WordClock()
    clock.add(untimed("aaaa bbbb cc", 100))
    assert clock.heard(100).text == ""
    assert clock.words[-1].end_ms == pytest.approx(11 * MS_PER_CHAR)
    clock.add(SpeechChunk(sound(1100)))
    assert clock.words[-1].end_ms == 1200


def test_a_text_lasts_until_the_next_one_begins() -> None:
    clock = WordClock()
    clock.add(untimed("First. ", 300))
    clock.add(SpeechChunk(sound(400)))
    assert clock.add(untimed("Second.", 500)) == (Word(0, 700, 0, 6),)
    assert clock.finish() == (Word(700, 1200, 7, 14),)
    assert [clock.heard(ms).text for ms in (699, 700, 1199, 1200)] == ["", "First.", "First.", "First. Second."]


def test_texts_that_came_before_any_sound_share_it() -> None:
    clock = WordClock()
    clock.add(untimed("aa ", 0))
    clock.add(untimed("bbb", 0))
    clock.add(SpeechChunk(sound(1100)))
    assert clock.finish() == (Word(0, 500, 0, 2), Word(500, 1100, 3, 6))


def test_spaces_alone_do_not_end_a_text() -> None:
    clock = WordClock()
    clock.add(untimed("aaaa", 200))
    clock.add(untimed("  \n", 200))
    clock.add(untimed("bb", 100))
    assert clock.heard(400).text == "aaaa"


def test_chinese_is_counted_by_the_character() -> None:
    clock = WordClock()
    clock.add(untimed("你好,世界。", 1450))
    clock.finish()
    assert [clock.heard(ms).text for ms in (100, 550, 650, 1450)] == ["你", "你好,", "你好,世", "你好,世界。"]


def test_what_was_heard_by_the_voices_own_times_stays_exact_beside_an_estimate() -> None:
    clock = WordClock()
    clock.add(timed("One two. "))
    clock.add(untimed("Three four.", 500))
    assert clock.heard(200).exact is True
    assert clock.heard(400).exact is False, "whether the next was heard is a guess"
    clock.finish()
    assert clock.heard(500).exact is False
    assert clock.heard(900) == HeardText("One two. Three four.", 20, exact=True, next_word=None), "all of it is certain"


# ------------------------------------------------------------------------------------------- what was sounding


def test_the_word_that_sounded_at_a_moment() -> None:
    clock = WordClock()
    clock.add(
        SpeechChunk(sound(900), "the request you", (Word(50, 200, 0, 3), Word(250, 600, 4, 11), Word(600, 800, 12, 15)))
    )
    found = [clock.sounding(ms) for ms in (0, 50, 225, 600, 5000)]
    assert [clock.text[w.begin : w.end] if w else None for w in found] == [None, "the", "the", "you", "you"]


def test_the_words_between_two_moments() -> None:
    clock = WordClock()
    clock.add(timed("the request you sent"))
    assert clock.between(250, 450) == "request you"
    assert clock.between(2000, 3000) == ""


def test_nothing_was_heard_of_a_reply_that_never_sounded() -> None:
    clock = WordClock()
    assert clock.heard(math.inf) == HeardText("", 0, exact=True, next_word=None)
    clock.finish()
    assert clock.heard(0).text == ""
    assert clock.sounding(0) is None


def test_a_reply_that_ended_takes_no_more() -> None:
    clock = WordClock()
    clock.finish()
    with pytest.raises(UsageError, match="ended"):
        clock.add(timed("More."))


# ---------------------------------------------------------------------------------------------------- properties

texts = st.text(st.sampled_from("ab, .!你 \n"), max_size=20)
stretches = st.lists(st.tuples(texts, st.integers(0, 700), st.booleans()), max_size=8)


def play(stretches: list[tuple[str, int, bool]]) -> WordClock:
    clock = WordClock()
    for text, ms, is_timed in stretches:
        spoken = timed(text, clock.ms, len(clock.text), 100) if is_timed else untimed(text, ms)
        clock.add(spoken)
    return clock


@given(stretches, st.booleans())
def test_what_was_heard_only_grows_and_is_always_the_beginning_of_the_text(
    stretches: list[tuple[str, int, bool]], finished: bool
) -> None:
    clock = play(stretches)
    if finished:
        clock.finish()
    ends = []
    for ms in (0.0, *sorted(w.end_ms for w in clock.words), clock.ms, math.inf):
        heard = clock.heard(ms)
        assert heard.text == clock.text[: heard.end].strip()
        assert ms == 0 or heard.next_word is None or heard.next_word.end_ms > ms
        ends.append(heard.end)
    in_order = [clock.heard(ms).end for ms in np.linspace(0, clock.ms + 1, 40).tolist()]
    assert in_order == sorted(in_order)
    assert ends[0] == 0
    assert max(ends) <= len(clock.text)


@given(stretches)
def test_all_of_a_finished_reply_was_heard_in_the_end_and_nothing_at_the_beginning(
    stretches: list[tuple[str, int, bool]],
) -> None:
    clock = play([*stretches, ("a", 100, True)])
    clock.finish()
    assert clock.heard(0).text == ""
    assert clock.heard(clock.ms).text == clock.heard(math.inf).text == clock.text.strip()
    assert clock.heard(math.inf).end == len(clock.text)


@given(stretches)
def test_every_word_is_told_exactly_once(stretches: list[tuple[str, int, bool]]) -> None:
    clock = WordClock()
    told: list[Word] = []
    for text, ms, is_timed in stretches:
        told += clock.add(timed(text, clock.ms, len(clock.text), 100) if is_timed else untimed(text, ms))
    told += clock.finish()
    assert tuple(told) == clock.words
    assert [w.begin for w in told] == sorted({w.begin for w in told})


def test_text_that_comes_ahead_of_its_sound_is_spread_over_all_of_it_and_placed_when_its_times_come() -> None:
    clock = WordClock()
    clock.add(SpeechChunk(Pcm.silence(0, 8000), "one two ", ahead=True))
    clock.add(SpeechChunk(Pcm.silence(500, 8000), "three four", ahead=True))
    clock.add(SpeechChunk(Pcm.silence(1_500, 8000), "", ahead=True))
    assert clock.heard(1_000).text == "one two"
    assert not clock.heard(1_000).exact
    times = (Word(0, 100, 0, 3), Word(100, 200, 4, 7), Word(200, 1_900, 8, 13))
    clock.add(SpeechChunk(Pcm.silence(0, 8000), "", times, exact=False, ahead=True))
    assert clock.heard(300).text == "one two"
    assert not clock.heard(300).exact
    assert clock.heard(1_950).text == "one two three", "what has no times yet goes on behind those that have"
    clock.finish()
    assert clock.heard(2_000).text == "one two three four"
