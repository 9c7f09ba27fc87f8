"""A call leaves its server at a quiet moment, with all of it remembered."""

from __future__ import annotations

import asyncio

from bargein import protocols as c
from tests.call.kit import ScriptedLLM, ScriptedSTT
from tests.call.memory.kit import Kept, said
from tests.call.phone_kit import PhoneScene, phone_scene
from tests.call.scripted_tool import ScriptedTool

TEN = "One two three four five six seven eight nine ten."


def move(s: PhoneScene, within_ms: float = 60_000) -> asyncio.Task[bool]:
    return asyncio.create_task(s.call.move("drained", within_ms))


async def test_a_call_leaves_once_nobody_speaks() -> None:
    kept = Kept()
    async with phone_scene(greeting=TEN, memory=kept) as s:
        await s.pass_ms(500)
        moving = move(s)
        await s.pass_ms(2000)  # the greeting is over, and the user may answer
        assert not moving.done()
        await s.until(moving.done)
        assert moving.result()
        assert s.call.over == c.MOVED
        assert said(s.call.conversation.items) == [(TEN, "completed")]
    assert kept.released == 1
    async with phone_scene(restored=kept.restored(moved=True)) as s:
        await s.pass_ms(1000)
        assert s.phone.silent_ms >= 1000


async def test_a_call_leaves_between_the_users_words_and_the_answer() -> None:
    """The user waits then, and says nothing that the gap could swallow."""
    kept, pause = Kept(), asyncio.Event()
    llm = ScriptedLLM("Never.", pause=pause)
    async with phone_scene(stt=ScriptedSTT(*["A room for two."] * 4), memory=kept, llm=llm) as s:
        await s.pass_ms(400)
        await s.pass_ms(600, speech=0.95)
        moving = move(s)
        await s.until(moving.done)
        assert s.call.over == c.MOVED
    async with phone_scene("For how long?", restored=kept.restored(moved=True)) as s:
        await s.until(lambda: s.state == "idle" and len(s.llm.prompts) == 1)
        items = s.call.conversation.items
        assert isinstance(items[0], c.UserSaid)
        assert said(items) == [("For how long?", "completed")]


async def test_a_call_does_not_leave_while_a_tool_runs() -> None:
    kept, tool = Kept(), ScriptedTool("book", "commit", waits=True)
    stt = ScriptedSTT(*["Book it."] * 4)
    async with phone_scene("!book", "Booked.", stt=stt, memory=kept, tools=[tool]) as s:
        await s.pass_ms(400)
        await s.pass_ms(600, speech=0.95)
        await s.until(lambda: bool(tool.begun))
        moving = move(s)
        await s.pass_ms(3000)
        assert not moving.done()
        tool.go.set()
        await s.until(moving.done)
        assert said(s.call.conversation.items) == [("Booked.", "completed")]


async def test_a_call_leaves_at_the_latest_when_its_time_is_over() -> None:
    kept = Kept()
    async with phone_scene(greeting=TEN, memory=kept) as s:
        await s.pass_ms(100)
        moving = move(s, within_ms=400)
        await s.until(moving.done, within_ms=700)
        kept.position = kept.position or (1, 0)
    async with phone_scene(restored=kept.restored(moved=True)) as s:
        await s.until(lambda: s.state == "idle" and s.call.floor.reply.id == 2)
        assert "As I was saying" in said(s.call.conversation.items)[-1][0]  # the reply was broken off


async def test_a_call_stays_where_it_cannot_be_remembered_or_released() -> None:
    for kept in (Kept(lost=True), Kept(stays=True), None):
        async with phone_scene(greeting=TEN, memory=kept) as s:
            await s.pass_ms(3500)
            moving = move(s)
            await s.pass_ms(100)
            assert moving.done()
            assert not moving.result()
            assert s.call.over is None


async def test_a_call_that_ends_meanwhile_moves_nowhere() -> None:
    kept = Kept()
    async with phone_scene(greeting=TEN, memory=kept) as s:
        await s.pass_ms(100)
        moving = move(s)
        await s.settle()
        s.call.hang_up("the caller hung up")
        await s.settle()
        assert not await moving
        assert not await s.call.move("again")
    assert kept.released == 0
