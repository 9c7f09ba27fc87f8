"""Hums, stop phrases and words, in every language we have phrases for."""

from __future__ import annotations

import pytest

from bargein.floor.lexicon import BACKCHANNELS, LANGUAGES, STOP_PHRASES, Lexicon, Said


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_phrase_is_known_for_what_it_is(language: str) -> None:
    lexicon = Lexicon.of(language)
    for phrase in STOP_PHRASES[language]:
        assert lexicon.judge(phrase)[0] is Said.STOP, phrase
    for phrase in BACKCHANNELS[language]:
        assert lexicon.judge(f"{phrase}.")[0] is Said.BACKCHANNEL, phrase


def test_there_are_phrases_for_the_eight_languages_promised() -> None:
    assert set(LANGUAGES) == {"en", "es", "de", "fr", "he", "hi", "zh", "ja"} == set(STOP_PHRASES)


@pytest.mark.parametrize(
    ("language", "text", "said"),
    [
        ("en", "Mm-hmm.", Said.BACKCHANNEL),
        ("en", "hmmmm", Said.BACKCHANNEL),
        ("en", "Yeah, okay, right.", Said.BACKCHANNEL),
        ("en", "Yeah, but why?", Said.WORDS),
        ("en", "OKAY, WAIT!", Said.STOP),
        ("en", "It does not stop", Said.WORDS),
        ("en", "", Said.NOTHING),
        ("en", "... !", Said.NOTHING),
        ("de", "Ja, genau.", Said.BACKCHANNEL),
        ("de", "Hör auf!", Said.STOP),
        ("fr", "d'accord, oui", Said.BACKCHANNEL),
        ("fr", "Arrêtez !", Said.STOP),
        ("es", "Sí, claro.", Said.BACKCHANNEL),
        ("he", "כן, הבנתי", Said.BACKCHANNEL),
        ("hi", "हाँ, ठीक है।", Said.BACKCHANNEL),
        ("zh", "嗯，好的。", Said.BACKCHANNEL),
        ("zh", "嗯，等一下", Said.STOP),
        ("ja", "うん、うん。", Said.BACKCHANNEL),
        ("ja", "明日の天気は", Said.WORDS),
    ],
)
def test_what_people_say(language: str, text: str, said: Said) -> None:
    assert Lexicon.of(language).judge(text)[0] is said


def test_words_are_counted_without_the_hums_around_them() -> None:
    assert Lexicon.of("en").judge("yeah but why not, okay") == (Said.WORDS, 3)


def test_an_unknown_language_has_hums_and_loses_no_words_to_anothers_list() -> None:
    lexicon = Lexicon.of("sw")
    assert lexicon.judge("mm-hmm")[0] is Said.BACKCHANNEL
    assert lexicon.judge("para nini")[0] is Said.WORDS


def test_phrases_of_ones_own_are_added() -> None:
    lexicon = Lexicon.of("en-GB", backchannels=("jolly good",), stop_phrases=("red light",))
    assert lexicon.judge("Jolly good!")[0] is Said.BACKCHANNEL
    assert lexicon.judge("red light please")[0] is Said.STOP


def test_ordinary_first_words_that_happen_to_be_stop_phrases_stop_only_alone() -> None:
    assert Lexicon.of("es").judge("Para mañana, por favor")[0] is Said.WORDS
    assert Lexicon.of("es").judge("¡Para!")[0] is Said.STOP
    assert Lexicon.of("hi").judge("बस एक बात")[0] is Said.WORDS
    assert Lexicon.of("ja").judge("ちょっと聞きたい")[0] is Said.WORDS
