"""Whole and hanging turns, in eight languages."""

from __future__ import annotations

from collections import Counter

import pytest

from bargein.floor.completeness import (
    DOUBTFUL,
    FRAGMENT,
    HANGS,
    OPEN,
    PARTS,
    SENTENCE,
    SHORT,
    SURE,
    WHOLE,
    Expects,
    completeness,
    expected,
)
from bargein.floor.ending_words import WORDS
from bargein.floor.lexicon import LANGUAGES
from tests.floor import endings


@pytest.mark.parametrize(("language", "text"), endings.table(endings.WHOLE))
def test_what_is_whole_ends_a_turn_sooner(language: str, text: str) -> None:
    assert completeness(text, language).score >= SENTENCE, completeness(text, language).why


@pytest.mark.parametrize(("language", "text"), endings.table(endings.HANGING))
def test_after_what_hangs_more_is_awaited(language: str, text: str) -> None:
    assert completeness(text, language).score <= DOUBTFUL, completeness(text, language).why


def test_every_language_of_the_lexicon_has_twenty_of_each() -> None:
    for texts in (endings.WHOLE, endings.HANGING):
        count = Counter(language for language, _ in endings.table(texts))
        assert set(count) == set(WORDS) == set(LANGUAGES)
        assert min(count.values()) >= 20


@pytest.mark.parametrize("mark", ["", ".", "!"])
def test_a_full_stop_tells_nothing(mark: str) -> None:
    for _, text in endings.table({"en": endings.HANGING["en"]}):
        assert completeness(text + mark).score <= DOUBTFUL, text


@pytest.mark.parametrize(
    ("text", "expects", "score"),
    [
        ("Yes", "", SHORT),
        ("Yes", "answer", SURE),
        ("Two nights", "", FRAGMENT),
        ("Two nights", "answer", SURE),
        ("from Monday until Wednesday morning", "", DOUBTFUL),
        ("from Monday until Wednesday morning", "answer", WHOLE),
        ("John", "spelling", PARTS),
        ("Baker Street", "spelling", PARTS),
        ("from Monday until", "answer", HANGS),
        ("", "answer", OPEN),
    ],
)
def test_a_question_of_the_agent_is_answered_in_few_words(text: str, expects: Expects, score: float) -> None:
    assert completeness(text, "en", expects).score == score


@pytest.mark.parametrize(
    ("text", "language", "digits", "score"),
    [
        ("four two", "en", 4, HANGS),
        ("four two seven one", "en", 4, SURE),
        ("42 71", "en", 4, SURE),
        ("forty two seventy one", "en", 4, SURE),
        ("four two seven", "en", 0, HANGS),
        ("my number is four two", "en", 6, HANGS),
        ("I don't have it", "en", 4, SENTENCE),
        ("cuatro dos", "es", 4, HANGS),
        ("cuatro dos siete uno", "es", 4, SURE),
        ("vier zwo sieben eins", "de", 4, SURE),
        ("vier zwo", "de", 4, HANGS),
        ("quatre deux sept un", "fr", 4, SURE),
        ("quatre deux", "fr", 4, HANGS),
        ("ארבע שתיים שבע אחת", "he", 4, SURE),
        ("ארבע שתיים", "he", 4, HANGS),
        ("चार दो सात एक", "hi", 4, SURE),
        ("चार दो", "hi", 4, HANGS),
        ("四二七一", "zh", 4, SURE),
        ("四二", "zh", 4, HANGS),
        ("四二七一", "ja", 4, SURE),
        ("四二", "ja", 4, HANGS),
    ],
)
def test_digits_are_awaited_until_there_are_as_many_as_were_asked_for(
    text: str, language: str, digits: int, score: float
) -> None:
    assert completeness(text, language, "digits", digits).score == score


def test_digits_in_a_row_are_a_dictation_also_where_none_were_asked_for() -> None:
    assert completeness("it is 5 5 5").score == DOUBTFUL
    assert completeness("my number is five five five").score == DOUBTFUL
    assert completeness("I need a room for two").score >= SENTENCE
    assert completeness("it is numberabcdefgh").score == DOUBTFUL, "a telephone number in a redacted record"


@pytest.mark.parametrize(
    ("said", "language", "asked"),
    [
        ("What is your six-digit code?", "en", ("digits", 6)),
        ("Please tell me the 6-digit code.", "en", ("digits", 6)),
        ("Please say the four digits.", "en", ("digits", 4)),
        ("What is your phone number?", "en", ("digits", 0)),
        ("May I have your name, please?", "en", ("spelling", 0)),
        ("Would you like breakfast?", "en", ("answer", 0)),
        ("The number of guests has changed. Is that right?", "en", ("answer", 0)),
        ("Your number was changed.", "en", ("", 0)),
        ("We are open until six.", "en", ("", 0)),
        ("", "en", ("", 0)),
        ("Wie lautet Ihre Nummer?", "de", ("digits", 0)),
        ("Nennen Sie bitte den 4-stelligen Code, bitte.", "de", ("digits", 4)),
        ("¿Cuál es su número de teléfono?", "es", ("digits", 0)),
        ("Quel est votre nom?", "fr", ("spelling", 0)),
        ("מה המספר שלך?", "he", ("answer", 0)),
        ("आपका नाम क्या है?", "hi", ("spelling", 0)),
        ("请问您的电话是多少？", "zh", ("digits", 0)),
        ("お名前は何ですか？", "ja", ("spelling", 0)),
        ("Hur mår du?", "sv", ("answer", 0)),
        ("Jag mår bra.", "sv", ("", 0)),
    ],
)
def test_what_the_agent_asked_for_is_in_its_last_sentence(said: str, language: str, asked: tuple[str, int]) -> None:
    assert expected(said, language) == asked


def test_a_language_without_a_list_is_judged_by_its_question_marks_only() -> None:
    assert completeness("och sen", "sv").score == OPEN
    assert completeness("När öppnar ni?", "sv").score == WHOLE


def test_a_question_may_end_with_its_preposition() -> None:
    assert completeness("Where are you from?").score == WHOLE
    assert completeness("I come from").score == HANGS
    assert completeness("Yes I do").score >= SHORT


def test_a_clause_waits_for_another() -> None:
    assert completeness("When a man looks for something").score == DOUBTFUL
    assert completeness("When a man looks for something, he finds it.").score == SENTENCE
