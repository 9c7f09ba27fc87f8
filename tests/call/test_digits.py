"""Keys of a telephone: a pace of their own, one turn, and a tool that expects them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bargein import Agent, Policy, collect_digits
from bargein import protocols as c
from bargein.call.input.digits import DigitEntry
from bargein.errors import BargeinError
from bargein.testing import ScriptedLLM, ScriptedSTT, SimulatedCall, ToneTTS, call
from tests.call.kit import scene
from tests.call.scripted_realtime import ScriptedRealtime

GREETING = "Please key in your number"


def agent(*replies: object, **more: object) -> Agent:
    parts: dict[str, object] = {"stt": ScriptedSTT(), "llm": ScriptedLLM(*replies), "tts": ToneTTS()}  # type: ignore[arg-type]
    return Agent(**(parts | {"greeting": GREETING} | more))  # type: ignore[arg-type]


def said(call_: SimulatedCall) -> list[str | None]:
    return [item.text for item in call_.messages if isinstance(item, c.UserSaid)]


async def keyed(call_: SimulatedCall, keys: str, pace_ms: float = 1_000) -> None:
    for key in keys:
        await call_.press(key)
        await call_.passes(pace_ms)


@pytest.fixture
async def asked() -> AsyncIterator[SimulatedCall]:
    async with call(agent("Thank you very much indeed.", "Thank you.")) as made:
        await made.agent_says("your number")
        await made.agent_is_silent()
        yield made


async def test_digits_keyed_at_a_pace_of_a_second_are_one_turn_and_nothing_is_said_between(
    asked: SimulatedCall,
) -> None:
    for key in "4827":
        await asked.press(key)
        assert asked.state == "listening"
        await asked.passes(1_000)
    assert not asked.client.sounding
    await asked.press("#")
    await asked.agent_says("Thank you", within_ms=400)
    assert said(asked) == ["4827#"]


async def test_without_an_end_the_pause_after_the_last_key_ends_the_digits(asked: SimulatedCall) -> None:
    await keyed(asked, "4827", 2_000)
    assert asked.state == "listening"
    await asked.agent_says("Thank you", within_ms=1_200)  # 500 ms of the gap are left, and no STT ends a turn of keys
    assert said(asked) == ["4827"]


async def test_digits_that_cut_the_answer_to_digits_join_them(asked: SimulatedCall) -> None:
    await keyed(asked, "48", 500)
    await asked.agent_says("Thank you very")
    await keyed(asked, "27#", 500)
    await asked.agent_is_silent()
    assert said(asked) == ["48", "4827#"]


async def test_digits_after_an_end_are_another_input(asked: SimulatedCall) -> None:
    await keyed(asked, "48#", 20)
    await asked.agent_says("Thank you very")
    await keyed(asked, "27#", 20)
    await asked.agent_is_silent()
    assert said(asked) == ["48#", "27#"]


async def test_an_end_key_after_an_end_adds_nothing(asked: SimulatedCall) -> None:
    await keyed(asked, "48#", 20)
    await asked.agent_says("Thank you very")
    await keyed(asked, "#", 20)
    await asked.agent_is_silent()
    assert said(asked) == ["48#"]
    await asked.passes(2_500)
    await keyed(asked, "#", 20)
    await asked.agent_says("Thank you.")
    assert said(asked) == ["48#", "#"], "later it is a key like any other"


async def test_an_end_key_after_the_last_of_so_many_digits_adds_nothing() -> None:
    ask = [c.TextDelta("Key in four digits"), c.ToolCall("1", "collect_digits", '{"count": 4}')]
    replies = (ask, "", "Thank you very much indeed.")
    async with call(agent(*replies, tools=[collect_digits], greeting="Hello")) as made:
        await made.agent_is_silent()
        await made.user_says("let me in")
        await made.agent_says("four digits")
        await made.agent_is_silent()
        await keyed(made, "4827", 400)
        await made.agent_says("Thank you")
        await keyed(made, "#", 400)
        await made.agent_is_silent()
        assert said(made) == ["let me in", "4827"]


async def test_the_gap_is_the_policys() -> None:
    async with call(agent("Thank you."), policy=Policy().with_({"key_gap_ms": 5_000})) as made:
        await made.agent_is_silent()
        await keyed(made, "48", 4_500)
        assert made.state == "listening"
        await made.agent_says("Thank you", within_ms=1_500)
        assert said(made) == ["48"]


async def test_words_and_digits_are_one_turn() -> None:
    async with call(agent("Thank you.", stt=ScriptedSTT(turns=False))) as made:
        await made.agent_is_silent()
        await made.press("4")
        await made.user_types("is the first")
        await made.agent_says("Thank you")
        assert said(made) == ["4 is the first"]


# ------------------------------------------------------------------------------------------------------ the tool


def asks(arguments: str, *after: object) -> Agent:
    """The agent asks for digits when it is spoken to."""
    first = ["Key in your PIN please.", c.ToolCall("1", "collect_digits", arguments)]
    return agent(first, "", *after, tools=(collect_digits,), greeting="Hello")


async def test_a_wanted_count_ends_at_once_and_the_model_gets_the_digits() -> None:
    made = asks('{"count": 4}', "Thank you.", "Fine.")
    async with call(made) as live:
        await live.user_types("hello")
        await live.agent_says("your PIN please")
        await live.agent_is_silent()
        await keyed(live, "482")
        assert live.state == "listening"
        await live.press("7")
        await live.agent_says("Thank you", within_ms=400)
        assert said(live)[-1] == "4827"
        (used,) = live.tools_used
        assert "4 digits" in (used.result or "")
        assert not used.error
        await live.agent_is_silent()
        await keyed(live, "1234", 500)
        assert live.state == "listening", "the count was for one input"


async def test_digits_are_expected_until_the_caller_answers_in_words() -> None:
    async with call(asks('{"count": 6, "timeout_s": 30}', "Noted.", "Thank you.")) as live:
        await live.user_types("hello")
        await live.agent_says("your PIN please")
        await live.agent_is_silent()
        await live.user_says("four eight two seven one one")
        await live.agent_says("Noted")
        await live.agent_is_silent()
        await keyed(live, "1", 20)
        await live.agent_says("Thank you", within_ms=3_000)


async def test_an_answer_of_nothing_to_too_few_digits_is_a_lost_reply() -> None:
    async with call(asks('{"count": 6}', "...")) as live:
        await live.user_types("hello")
        await live.agent_says("your PIN please")
        await live.agent_is_silent()
        await keyed(live, "48")
        await live.agent_says("Sorry", within_ms=8_000)


async def test_digits_may_cut_the_question_that_asks_for_them() -> None:
    async with call(asks('{"count": 4}', "Thank you.")) as live:
        await live.user_types("hello")
        await live.agent_says("Key in your")
        await keyed(live, "4827", 100)
        await live.agent_says("Thank you")
        assert said(live)[-1] == "4827"


async def test_another_key_ends_and_another_pace_counts() -> None:
    async with call(asks('{"end_key": "*", "timeout_s": 6}', "Thank you.")) as live:
        await live.user_types("hello")
        await live.agent_says("your PIN please")
        await live.agent_is_silent()
        await keyed(live, "4#2", 5_000)
        assert live.state == "listening"
        await live.press("*")
        await live.agent_says("Thank you", within_ms=400)
        assert said(live)[-1] == "4#2*"


@pytest.mark.parametrize(
    "wrong", ['{"count": 0}', '{"count": "x"}', '{"end_key": "7"}', '{"timeout_s": -1}', '{"x": 1}']
)
async def test_arguments_that_make_no_sense_are_told_to_the_model(wrong: str) -> None:
    with pytest.raises(BargeinError, match="collect_digits was not run"):
        await collect_digits.run(wrong)


async def test_a_realtime_model_gets_the_digits_as_well() -> None:
    model = ScriptedRealtime("hello", "thank you")
    async with scene(realtime=model, tools=(collect_digits,)) as s:
        s.call._parts.responder.tool_runner._context.digits.expect(c.DigitRequest(count=4))
        for key in "4827":
            s.client.inbox.put_nowait(c.KeyPress(key))
            await s.settle()
        await s.until(lambda: s.state == "speaking", 1_000)
        assert ("answer", "4827", "typed") in model.calls


def test_without_a_request_the_hash_key_ends() -> None:
    entry = DigitEntry()
    assert entry.judge("48", 0) == (False, None)
    assert entry.judge("48#", 0) == (True, None)
    entry.expect(c.DigitRequest(3, "*", 2.0))
    assert entry.judge("48", 0) == (False, 2_000)
    assert entry.judge("482", 0) == (True, 2_000)
    assert entry.judge("48", 0) == (False, None), "a request is for one input"
