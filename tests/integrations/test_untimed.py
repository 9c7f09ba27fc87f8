"""Words of a TTS without word times: what counts as heard."""

from __future__ import annotations

import numpy as np
import pytest

from bargein.audio.alignment import PACE
from bargein.audio.pcm import Samples
from bargein.integrations.untimed import UntimedText

RATE = 8000
ONE = "The first room is free."
TWO = "The second room is taken today."


def sound(ms: float) -> Samples:
    return (np.sin(np.arange(round(ms * RATE / 1000)) / 5) * 8000).astype(np.int16)


def quiet(ms: float) -> Samples:
    return np.zeros(round(ms * RATE / 1000), np.int16)


def behind(text: UntimedText, said: str, ms: float) -> None:
    """A sentence enters as of a TTS that answers each text with its audio."""
    text.announce(said)
    text.made(sound(ms), RATE)
    text.end(said)


def ahead(text: UntimedText, *said: str) -> None:
    """Sentences enter as of a TTS whose audio comes by itself."""
    for each in said:
        text.announce(each)
        text.end(each)


def test_nothing_is_heard_of_a_text_that_has_not_begun() -> None:
    text = UntimedText()
    assert text.heard() == ""
    text.announce(ONE)
    assert text.heard() == ""
    text.made(quiet(800), RATE)
    assert text.played(800) == []
    assert text.heard() == ""


@pytest.mark.parametrize("order", ["behind", "ahead"])
def test_a_text_is_heard_word_by_word_and_no_frame_comes_before_its_end(order: str) -> None:
    text = UntimedText()
    if order == "behind":
        behind(text, ONE, 2000)
    else:
        ahead(text, ONE)
        text.made(sound(2000), RATE)
        text.end_all()
    heard = []
    for _ in range(19):
        assert text.played(100) == []
        heard.append(len(text.heard().split()))
    assert heard == sorted(heard)
    assert heard[0] == 0
    assert set(heard) == {0, 1, 2, 3, 4}
    text.played(100)
    assert text.heard() == ONE


def test_silence_before_and_in_a_sentence_is_no_word() -> None:
    text = UntimedText()
    said = "One two three. Four five six."
    text.announce(said)
    text.made(np.concatenate([quiet(700), sound(900), quiet(1500), sound(900)]), RATE)
    text.end(said)
    for until, heard in ((690, ""), (1650, "One two three."), (3050, "One two three."), (4000, said)):
        text.played(until - text._since_ms)
        assert text.heard() == heard


def test_a_frame_behind_its_audio_passes_at_once_and_tells_the_pace() -> None:
    text = UntimedText()
    behind(text, ONE, 3000)
    text.played(3000)
    assert text.come(ONE, "frame") == ["frame"]
    assert text.pace is not None
    assert text.pace > 1.5
    assert text.heard() == ""
    assert not text


def test_the_next_sentence_is_heard_by_the_pace_of_the_last_while_its_audio_comes() -> None:
    text = UntimedText()
    behind(text, ONE, 20 * 120)
    text.played(20 * 120)
    text.come(ONE, "frame")
    text.announce(TWO)
    text.made(sound(13 * 120), RATE)
    text.played(13 * 120)
    assert text.heard() == "The second"
    assert 20 * PACE < 13 * 120  # by a usual pace more would be heard


def test_audio_that_has_not_played_places_the_words_of_what_has() -> None:
    text = UntimedText()
    behind(text, ONE, 20 * 150)
    text.played(20 * 150 / 2)
    assert text.heard() == "The first"


def test_a_frame_ahead_of_its_audio_waits_for_it() -> None:
    text = UntimedText()
    ahead(text, ONE, TWO)
    assert text.come(ONE, 1) == []
    assert text.come(TWO, 2) == []
    text.made(np.concatenate([sound(1500), quiet(400), sound(2000)]), RATE)
    text.end_all()
    assert text.played(1300) == []
    assert text.played(300) == [1]
    assert text.played(200) == []
    assert text.heard() == ""
    assert text.played(1000) == []
    assert text.heard().startswith("The second")
    assert text.finish() == [2]
    assert text.finish() == []


def test_a_text_that_was_not_announced_counts_too() -> None:
    text = UntimedText()
    text.end(TWO)
    text.made(sound(2000), RATE)
    text.end_all()
    assert text.come(TWO, "frame") == []
    assert text.played(2001) == ["frame"]


def test_what_follows_a_silence_of_the_tts_is_of_the_next_text() -> None:
    text = UntimedText()
    ahead(text, ONE)
    text.made(sound(1500), RATE)
    text.end_all()
    ahead(text, TWO)
    text.made(sound(2000), RATE)
    text.end_all()
    assert text.come(ONE, 1) == []
    text.played(1400)
    assert text.finish() == [1]
    text.played(1950)
    assert text.heard() == "The second room is taken"


def test_a_cut_forgets_all_but_the_pace() -> None:
    text = UntimedText()
    behind(text, ONE, 3000)
    text.come(ONE, 1)
    pace = text.pace
    behind(text, TWO, 3000)
    text.played(1000)
    text.drop()
    assert (text.heard(), bool(text), text.pace) == ("", False, pace)


def test_deltas_of_a_text_are_joined_as_they_are() -> None:
    text = UntimedText()
    for delta in ("The inter", "rup", "tion is", " over"):
        text.end(delta, joined=True)
    text.made(sound(2000), RATE)
    text.end_all()
    text.played(2000)
    assert text.heard() == "The interruption is over"


def test_scripts_without_spaces_are_heard_character_by_character() -> None:
    text = UntimedText()
    behind(text, "今日は元気ですか", 2000)
    text.played(1000)
    assert 2 <= len(text.heard()) <= 6
