"""What is spoken of a reply, and what is recorded and shown of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from bargein import Agent, Greeting, UsageError
from bargein import notices as n
from bargein.protocols import AgentSaid, SpeechChunk
from bargein.testing import ScriptedLLM, ScriptedSTT, SimulatedCall, ToneTTS, call

MARKED = "**Note:** see [our site](https://a.example/b) for *all* the rooms, or call us on any day you like."
SPOKEN = "Note: see our site for all the rooms, or call us on any day you like."


class Listener(ToneTTS):
    """Keeps what it is given to speak."""

    def __init__(self) -> None:
        self.given: list[str] = []

    async def speak(self, text: AsyncIterator[str]) -> AsyncIterator[SpeechChunk]:
        self.given.append("")

        async def kept() -> AsyncIterator[str]:
            async for piece in text:
                self.given[-1] += piece
                yield piece

        async for chunk in super().speak(kept()):
            yield chunk


class Untimed(Listener):
    """Gives no times."""

    async def speak(self, text: AsyncIterator[str]) -> AsyncIterator[SpeechChunk]:
        async for chunk in super().speak(text):
            yield SpeechChunk(chunk.pcm, chunk.text)


def agent(greeting: Greeting | str, *, form: bool | Callable[[str], str] = True, answer: str = "Yes.") -> Agent:
    return Agent(stt=ScriptedSTT(), llm=ScriptedLLM(answer), tts=ToneTTS(), greeting=greeting, spoken_form=form)


def shown(c: SimulatedCall) -> str:
    return "".join(x.text for x in c.client.notices if isinstance(x, n.WordsAdded) and x.reply_id == 1)


@pytest.mark.parametrize("tts", [Listener, Untimed])
async def test_marks_are_recorded_and_shown_and_not_spoken(tts: type[Listener]) -> None:
    voice = tts()
    async with call(agent(MARKED), tts=voice) as c:
        await c.agent_is_silent()
        assert [given.strip() for given in voice.given] == [SPOKEN]
        assert shown(c).strip() == MARKED
        assert c.messages == (AgentSaid(1, MARKED),)


async def test_what_was_heard_before_a_cut_is_the_beginning_of_the_written_text() -> None:
    async with call(agent(MARKED)) as c:
        await c.user_says("wait, stop", over="our site")
        said = c.messages[0]
        assert isinstance(said, AgentSaid)
        assert said.text.startswith("**Note:** see [our site](https://a.example/b)")
        assert f"{said.text} {said.unheard}" == MARKED
        assert c.client.replies[1].heard == said.text


async def test_answers_and_protected_greetings_have_the_same_form() -> None:
    voice = Listener()
    greeting = Greeting("How *may* I help?", protected="**This call is recorded.** ")
    async with call(agent(greeting, answer="- one 👍 **two**"), tts=voice) as c:
        await c.agent_is_silent()
        await c.user_says("what is there")
        await c.agent_says("one")
        await c.agent_is_silent()
    assert [given.split() for given in voice.given] == [
        ["This", "call", "is", "recorded.", "How", "may", "I", "help?"],
        ["one", "two"],
    ]


async def test_the_form_can_be_turned_off_or_be_a_function_of_ones_own() -> None:
    plain, own = Listener(), Listener()
    async with call(agent(MARKED, form=False), tts=plain) as c:
        await c.agent_is_silent()
    assert plain.given[0].strip() == MARKED
    async with call(
        agent("It weighs 5 kg, all of it.", form=lambda text: text.replace("kg", "kilograms")), tts=own
    ) as c:
        await c.agent_is_silent()
        assert c.messages == (AgentSaid(1, "It weighs 5 kg, all of it."),)
    assert own.given[0].strip() == "It weighs 5 kilograms, all of it."


def test_a_form_that_cannot_be_one_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="spoken_form"):
        agent("Hello", form="markdown")  # type: ignore[arg-type]  # what a user may write


async def test_a_call_in_a_script_without_spaces_is_recorded_by_the_character() -> None:
    async with call(agent("你好，我是你的助手，今天可以帮你预订酒店。")) as c:
        await c.user_says("wait, stop", over="我是你")
        said = c.messages[0]
        assert isinstance(said, AgentSaid)
        assert said.text.startswith("你好，我是你")
        assert len(said.text) < 15
        assert said.text + said.unheard == "你好，我是你的助手，今天可以帮你预订酒店。"
