"""A page's call, and a realtime model's, on another server: the page knows what it has played, the model nothing."""

from __future__ import annotations

from bargein import notices as n
from bargein import protocols as c
from tests.call.kit import RATE, WORD_MS, Scene, scene
from tests.call.memory.kit import RESTORED, RESUMED, Kept, said
from tests.call.scripted_realtime import ScriptedRealtime
from tests.call.scripted_tool import ScriptedTool

TEN = "One two three four five six seven eight nine ten."


def freeze(s: Scene, kept: Kept) -> Kept:
    return Kept(dict(kept.fields), position=s.call.heard)


async def lost_at(ms: float, **more: object) -> Kept:
    kept = Kept()
    async with scene(greeting=TEN, memory=kept, **more) as s:  # type: ignore[arg-type]
        await s.pass_ms(ms)
        return freeze(s, kept)


async def test_the_page_says_to_the_sample_what_it_has_heard() -> None:
    kept = await lost_at(700)
    assert kept.position is not None
    async with scene(acks=False, restored=kept.restored()) as s:
        told = next(notice for notice in s.client.notices if isinstance(notice, n.AudioInterrupted))
        assert told.reply_id == 1
        # The page had gone on to the end of the fifth word when it lost its connection.
        s.client.inbox.put_nowait(c.Flushed(1, 5 * WORD_MS * RATE // 1000))
        await s.until(lambda: len(said(s.call.conversation.items)) == 2 and s.call.floor.state.value == "idle")
        assert said(s.call.conversation.items) == [
            ("One two three four five", "cut"),
            (f"{RESTORED} {RESUMED} six seven eight nine ten.", "completed"),
        ]


async def test_a_page_that_says_nothing_is_not_waited_for() -> None:
    kept = await lost_at(700)
    async with scene(acks=False, restored=kept.restored()) as s:
        await s.until(lambda: s.call.floor.reply.sounding, within_ms=1_000)
        await s.until(lambda: s.call.floor.state.value == "idle")
        assert said(s.call.conversation.items)[-1][0].startswith(f"{RESTORED} {RESUMED}")


async def test_a_report_beyond_what_was_sent_is_not_believed() -> None:
    kept = await lost_at(700)
    async with scene(acks=False, restored=kept.restored()) as s:
        s.client.inbox.put_nowait(c.Flushed(1, 10**9))
        await s.until(lambda: len(said(s.call.conversation.items)) == 2 and s.call.floor.state.value == "idle")
        assert said(s.call.conversation.items)[0][0] in ("One two three", "One two three four")


async def test_a_realtime_model_learns_the_conversation_as_it_was_heard() -> None:
    kept = Kept()
    story = " ".join(f"word{i}" for i in range(20))
    async with scene(realtime=ScriptedRealtime(story), memory=kept) as s:
        await s.pass_ms(400)
        await s.pass_ms(600, speech=0.95)
        await s.until(lambda: s.call.floor.reply.sounding)
        await s.pass_ms(1000)
        frozen = freeze(s, kept)
    model = ScriptedRealtime()
    async with scene(realtime=model, restored=frozen.restored()) as s:
        await s.until(lambda: len(said(s.call.conversation.items)) == 2 and s.call.floor.state.value == "idle")
        (known,) = [item for item in model.items()[:-1] if isinstance(item, c.AgentSaid)]
        assert known.ended == "cut"
        assert known.text
        heard = len(known.text.split())
        (asked,) = [call[1] for call in model.calls if call[0] == "say"]
        assert asked == f"{RESTORED} {RESUMED} " + " ".join(story.split()[heard:])


async def test_a_realtime_model_answers_what_was_not_answered() -> None:
    kept, model = Kept(), ScriptedRealtime("never", waits=True)
    async with scene(realtime=model, memory=kept) as s:
        await s.pass_ms(400)
        await s.pass_ms(600, speech=0.95)
        model.recognize("ended", "a room for two")
        await s.until(lambda: s.call.floor.state.value == "thinking")
        await s.pass_ms(200)
        frozen = freeze(s, kept)
        model.go.set()
    again = ScriptedRealtime("for how long?")
    async with scene(realtime=again, restored=frozen.restored()) as s:
        await s.until(lambda: len(said(s.call.conversation.items)) == 2 and s.call.floor.state.value == "idle")
        assert [call for call in again.calls if call[0] in ("say", "answer")] == [
            ("say", RESTORED),
            ("answer", "typed"),
        ]
        assert said(s.call.conversation.items)[-1] == ("for how long?", "completed")


async def test_a_realtime_models_commit_is_not_run_twice() -> None:
    tool, kept = ScriptedTool("book", "commit", waits=True), Kept()
    async with scene(realtime=ScriptedRealtime("I book it !book"), tools=(tool,), memory=kept) as s:
        await s.pass_ms(400)
        await s.pass_ms(600, speech=0.95)
        await s.until(lambda: bool(tool.begun))
        await s.pass_ms(64)
        frozen = freeze(s, kept)
        tool.go.set()
    again = ScriptedTool("book", "commit")
    model = ScriptedRealtime("let me see !book", "sorry")
    async with scene(realtime=model, tools=(again,), restored=frozen.restored()) as s:
        await s.until(lambda: any(call[0] == "tool_result" for call in model.calls))
        assert again.begun == []
        (result,) = [call for call in model.calls if call[0] == "tool_result"]
        assert str(result[2]).startswith("unknown: this was begun")
