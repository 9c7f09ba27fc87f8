"""Each framework as the LLM of an agent: one suite for all, on their scripted models."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bargein import Agent, UsageError, hang_up
from bargein.errors import PromptTooLong, VendorLost, VendorRefused
from bargein.llms import end_call
from bargein.protocols import AgentSaid, HangUp, Prompt, TextDelta, ToolResult, Transfer, UserBackchannel, UserSaid
from bargein.testing import ToneTTS, call
from tests.llms.frameworks import FRAMEWORKS, ROOMS, Framework, Script, ServerAnswered, answered

HELLO = Prompt("You are a porter.", (UserSaid(1, "Hello"),))


@pytest.fixture(params=FRAMEWORKS, ids=lambda framework: framework.__name__)
def framework(request: pytest.FixtureRequest) -> Framework:
    made: Framework = request.param
    return made


def text(parts: list[Any]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextDelta))


async def test_the_text_comes_as_it_is_written(framework: Framework) -> None:
    script = Script([["Good ", "evening. ", "..."]])
    reply = framework(script).reply(HELLO)
    assert [await anext(reply), await anext(reply)] == [TextDelta("Good "), TextDelta("evening. ")]
    assert script.ended == []
    await reply.aclose()  # type: ignore[attr-defined]


async def test_a_closed_reply_ends_the_run_and_leaves_no_task(framework: Framework) -> None:
    script = Script([["Good ", "..."]])
    before = asyncio.all_tasks()
    reply = framework(script).reply(HELLO)
    assert await anext(reply) == TextDelta("Good ")
    await asyncio.wait_for(script.waits.wait(), 10)
    await reply.aclose()  # type: ignore[attr-defined]
    assert script.ended == ["cancelled"]
    assert asyncio.all_tasks() == before


async def test_a_cancelled_reader_ends_the_run_and_is_cancelled_itself(framework: Framework) -> None:
    script = Script([["Good ", "..."]])
    before = asyncio.all_tasks()
    reader = asyncio.create_task(answered(framework(script), HELLO))
    await asyncio.wait_for(script.waits.wait(), 10)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert script.ended == ["cancelled"]
    assert asyncio.all_tasks() == before


async def test_the_model_gets_what_was_heard_and_where_it_was_interrupted(framework: Framework) -> None:
    script = Script([["Yes."]])
    items = (
        AgentSaid(1, "Good evening, how may", unheard="I help?", ended="cut"),
        UserSaid(1, "Wait, stop."),
        AgentSaid(2, "I listen."),
        UserBackchannel("mm-hmm"),
        UserSaid(2, None),
    )
    assert text(await answered(framework(script), Prompt("You are a porter.", items, "de"))) == "Yes."
    (asked,) = script.asked
    (role, instructions), *turns = asked
    assert role == "system"
    assert instructions.startswith("You are a porter.\n\n# Being interrupted")
    assert '"de"' in instructions
    assert [role for role, _ in turns] == ["human", "ai", "human", "ai", "human"]
    assert turns[0][1] == "<note>The call begins. Speak first.</note>"
    assert turns[1][1] == "Good evening, how may"
    assert "did not hear: 'I help?'</note>\nWait, stop." in turns[2][1]
    assert turns[3][1] == "I listen."
    assert "mm-hmm" in turns[4][1]
    assert "could not be made out" in turns[4][1]


async def test_an_empty_conversation_asks_the_agent_to_begin(framework: Framework) -> None:
    script = Script([["Good evening."]])
    assert text(await answered(framework(script), Prompt("", ()))) == "Good evening."
    assert script.asked[0][-1] == ("human", "<note>The call begins. Speak first.</note>")


async def test_results_of_another_llms_tools_are_told(framework: Framework) -> None:
    script = Script([["Three."]])
    items = (UserSaid(1, "Rooms?"), ToolResult("1", "free", '{"day": "Friday"}', "3"))
    await answered(framework(script), Prompt("", items))
    last = script.asked[0][-1]
    assert last[0] == "human"
    assert 'free({"day": "Friday"})' in last[1]
    assert "The result: 3" in last[1]


async def test_its_own_tools_run_and_the_texts_around_them_stay_apart(framework: Framework) -> None:
    ran: list[str] = []

    def rooms() -> str:
        ran.append("rooms")
        return "three"

    script = Script([["Let me look.", ROOMS], ["Three ", "are free."]], rooms)
    assert text(await answered(framework(script), HELLO)) == "Let me look. Three are free."
    assert ran == ["rooms"]


@pytest.mark.parametrize("request_", [None, Transfer("+49301234567")])
async def test_a_tool_ends_the_call_after_the_reply(framework: Framework, request_: Transfer | None) -> None:
    def rooms() -> str:
        end_call(request_)
        return "it ends"

    script = Script([[ROOMS], ["Goodbye."]], rooms)
    assert await answered(framework(script), HELLO) == [TextDelta("Goodbye."), request_ or HangUp()]


async def test_replies_at_once_do_not_end_each_others_calls(framework: Framework) -> None:
    def rooms() -> str:
        end_call()
        return ""

    ending = framework(Script([[ROOMS], ["Goodbye."]], rooms))
    other = framework(Script([[ROOMS], ["Hello."]]))
    ended, went_on = await asyncio.gather(answered(ending, HELLO), answered(other, HELLO))
    assert ended[-1] == HangUp()
    assert text(went_on) == "Hello."
    assert all(isinstance(part, TextDelta) for part in went_on)


@pytest.mark.parametrize(
    ("status", "code", "words", "expected"),
    [
        (401, "", "sk-123", VendorRefused),
        (429, "insufficient_quota", "sk-123", VendorRefused),
        (429, "rate_limit", "sk-123", VendorLost),
        (503, "", "sk-123", VendorLost),
        (400, "context_length_exceeded", "sk-123", PromptTooLong),
    ],
)
async def test_what_the_vendor_answers_is_told_without_its_words(
    framework: Framework, status: int, code: str, words: str, expected: type[Exception]
) -> None:
    script = Script([["Well, ", ServerAnswered(status, code, words)]])
    with pytest.raises(expected) as raised:
        await answered(framework(script), HELLO)
    assert type(raised.value) is expected
    assert str(status) in str(raised.value)
    assert "sk-123" not in str(raised.value)


async def test_a_mistake_in_the_users_code_is_lost_and_logged(
    framework: Framework, caplog: pytest.LogCaptureFixture
) -> None:
    script = Script([[KeyError("day")]])
    with pytest.raises(VendorLost, match="KeyError"):
        await answered(framework(script), HELLO)
    assert any(record.exc_info for record in caplog.records if record.name.startswith("bargein"))


async def test_it_answers_a_call_and_is_cut_to_the_words_heard(framework: Framework) -> None:
    script = Script([["We have three rooms, ", "..."], ["I am sorry."]])
    agent = Agent(llm=framework(script), tts=ToneTTS(), greeting="Hello.")
    async with call(agent, patience_s=0.2) as c:
        await c.user_says("Is a room free?")
        await c.user_says("wait, stop", over="have three")
        await c.agent_says("I am sorry")
        assert script.ended == ["cancelled", "completed"]
        assert ("ai", "We have three") in [(role, words.rstrip(",")) for role, words in script.asked[-1]]


async def test_a_run_that_may_act_begins_when_the_turn_is_certain(framework: Framework) -> None:
    for prepares in (False, True):
        agent = Agent(llm=framework(Script([["Yes."]]), prepares=prepares), tts=ToneTTS(), greeting="Hello.")
        async with call(agent, patience_s=0.2) as c:
            await c.user_says("Is a room free?")
            await c.agent_says("Yes")
            used = c._call._parts.responder.prepared_stats.used
            assert bool(used) is prepares


def test_the_agents_own_tools_are_refused_at_once(framework: Framework) -> None:
    with pytest.raises(UsageError, match="calls its own tools"):
        Agent(llm=framework(Script([])), tts=ToneTTS(), tools=[hang_up])


def test_end_call_outside_of_a_reply_says_so() -> None:
    with pytest.raises(UsageError, match="outside of a reply"):
        end_call()
