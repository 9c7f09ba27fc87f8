"""A model's thoughts are neither said nor kept."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bargein import protocols as c
from bargein.call.responders.thoughts import ThoughtFilter
from tests.call.kit import ScriptedSTT, scene
from tests.test_spoken_form import cut_up

ANSWERS = {
    "<think>Who asks?</think>Hello.": "Hello.",
    "<think>\nWho?\n</think>\n\n  Hello <b>you</b>.": "Hello <b>you</b>.",
    "<THINKING>a</thinking>Yes<reasoning>b < c</reasoning>, no.": "Yes, no.",
    "Well, <thought>hm</thought>so it is.": "Well, so it is.",
    "Hello <think>never closed": "Hello ",
    "<think>only thoughts": "",
    "a < b, <thinker> and 3 <4 </b> <": "a < b, <thinker> and 3 <4 </b> <",
    '<think lang="en">a</think >Hello.': "Hello.",
    "<think\n>a</think\n>Hello.": "Hello.",
    "<seed:think>a</seed:think>Hello.": "Hello.",
    "<scratchpad>a</scratchpad>Hello.": "Hello.",
    "<think/>Hello.": "Hello.",
    "[THINK]a [b]\n[/THINK]Hello [there].": "Hello [there].",
    "◁think▷a◁/think▷Hello.": "Hello.",
    "<|begin_of_thought|>a<|end_of_thought|>\n\nHello.": "Hello.",
    "<|channel>thought\na<channel|>Hello.": "Hello.",
    "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>Hello.<|return|>": "Hello.",
    "<|channel|>final<|message|>Hello.": "Hello.",
    "<|channel|>analysis<|message|>only thoughts": "",
    "a [ b [T <|c <channel": "a [ b [T <|c <channel",
    "no tags at all": "no tags at all",
}


PARTS = ["<think>", "</think>", "<think", ">", "<|end|>", "[/THINK]", "<", "a", " ", "\n"]


def filtered(parts: list[str], *, begins_inside: bool = False) -> str:
    thoughts = ThoughtFilter(begins_inside=begins_inside)
    return "".join(thoughts.add(part) for part in parts) + thoughts.finish()


@pytest.mark.parametrize(("text", "said"), ANSWERS.items())
def test_thoughts_are_left_out(text: str, said: str) -> None:
    assert filtered([text]) == said
    assert filtered(list(text)) == said


@given(
    st.sampled_from(list(ANSWERS)) | st.lists(st.sampled_from(PARTS), max_size=9).map("".join),
    st.lists(st.integers(0, 100), max_size=20),
    st.booleans(),
)
def test_the_result_does_not_depend_on_the_pieces(text: str, cuts: list[int], begins_inside: bool) -> None:
    parts = cut_up(text, cuts)
    assert filtered(parts, begins_inside=begins_inside) == filtered([text], begins_inside=begins_inside)


@pytest.mark.parametrize(
    ("piece", "said"), [("a <", "a "), ("a <t", "a "), ("a <b", "a <b"), ("a < ", "a < "), ("a [t", "a [t")]
)
def test_only_what_may_be_a_tag_is_held_back(piece: str, said: str) -> None:
    assert ThoughtFilter().add(piece) == said


def test_an_answer_with_a_bare_end_mark_is_said_also_where_thoughts_are_expected() -> None:
    for end in ("<|end|>", "<|return|>"):
        assert filtered([f"Hello.{end}"], begins_inside=True) == "Hello."


def test_a_text_that_begins_inside_its_thoughts_waits_for_their_end() -> None:
    thoughts = ThoughtFilter(begins_inside=True)
    assert thoughts.add("Okay, the user asks. ") == ""
    assert thoughts.add("</thi") == ""
    assert thoughts.add("nk>\n\nHello.") == "Hello."
    assert thoughts.finish() == ""
    assert thoughts.began_inside
    assert filtered(["Hello ", "there."], begins_inside=True) == "Hello there."
    assert filtered(["<think>a</think>b"], begins_inside=True) == "b"


class Thinker:
    """Writes these answers, a few characters at a time."""

    name = "thinker"

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.prompts: list[c.Prompt] = []

    async def reply(self, prompt: c.Prompt) -> AsyncIterator[c.TextDelta]:
        self.prompts.append(prompt)
        answer = self.answers.pop(0)
        for at in range(0, len(answer), 3):
            yield c.TextDelta(answer[at : at + 3])


async def said_in_a_call(llm: Thinker, turns: int = 1) -> list[str]:
    async with scene(llm=llm, stt=ScriptedSTT()) as s:  # type: ignore[arg-type]  # an LLM by shape
        for _ in range(turns):
            s.client.inbox.put_nowait(c.Typed("hello"))
            await s.settle()
            await s.pass_ms(200)
            await s.until(lambda: s.state == "idle")
        return [item.text for item in s.call.conversation.items if isinstance(item, c.AgentSaid)]


async def test_in_a_call_no_thought_is_said_or_told_to_the_model() -> None:
    llm = Thinker("<think>They say hello. I say hello.</think>\n\nHello there.", "Good.")
    assert await said_in_a_call(llm, turns=2) == ["Hello there.", "Good."]
    assert "They say" not in str(llm.prompts)


async def test_a_model_that_only_closes_its_thoughts_is_known_from_its_second_reply_on() -> None:
    llm = Thinker("Okay. </think>Hello.", "Let me think of it. </think>Fine, thanks.", "No tag now.", "Nor now.")
    assert (await said_in_a_call(llm, turns=4))[1:] == ["Fine, thanks.", "No tag now.", "Nor now."]


async def test_thoughts_without_an_answer_are_a_failed_reply_and_no_silence() -> None:
    said = await said_in_a_call(Thinker("<think>So much to think of"))
    assert said == ["Sorry, I lost my thread. Could you say that again?"]
