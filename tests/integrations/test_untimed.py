"""Words of a TTS without word times: what counts as heard."""

from __future__ import annotations

import pytest

from bargein.integrations.untimed import UntimedText

ONE = "The first room is free. "
TWO = "The second room is taken today."


def letters_ms(text: UntimedText, said: str) -> float:
    """How long it is believed to last."""
    text.announce(said)
    (sentence,) = text._sentences
    length_ms = sentence.letters * text.pace_ms
    text.finish()
    return length_ms


def test_nothing_is_heard_of_a_text_that_has_not_begun() -> None:
    text = UntimedText()
    assert text.heard() == ""
    text.announce(ONE)
    assert text.heard() == ""


def test_a_text_is_heard_word_by_word() -> None:
    text = UntimedText()
    length_ms = letters_ms(text, ONE)
    text.announce(ONE)
    heard = []
    for _ in range(20):
        assert text.played(length_ms / 20) == []
        heard.append(len(text.heard().split()))
    assert heard == sorted(heard)
    assert (heard[0], heard[-1]) == (0, 5)
    assert set(heard) == {0, 1, 2, 3, 4, 5}


def test_a_frame_behind_its_audio_passes_at_once_and_tells_the_pace() -> None:
    text = UntimedText()
    length_ms = letters_ms(text, ONE)
    text.announce(ONE)
    text.played(length_ms * 1.2)
    assert text.come(ONE, "frame") == ["frame"]
    assert text.pace_ms == pytest.approx(1.1 * UntimedText().pace_ms)
    assert text.heard() == ""


def test_a_frame_ahead_of_its_audio_waits_for_it() -> None:
    text = UntimedText()
    first_ms = letters_ms(text, ONE)
    for said, frame in ((ONE, 1), (TWO, 2)):
        text.announce(said)
        assert text.come(said, frame) == []
    assert text.played(first_ms * 0.9) == []
    assert text.played(first_ms * 0.2) == [1]
    assert text.heard() in ("", "The")
    assert text.finish() == [2]
    assert text.finish() == []


def test_a_text_that_was_not_announced_counts_too() -> None:
    text = UntimedText()
    assert text.come(TWO, "frame") == []
    assert text.played(100_000) == ["frame"]


def test_scripts_without_spaces_are_heard_character_by_character() -> None:
    text = UntimedText()
    length_ms = letters_ms(text, "今日は元気ですか")
    text.announce("今日は元気ですか")
    text.played(length_ms / 2)
    assert 2 <= len(text.heard()) <= 6
