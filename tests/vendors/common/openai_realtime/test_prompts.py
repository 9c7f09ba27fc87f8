"""What a speech model is told of being interrupted."""

from __future__ import annotations

import pytest

from bargein.protocols import AgentSaid, SaidOver
from bargein.vendors.common.openai_realtime.prompts import (
    WORDINGS,
    backchannel_note,
    cut_note,
    instructions,
    last_words,
    over_note,
    wording,
)


def test_the_agents_own_instructions_come_first_and_the_section_after_them() -> None:
    told = instructions("You book tables.", "en")
    assert told.startswith("You book tables.\n\n# When you are interrupted")
    for rule in (
        "stop at once",
        "Do not finish the sentence",
        "Never talk over",
        "said last",
        "unless the caller asks",
    ):
        assert rule in told


def test_without_instructions_of_its_own_only_the_section_is_there() -> None:
    assert instructions("  ").startswith("# When you are interrupted")


@pytest.mark.parametrize("language", sorted(WORDINGS))
def test_every_language_has_all_its_words_and_all_their_places(language: str) -> None:
    words, english = wording(language), WORDINGS["en"]
    assert words.section.count("\n- ") == english.section.count("\n- ") == 6
    assert "{heard}" in words.cut
    assert all("{unheard}" in text for text in (words.cut, words.cut_unheard))
    assert all("{text}" in text for text in (words.backchannel, words.over, words.exactly))
    assert words.exactly.endswith(":\n{text}")
    assert all(place in words.late_tool for place in ("{tool}", "{result}"))
    if language != "en":
        assert words.section != english.section
        assert f'"{language}"' in instructions("", language)


def test_a_region_has_its_languages_words_and_an_unknown_language_english_ones_with_its_name() -> None:
    assert wording("pt-BR") is WORDINGS["pt"]
    told = instructions("", "fi")
    assert "When you are interrupted" in told
    assert '"fi"' in told


def test_a_cut_is_told_with_the_end_of_what_was_heard_and_all_that_was_not() -> None:
    heard = " ".join(f"word{i}" for i in range(30))
    told = cut_note(AgentSaid(1, heard, "and more", ended="cut"))
    assert f'"{last_words(heard)}"' in told
    assert "word17" not in told
    assert '"and more"' in told


def test_a_cut_before_any_word_says_so_and_one_of_a_reply_without_words_says_nothing() -> None:
    assert "before any of your words" in cut_note(AgentSaid(1, "", "hello there", ended="cut"))
    assert cut_note(AgentSaid(1, "", "", ended="cut")) == ""


def test_braces_in_what_was_said_do_no_harm() -> None:
    assert "{0} and {heard}" in cut_note(AgentSaid(1, "{0} and {heard}", "{x", ended="cut"), "de")
    assert "{y}" in backchannel_note("{y}")
    assert "{z}" in over_note(SaidOver(1, "{z}"))
