"""What a chat model is told of a conversation in which people talk over each other."""

from __future__ import annotations

from collections.abc import Sequence

from bargein.protocols import AgentSaid, ConversationItem, Prompt, SaidOver, UserBackchannel, UserSaid
from bargein.vendors.common.messages import INTERRUPTION, NOT_MADE_OUT, as_messages, last_words


def told(*items: ConversationItem) -> list[tuple[str, str]]:
    """The messages after the first one, as (role, content)."""
    return [(m["role"], m["content"]) for m in as_messages(Prompt("Be kind.", items))[1:]]


def assistant_words(items: Sequence[ConversationItem]) -> str:
    return " ".join(m["content"] for m in as_messages(Prompt("", items)) if m["role"] == "assistant")


CUT = AgentSaid(reply=1, text="I have found the request you sent", unheard="on Monday, and it is closed.", ended="cut")


def test_the_system_message_holds_the_instructions_and_what_the_notes_mean() -> None:
    assert as_messages(Prompt("Be kind.", [])) == [{"role": "system", "content": f"Be kind.\n\n{INTERRUPTION}"}]


def test_another_language_is_asked_for_by_its_code() -> None:
    [system] = as_messages(Prompt("Sé amable.", [], language="es"))
    assert system["content"].endswith('Answer in the language with the code "es".')


def test_a_plain_exchange_is_plain_messages_in_order() -> None:
    assert told(AgentSaid(1, "Hello."), UserSaid(1, "Hi."), AgentSaid(2, "How are you?")) == [
        ("assistant", "Hello."),
        ("user", "Hi."),
        ("assistant", "How are you?"),
    ]


def test_the_model_remembers_no_word_that_nobody_heard() -> None:  # pain 13
    items: list[ConversationItem] = [
        UserSaid(1, "Where is my request?"),
        CUT,
        UserSaid(2, "Which Monday was it, please, say?"),
    ]
    assert assistant_words(items) == "I have found the request you sent"


def test_a_voice_that_died_leaves_only_what_was_heard_and_says_that_it_was_a_fault() -> None:  # pain 13
    assert told(AgentSaid(1, "The first half", unheard="and the second.", ended="failed")) == [
        ("assistant", "The first half"),
        (
            "system",
            (
                "A fault, not the user, broke off your speech here. They heard your words up to 'The first half'. "
                "They did not hear: 'and the second.'"
            ),
        ),
    ]


def test_what_was_heard_is_there_so_that_the_model_need_not_say_it_again() -> None:  # pain 14
    assert told(CUT)[0] == ("assistant", "I have found the request you sent")


def test_the_note_of_a_cut_says_what_was_heard_and_what_was_lost() -> None:  # pain 17
    assert told(CUT)[1] == (
        "system",
        (
            "The user interrupted you here. They heard your words up to 'I have found the request you sent'. "
            "They did not hear: 'on Monday, and it is closed.'"
        ),
    )


def test_an_estimated_place_is_told_as_an_estimate() -> None:  # pain 17
    said = AgentSaid(1, "one two three", unheard="four five", ended="cut", exact=False)
    assert told(said)[1] == (
        "system",
        (
            "The user interrupted you about here. They heard your words up to about 'one two three'. "
            "They probably did not hear: 'four five'"
        ),
    )


def test_only_the_last_few_heard_words_are_quoted() -> None:
    said = AgentSaid(1, "a b c d e f g h i j", unheard="k", ended="cut")
    assert "up to '…c d e f g h i j'." in told(said)[1][1]


def test_last_words_of_a_short_text_are_the_text() -> None:
    assert last_words("two words", 2) == "two words"
    assert last_words("我们一起去公园散步。", 4) == "…公园散步。"


def test_a_cut_after_the_last_word_lost_nothing() -> None:
    assert told(AgentSaid(1, "All of it.", ended="cut")) == [
        ("assistant", "All of it."),
        ("system", "The user interrupted you here. They heard your words up to 'All of it.'."),
    ]


def test_a_reply_of_which_nothing_was_heard_is_no_message_of_the_assistant() -> None:  # pains 13, 17
    assert told(AgentSaid(1, "", unheard="Never heard.", ended="cut")) == [
        (
            "system",
            "The user interrupted you before any of your words were heard. They did not hear: 'Never heard.'",
        )
    ]


def test_a_reply_dropped_before_it_had_a_word_leaves_no_trace() -> None:
    assert told(AgentSaid(1, "", ended="cut")) == []


def test_the_interrupted_line_comes_before_the_turn_that_interrupted_it_and_once() -> None:  # pain 15
    roles = [role for role, _ in told(UserSaid(1, "Go."), CUT, UserSaid(2, "No, the other one that I meant."))]
    assert roles == ["user", "assistant", "system", "user"]


def test_a_yes_is_tied_to_the_words_it_was_said_over() -> None:
    over = SaidOver(1, "the request you sent")
    said = AgentSaid(1, "I have found the request you sent. Shall I close it?", ended="completed")
    assert told(said, UserSaid(1, "yes", over))[1] == (
        "user",
        'yes\n(said over your words "... the request you sent")',
    )


def test_a_short_answer_is_tied_even_where_the_cut_already_says_the_place() -> None:
    assert told(CUT, UserSaid(2, "yes", SaidOver(1, "the request you sent")))[-1] == (
        "user",
        'yes\n(said over your words "... the request you sent")',
    )


def test_a_whole_sentence_after_a_cut_at_the_same_words_needs_no_second_note() -> None:
    words = "No, I mean the one from last week."
    assert told(CUT, UserSaid(2, words, SaidOver(1, "the request you sent")))[-1] == ("user", words)


def test_a_sentence_said_over_earlier_words_says_over_which() -> None:
    words = "No, I mean the one from last week."
    assert told(CUT, UserSaid(2, words, SaidOver(1, "I have found")))[-1] == (
        "user",
        words + '\n(said over your words "... I have found")',
    )


def test_a_turn_without_known_words_is_told_as_such() -> None:
    assert told(UserSaid(1, None)) == [("user", NOT_MADE_OUT)]


def test_a_turn_without_known_words_still_says_what_it_was_said_over() -> None:
    assert told(UserSaid(1, None, SaidOver(1, "your order")))[0][1] == (
        NOT_MADE_OUT + '\n(said over your words "... your order")'
    )


def test_a_backchannel_is_a_note_and_never_an_answer() -> None:
    assert told(
        AgentSaid(1, "Do you agree? First the terms."), UserBackchannel("mm-hmm", SaidOver(1, "the terms"))
    ) == [
        ("assistant", "Do you agree? First the terms."),
        (
            "system",
            (
                'The user said "mm-hmm" over your words "... the terms", only to show that they listen. '
                "It answers nothing."
            ),
        ),
    ]
