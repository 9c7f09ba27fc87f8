"""The guide in conversation. `Talk` plays both sides: what the user says, and how much of each reply is heard."""

from __future__ import annotations

from bargein.protocols import AgentSaid, ConversationItem, Prompt, SaidOver, UserBackchannel, UserSaid
from bargein.vendors.scripted.guide import Guide, answer
from bargein.vendors.scripted.guide_words import (
    GREETING,
    HOW_IT_WORKS,
    IN_SHORT,
    INSTRUCTIONS,
    LIGHTHOUSE,
    PAUSES,
    STOPPED,
)


class Talk:
    """A conversation with the guide. heard: words of the reply that were heard before it was cut; None: all."""

    def __init__(self, *items: ConversationItem) -> None:
        self.items: list[ConversationItem] = list(items)
        self.number = len(items)

    def say(self, text: str | None, *, heard: int | None = None, over: str | None = None) -> str:
        self.number += 1
        said_over = SaidOver(self.number - 1, over) if over else None
        self.items.append(UserSaid(self.number, text, said_over))
        reply = answer(self.items)
        if heard is None:
            self.items.append(AgentSaid(self.number, reply))
        else:
            words = reply.split()  # only three more words had been generated: the guide knows the rest
            unheard = " ".join(words[heard : heard + 3])
            self.items.append(AgentSaid(self.number, " ".join(words[:heard]), unheard, "cut"))
        return reply


def squeezed(text: str) -> str:
    return " ".join(text.split())


async def test_the_reply_comes_in_small_pieces_that_join_to_the_whole() -> None:
    items = [UserSaid(1, "Tell me a story")]
    pieces = [piece.text async for piece in Guide().reply(Prompt("", items))]
    assert "".join(pieces) == answer(items)
    assert max(len(piece.split()) for piece in pieces) == 3


async def test_a_reply_can_be_closed_after_its_first_piece() -> None:
    reply = Guide().reply(Prompt("", [UserSaid(1, "story")]))
    assert (await anext(reply)).text
    await reply.aclose()


def test_the_same_prompt_gets_the_same_reply() -> None:
    items: list[ConversationItem] = [AgentSaid(1, GREETING), UserSaid(1, "Tell me a story")]
    assert answer(items) == answer(items)


def test_the_greeting_says_that_it_is_no_language_model_and_can_be_interrupted() -> None:
    assert "not a language model" in GREETING
    assert "interrupt me" in GREETING
    assert 25 <= len(GREETING.split()) <= 40
    assert INSTRUCTIONS


def test_there_are_two_long_stories_and_they_take_turns() -> None:
    assert len(LIGHTHOUSE.split()) > 250
    assert len(PAUSES.split()) > 250
    talk = Talk()
    assert talk.say("Tell me a story, please.").endswith(LIGHTHOUSE)
    assert talk.say("Another story!").endswith(PAUSES)


def test_it_counts_as_far_as_it_is_asked_in_words() -> None:
    assert Talk().say("Count to seven.") == "One, two, three, four, five. Six, seven."
    assert Talk().say("Count to 3") == "One, two, three."
    assert Talk().say("please count from eight to six") == "Eight, seven, six."
    assert Talk().say("count down from three") == "Three, two, one."


def test_it_counts_to_thirty() -> None:
    assert Talk().say("Can you count to thirty?").endswith("twenty eight, twenty nine, thirty.")


def test_counting_has_an_end_and_says_so() -> None:
    assert Talk().say("count to a million and 1000").startswith("I count from one to one hundred. One, two")


def test_it_explains_how_interrupting_works_and_next_time_in_other_words() -> None:
    talk = Talk()
    assert talk.say("How does this work?") == HOW_IT_WORKS
    assert talk.say("Explain interruptions").endswith(IN_SHORT)


def test_it_knows_where_it_was_stopped() -> None:
    talk = Talk()
    talk.say("Count to ten", heard=4)
    assert talk.say("Where did you stop?").startswith("I had got as far as 'One, two, three, four'.")


def test_it_still_knows_after_it_has_said_that_it_stopped() -> None:
    talk = Talk()
    talk.say("Count to ten", heard=4)
    talk.say("Stop")
    assert "'One, two, three, four'" in talk.say("What was the last word you said?")


def test_it_says_that_it_was_not_stopped_when_it_was_not() -> None:
    talk = Talk(AgentSaid(1, "Hello there."))
    assert talk.say("Where did you stop?") == "You have not stopped me yet. The last thing I said was 'Hello there'."


def test_counting_goes_on_at_the_next_number() -> None:
    talk = Talk()
    talk.say("Count to nine", heard=7)
    assert talk.say("Go on").endswith(". Eight, nine.")


def test_a_story_goes_on_at_the_sentence_that_was_broken_off_early() -> None:
    talk = Talk()
    talk.say("story", heard=squeezed(LIGHTHOUSE).split().index("proud.") + 1 + 4)  # a one-word lead, three words on
    assert squeezed(talk.say("carry on")).split(". ", 1)[1].startswith("But it never stopped talking, and so")


def test_a_story_goes_on_at_the_word_where_a_long_sentence_was_broken_off() -> None:
    talk = Talk()
    heard = squeezed(talk.say("story")).split().index("told") + 1
    talk.items.clear()
    talk.say("story", heard=heard)
    assert ". Her the next turn. By morning she was home" in squeezed(talk.say("continue"))


def test_going_on_twice_goes_on_from_the_second_stop() -> None:
    talk = Talk()
    talk.say("Count to twelve", heard=3)
    talk.say("go on", heard=5)  # "Where was I. Four, five."
    assert talk.say("where were you?").startswith("I had got as far as 'Where was I. Four, five'.")
    assert talk.say("keep going").split(". ", 1)[1] == "Six, seven, eight, nine, ten. Eleven, twelve."


def test_what_was_finished_is_not_gone_on_with() -> None:
    talk = Talk()
    talk.say("Count to five", heard=2)
    talk.say("go on")
    assert talk.say("go on").startswith("There is nothing left")


def test_other_spaces_in_what_was_heard_do_not_lose_the_place() -> None:
    heard = squeezed(LIGHTHOUSE)[:120].rsplit(" ", 1)[0]
    items: list[ConversationItem] = [UserSaid(1, "story"), AgentSaid(1, f"All right, a story.  {heard}", "x", "cut")]
    assert squeezed(answer([*items, UserSaid(2, "go on")])).endswith("it listens to the very end.")


def test_a_cut_greeting_can_be_gone_on_with() -> None:
    talk = Talk(AgentSaid(1, "Hello, I'm the guide.", "You can interrupt me.", "cut"))
    assert talk.say("Please continue.").endswith("You can interrupt me.")


def test_told_to_stop_it_says_so_in_a_few_words_and_waits() -> None:
    for words in ("Stop!", "Wait.", "Be quiet please", "hold on a second", "Stop talking", "don't go on"):
        assert Talk().say(words) in STOPPED


def test_stop_followed_by_a_wish_grants_the_wish() -> None:
    assert Talk().say("Stop. Count to three.") == "One, two, three."


def test_it_does_not_acknowledge_twice_in_the_same_words() -> None:
    talk = Talk()
    assert len({talk.say("stop"), talk.say("stop"), talk.say("stop")}) == 3


def test_a_yes_means_what_was_offered_in_the_words_it_was_said_over() -> None:
    greeting = AgentSaid(1, GREETING)
    assert LIGHTHOUSE in Talk(greeting).say("Yes.", over="just talk. Ask me for a story")
    assert Talk(greeting).say("Yes.", over="a story, ask me to count").startswith("One, two")
    assert Talk(greeting).say("Yes.", over="or ask how this works") == HOW_IT_WORKS


def test_a_yes_said_over_no_offer_is_tied_to_the_words_it_was_said_over() -> None:
    talk = Talk(AgentSaid(1, "The sea is green. And cold."))
    assert talk.say("yes", over="The sea is green").startswith("I take your yes as an answer to 'The sea is green'.")


def test_a_no_says_to_what() -> None:
    talk = Talk(AgentSaid(1, "Shall I begin? It is long."))
    assert talk.say("no", over="Shall I begin?").startswith("All right, no to 'Shall I begin?'.")


def test_small_talk_is_answered() -> None:
    assert "no language model" in Talk().say("Are you a language model?")
    assert Talk().say("Thank you!") == "You are welcome."
    assert Talk().say("Goodbye").startswith("Goodbye.")
    assert Talk().say("Hello?").startswith("Hello there.")
    assert "the guide" in Talk().say("What's your name?")
    assert "clock" in Talk().say("What time is it?")
    assert "story" in Talk().say("help")


def test_words_inside_other_words_mean_nothing() -> None:
    assert "I understood: 'The accountant waited in the history room.'" in Talk().say(
        "The accountant waited in the history room."
    )


def test_unknown_words_are_quoted_and_it_says_what_it_can_do() -> None:
    reply = Talk().say("What is the capital of Peru?")
    assert reply.startswith("I understood: 'What is the capital of Peru?'. I am only a script")
    assert "story" in reply


def test_it_can_repeat_what_it_said_and_begin_again() -> None:
    talk = Talk()
    talk.say("Count to three", heard=2)
    assert talk.say("What did you say?") == "I said: 'One, two,'"
    assert talk.say("From the beginning, please").endswith("One, two, three.")


def test_without_known_words_the_first_turn_gives_the_user_something_to_interrupt() -> None:
    assert Talk(AgentSaid(1, GREETING)).say(None).endswith(HOW_IT_WORKS)


def test_without_known_words_a_cut_greeting_is_answered_first() -> None:
    cut = AgentSaid(1, "Hello, I'm the guide", "a small script", "cut")
    assert Talk(cut).say(None).startswith("You stopped me after 'Hello, I'm the guide'.")


def test_without_known_words_it_answers_the_interruption_and_then_goes_on() -> None:
    talk = Talk(AgentSaid(1, GREETING))
    talk.say("Count to ten", heard=4)
    assert talk.say(None) == (
        "You stopped me after 'One, two, three, four'. I heard your voice, but not the words. "
        "Say anything again, and I go on."
    )
    assert talk.say(None, heard=5).endswith("Five. Six, seven, eight, nine, ten.")
    assert talk.say(None).startswith("You stopped me after")
    assert talk.say(None).endswith("Seven, eight, nine, ten.")


def test_without_known_words_it_never_runs_out_of_things_to_be_interrupted_in() -> None:
    talk = Talk(AgentSaid(1, GREETING))
    replies = [talk.say(None) for _ in range(4)]
    assert [HOW_IT_WORKS in replies[0], LIGHTHOUSE in replies[1], PAUSES in replies[2]] == [True] * 3
    assert len(set(replies)) == 4


def test_an_empty_reading_is_no_words() -> None:
    assert Talk(AgentSaid(1, GREETING)).say("  ").endswith(HOW_IT_WORKS)


def test_two_turns_before_the_answer_are_one() -> None:
    items: list[ConversationItem] = [UserSaid(1, "Count"), UserSaid(2, "to three")]
    assert answer(items) == "One, two, three."


def test_a_backchannel_is_not_answered() -> None:
    items: list[ConversationItem] = [
        UserSaid(1, "Count to three"),
        UserBackchannel("yes", SaidOver(1, "ask me to count")),
    ]
    assert answer(items) == "One, two, three."


def test_with_nothing_to_answer_it_says_that_it_is_there() -> None:
    assert answer([]).startswith("I am still here.")


def test_a_long_call_is_answered_as_fast_as_a_short_one_can_be() -> None:
    talk = Talk(AgentSaid(1, GREETING))
    for _ in range(60):
        talk.say("tell me a story", heard=20)
        talk.say("go on", heard=3)
    assert talk.say("where were you").startswith("I had got as far as")


def test_instance_serves_many_calls() -> None:
    assert not vars(Guide())
