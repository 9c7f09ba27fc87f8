"""Hums, stop phrases and words, in every language we have phrases for."""

from __future__ import annotations

import pytest

from bargein.floor.lexicon import BACKCHANNELS, LANGUAGES, STOP_PHRASES, Lexicon, WordClass


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_phrase_is_known_for_what_it_is(language: str) -> None:
    lexicon = Lexicon.of(language)
    for phrase in STOP_PHRASES[language]:
        assert lexicon.judge(phrase)[0] is WordClass.STOP, phrase
    for phrase in BACKCHANNELS[language]:
        assert lexicon.judge(f"{phrase}.")[0] is WordClass.BACKCHANNEL, phrase


def test_there_are_phrases_for_the_eight_languages_promised() -> None:
    assert set(LANGUAGES) == {"en", "es", "de", "fr", "he", "hi", "zh", "ja"} == set(STOP_PHRASES)


@pytest.mark.parametrize(
    ("language", "text", "said"),
    [
        ("en", "Mm-hmm.", WordClass.BACKCHANNEL),
        ("en", "hmmmm", WordClass.BACKCHANNEL),
        ("en", "Yeah, okay, right.", WordClass.BACKCHANNEL),
        ("en", "Yeah, but why?", WordClass.WORDS),
        ("en", "OKAY, WAIT!", WordClass.STOP),
        ("en", "It does not stop", WordClass.WORDS),
        ("en", "", WordClass.NOTHING),
        ("en", "... !", WordClass.NOTHING),
        ("de", "Ja, genau.", WordClass.BACKCHANNEL),
        ("de", "Hör auf!", WordClass.STOP),
        ("fr", "d'accord, oui", WordClass.BACKCHANNEL),
        ("fr", "Arrêtez !", WordClass.STOP),
        ("es", "Sí, claro.", WordClass.BACKCHANNEL),
        ("he", "כן, הבנתי", WordClass.BACKCHANNEL),
        ("hi", "हाँ, ठीक है।", WordClass.BACKCHANNEL),
        ("zh", "嗯，好的。", WordClass.BACKCHANNEL),
        ("zh", "嗯，等一下", WordClass.STOP),
        ("ja", "うん、うん。", WordClass.BACKCHANNEL),
        ("ja", "明日の天気は", WordClass.WORDS),
    ],
)
def test_what_people_say(language: str, text: str, said: WordClass) -> None:
    assert Lexicon.of(language).judge(text)[0] is said


def test_words_are_counted_without_the_hums_around_them() -> None:
    assert Lexicon.of("en").judge("yeah but why not, okay") == (WordClass.WORDS, 3)


def test_an_unknown_language_has_hums_and_loses_no_words_to_anothers_list() -> None:
    lexicon = Lexicon.of("sw")
    assert lexicon.judge("mm-hmm")[0] is WordClass.BACKCHANNEL
    assert lexicon.judge("para nini")[0] is WordClass.WORDS


def test_phrases_of_ones_own_are_added() -> None:
    lexicon = Lexicon.of("en-GB", backchannels=("jolly good",), stop_phrases=("red light",))
    assert lexicon.judge("Jolly good!")[0] is WordClass.BACKCHANNEL
    assert lexicon.judge("red light please")[0] is WordClass.STOP


def test_ordinary_first_words_that_happen_to_be_stop_phrases_stop_only_alone() -> None:
    assert Lexicon.of("es").judge("Para mañana, por favor")[0] is WordClass.WORDS
    assert Lexicon.of("es").judge("¡Para!")[0] is WordClass.STOP
    assert Lexicon.of("hi").judge("बस एक बात")[0] is WordClass.WORDS
    assert Lexicon.of("ja").judge("ちょっと聞きたい")[0] is WordClass.WORDS


@pytest.mark.parametrize(
    ("language", "phrase", "text", "said"),
    [
        ("th", "หยุด", "หยุดก่อนนะ", WordClass.STOP),
        ("th", "หยุด", "ไม่หยุด", WordClass.WORDS),
        ("lo", "ຢຸດ", "ຢຸດກ່ອນ", WordClass.STOP),
        ("km", "ឈប់", "ឈប់សិន", WordClass.STOP),
        ("ko", "잠깐", "잠깐 기다려", WordClass.STOP),
        ("zh", "stop", "我说 stop 了吗", WordClass.WORDS),
        ("zh", "stop", "stop！", WordClass.STOP),
        ("ja", "ストップ", "スト ップ", WordClass.STOP),  # some recognisers put spaces anywhere
    ],
)
def test_a_stop_phrase_of_ones_own_is_found_in_every_script(
    language: str, phrase: str, text: str, said: WordClass
) -> None:
    assert Lexicon.of(language, stop_phrases=(phrase,)).judge(text)[0] is said


def test_words_of_another_script_are_counted_as_words_and_characters_with_their_marks() -> None:
    assert Lexicon.of("zh").judge("我用iPhone")[1] == 3
    assert Lexicon.of("th").judge("ที่นี่")[1] == 2
    assert Lexicon.of("en").judge("你好吗")[1] == 3


@pytest.mark.parametrize(
    ("text", "weak"),
    [
        ("You.", True),
        ("'kay", True),
        ("Oh, you.", True),
        ("Thank you.", True),
        ("you two", False),
        ("you you", False),
        ("yeah yeah", False),
        ("no", False),
        ("", False),
    ],
)
def test_a_lone_word_that_small_recognisers_make_of_sounds_is_known(text: str, weak: bool) -> None:
    assert Lexicon.of("en").is_weak(text) is weak


def test_a_language_whose_small_recognisers_are_unknown_has_no_weak_words() -> None:
    assert not Lexicon.of("de").is_weak("ja")
