"""Nova's results as turns: every rule, without a connection."""

from __future__ import annotations

import pytest

from bargein.protocols import TurnUpdate
from bargein.vendors.deepgram.nova_turns import KEPT_MS, NovaResult, NovaTurns, NovaWord


@pytest.fixture
def turns() -> NovaTurns:
    return NovaTurns(over_ms=1_500)


def result(
    from_ms: float,
    until_ms: float,
    text: str = "",
    at_ms: float | None = None,
    *,
    final: bool = False,
    over: bool = False,
) -> NovaResult:
    """A word each 200 ms from at_ms (None: from the beginning)."""
    start = from_ms if at_ms is None else at_ms
    words = tuple(NovaWord(word, start + 200 * k, start + 200 * (k + 1)) for k, word in enumerate(text.split()))
    return NovaResult(from_ms, until_ms, text, words, final or over, over)


def test_a_turn_is_its_final_pieces_and_what_is_believed_of_the_rest(turns: NovaTurns) -> None:
    assert turns.result(result(0, 1_000)) == [TurnUpdate("progress", 0, "", 0, 1_000)]
    assert turns.result(result(0, 1_500, "I", 1_200)) == [TurnUpdate("started", 0, "I", 1_200, 1_500)]
    assert turns.result(result(0, 1_800, "I would", 1_200)) == [TurnUpdate("words", 0, "I would", 1_200, 1_800)]
    assert turns.result(result(0, 1_900, "I would", 1_200)) == [TurnUpdate("progress", 0, "I would", 1_200, 1_900)]
    assert turns.result(result(0, 2_000, "I wood", 1_200, final=True)) == [
        TurnUpdate("words", 0, "I wood", 1_200, 2_000)
    ]
    assert turns.result(result(2_000, 2_500, "like")) == [TurnUpdate("words", 0, "I wood like", 1_200, 2_500)]
    assert turns.result(result(2_000, 3_000, "like tea", over=True)) == [
        TurnUpdate("ended", 0, "I wood like tea", 1_200, 3_000)
    ]
    assert turns.result(result(3_000, 4_000)) == [TurnUpdate("progress", 0, "", 1_200, 4_000)]
    assert turns.result(result(3_000, 5_000, "Yes", 4_500)) == [TurnUpdate("started", 1, "Yes", 4_500, 5_000)]


def test_a_turn_that_is_told_at_once_begins_and_ends(turns: NovaTurns) -> None:
    heard = turns.result(result(0, 1_000, "Stop", 500, over=True))
    assert heard == [TurnUpdate("started", 0, "Stop", 500, 1_000), TurnUpdate("ended", 0, "Stop", 500, 1_000)]


def test_a_pause_without_words_ends_the_turn_with_those_before_it(turns: NovaTurns) -> None:
    turns.result(result(0, 1_000, "Good morning", 400, final=True))
    assert turns.result(result(1_000, 1_400, over=True)) == [TurnUpdate("ended", 0, "Good morning", 400, 1_400)]


def test_a_pause_outside_a_turn_ends_nothing(turns: NovaTurns) -> None:
    assert [heard.kind for heard in turns.result(result(0, 1_000, over=True))] == ["progress"]
    assert turns.utterance_end(900) == []


def test_an_utterance_end_ends_a_turn_once(turns: NovaTurns) -> None:
    turns.result(result(0, 1_000, "Good morning", 400, final=True))
    assert turns.utterance_end(800) == [TurnUpdate("ended", 0, "Good morning", 400, 1_000)]
    assert turns.utterance_end(800) == []
    turns.result(result(1_000, 2_000, "Well", 1_500, over=True))
    assert turns.utterance_end(1_700) == [], "after a pause has ended it, too"


def test_an_utterance_end_that_speaks_of_earlier_words_ends_nothing(turns: NovaTurns) -> None:
    turns.result(result(0, 1_000, "Good morning", 400, final=True))
    turns.result(result(1_000, 2_500, "and", 2_200))
    assert turns.utterance_end(800) == []
    assert turns.utterance_end(None) == [TurnUpdate("ended", 0, "Good morning and", 400, 2_500)]


def test_words_that_become_final_after_their_turn_has_ended_are_no_new_turn(turns: NovaTurns) -> None:
    turns.result(result(0, 1_000, "Yeah", 600))
    assert turns.utterance_end(800) == [TurnUpdate("ended", 0, "Yeah", 600, 1_000)]
    assert [heard.kind for heard in turns.result(result(0, 2_000, "Yeah", 600, over=True))] == ["progress"]


def test_what_was_said_besides_them_is(turns: NovaTurns) -> None:
    turns.result(result(0, 1_000, "Yeah", 600))
    turns.utterance_end(800)
    words = (NovaWord("Yeah,", 590, 810), NovaWord("I", 1_900, 2_000), NovaWord("do", 2_000, 2_300))
    late = NovaResult(0, 2_500, "Yeah, I do", words, final=True, over=False)
    assert turns.result(late) == [TurnUpdate("started", 1, "I do", 1_900, 2_500)]


def test_a_turn_is_over_when_long_listening_brings_no_word(turns: NovaTurns) -> None:
    turns.result(result(0, 1_000, "Good morning", 400, final=True))
    assert [heard.kind for heard in turns.result(result(1_000, 2_200))] == ["progress"]
    assert turns.result(result(1_000, 2_300)) == [TurnUpdate("ended", 0, "Good morning", 400, 2_300)]


def test_words_that_are_taken_back_are_gone(turns: NovaTurns) -> None:
    turns.result(result(0, 1_000, "hm", 600))
    assert turns.result(result(0, 1_400, over=True)) == [TurnUpdate("ended", 0, "", 600, 1_400)]


def test_a_language_without_word_times_is_heard_all_the_same(turns: NovaTurns) -> None:
    assert turns.result(NovaResult(500, 900, "你好", (), final=True, over=True)) == [
        TurnUpdate("started", 0, "你好", 500, 900),
        TurnUpdate("ended", 0, "你好", 500, 900),
    ]


def test_what_need_not_be_sent_again_is_what_is_final_or_long_quiet(turns: NovaTurns) -> None:
    turns.result(result(0, 3_000))
    assert turns.answered_ms == 3_000 - KEPT_MS
    turns.result(result(0, 3_500, "Good", 3_100))
    assert turns.answered_ms == 3_000 - KEPT_MS, "a word that is not final may have to be heard again"
    turns.result(result(0, 4_000, "Good day", 3_100, final=True))
    assert turns.answered_ms == 4_000


def test_a_new_connection_goes_on_with_the_turn_and_repeats_no_word(turns: NovaTurns) -> None:
    turns.result(result(0, 2_000, "Good day", 1_500, final=True))
    turns.result(result(2_000, 2_300, "to"))
    turns.again(1_980)
    assert turns.listened_ms == 1_980
    # 20 ms of the last final word are sent again, too, and may be taken for a word.
    words = (NovaWord("ay", 1_880, 1_900), NovaWord("to", 2_000, 2_200), NovaWord("you", 2_200, 2_500))
    again = NovaResult(1_880, 2_600, "ay to you", words, final=True, over=True)
    assert turns.result(again) == [TurnUpdate("ended", 0, "Good day to you", 1_500, 2_600)]
