"""Tools and interruption: what a read, a commit and a terminal may do when the user speaks."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bargein import floor as f
from bargein import protocols as c
from bargein.call.output.reply import Reply
from bargein.call.record.conversation import Conversation
from bargein.call.responders.tool_runner import ToolRunner
from bargein.errors import UsageError, VendorLost
from tests.call.kit import Scene, ScriptedLLM, scene
from tests.call.parts import Parts
from tests.call.scripted_stt import ScriptedStreamingSTT
from tests.call.scripted_tool import ScriptedTool

STORY = "once there was a fox who lived by a river and sang to the moon every night of the year"


async def ask(s: Scene, stt: ScriptedStreamingSTT, text: str, turn: int = 0) -> None:
    await s.pass_ms(640, speech=0.9)
    stt.recognize("started", text.split()[0], turn=turn, ago_ms=600)
    await s.pass_ms(320)
    stt.recognize("ended", text, turn=turn, ago_ms=900)
    await s.settle()


def results(prompt: c.Prompt) -> list[tuple[str, str | None, bool]]:
    return [(i.tool, i.result, i.error) for i in prompt.items if isinstance(i, c.ToolResult)]


# ------------------------------------------------------------------------------------------------------ reads


async def test_a_lookup_runs_and_the_model_is_asked_again_with_its_result() -> None:
    stt, lookup = ScriptedStreamingSTT(), ScriptedTool("lookup", "read", "sunny")
    async with scene('!lookup:{"day":1}', "it is sunny", streaming_stt=stt, tools=(lookup,)) as s:
        await ask(s, stt, "how is the weather")
        await s.until(lambda: s.state == "idle")
        assert lookup.begun == ['{"day":1}']
        assert s.llm.prompts[0].tools == (lookup.spec,)
        assert results(s.llm.prompts[1]) == [("lookup", "sunny", False)]
        assert [type(i).__name__ for i in s.call.conversation.items] == ["UserSaid", "ToolResult", "AgentSaid"]
        assert ("tools", "done") in s.notes.causes


async def test_a_lookup_overlapped_by_10_ms_of_speech_is_not_lost() -> None:
    stt, lookup = ScriptedStreamingSTT(), ScriptedTool("lookup", "read", "sunny", waits=True)
    async with scene("!lookup", "it is sunny", streaming_stt=stt, tools=(lookup,)) as s:
        await ask(s, stt, "how is the weather")
        await s.pass_ms(320)
        assert s.state == "thinking"
        await s.pass_ms(10, speech=0.95)
        await s.pass_ms(22)
        await s.pass_ms(32, speech=0.95)
        assert s.state == "barge_in"
        await s.pass_ms(320)
        stt.recognize("progress", turn=1)
        await s.settle()
        lookup.go.set()
        await s.until(lambda: s.state == "idle")
        assert (lookup.done, lookup.cancelled) == (1, 0)
        assert s.call.conversation.items[-1] == c.AgentSaid(1, "it is sunny")


async def test_a_lookup_goes_with_the_cut() -> None:
    stt, lookup = ScriptedStreamingSTT(), ScriptedTool("lookup", "read", waits=True)
    async with scene("!lookup", "as you wish", streaming_stt=stt, tools=(lookup,)) as s:
        await ask(s, stt, "how is the weather")
        await s.pass_ms(320)
        await s.pass_ms(320, speech=0.95)
        stt.recognize("started", "forget it", turn=1, ago_ms=300)
        await s.settle()
        assert (lookup.done, lookup.cancelled) == (0, 1)
        await s.pass_ms(320)
        stt.recognize("ended", "forget it", turn=1, ago_ms=900)
        await s.until(lambda: len(s.llm.prompts) == 2)
        assert [(t, e) for t, _, e in results(s.llm.prompts[1])] == [("lookup", True)], (
            "the model knows that it did not run"
        )


async def test_words_before_a_lookup_sound_while_it_runs() -> None:
    stt, lookup = ScriptedStreamingSTT(), ScriptedTool("lookup", "read", "sunny", waits=True)
    async with scene("let me see !lookup", "it is sunny", streaming_stt=stt, tools=(lookup,)) as s:
        await ask(s, stt, "how is the weather")
        await s.until(lambda: s.words(1) == 3)
        await s.pass_ms(6_400)
        assert s.state == "speaking", "a slow tool is not a dead TTS"
        lookup.go.set()
        await s.until(lambda: s.state == "idle")
        assert c.AgentSaid(1, "let me see \nit is sunny") in s.call.conversation.items


async def test_a_tool_that_fails_or_is_not_there_reaches_the_model() -> None:
    bad = ScriptedTool("bad", "read", UsageError("The day is missing", advice="Give a day"))
    broken = ScriptedTool("broken", "read", RuntimeError("with a secret"))
    stt = ScriptedStreamingSTT()
    async with scene("!bad !broken !unknown", "sorry", streaming_stt=stt, tools=(bad, broken)) as s:
        await ask(s, stt, "do it")
        await s.until(lambda: s.state == "idle")
        shown = results(s.llm.prompts[1])
        assert shown[0][0] == "bad"
        assert "Give a day" in str(shown)
        assert "secret" not in str(shown)
        assert all(error for _, _, error in shown)


# ---------------------------------------------------------------------------------------------------- commits


async def test_a_booking_waits_until_the_words_before_it_were_heard() -> None:
    stt, book = ScriptedStreamingSTT(), ScriptedTool("book", "commit", "booked")
    async with scene("I book it now !book", "it is booked", streaming_stt=stt, tools=(book,)) as s:
        await ask(s, stt, "book a table")
        await s.until(lambda: s.words(1) >= 3)
        assert book.begun == []
        await s.until(lambda: s.state == "idle")
        assert book.done == 1
        assert c.AgentSaid(1, "I book it now \nit is booked") in s.call.conversation.items


async def test_a_booking_of_a_reply_that_was_cut_before_its_words_were_heard_does_not_run() -> None:
    stt, book = ScriptedStreamingSTT(), ScriptedTool("book", "commit")
    async with scene(f"{STORY} !book", "fine", streaming_stt=stt, tools=(book,)) as s:
        await ask(s, stt, "book a table")
        await s.until(lambda: s.words(1) >= 3)
        s.call.interrupt()
        await s.pass_ms(640)
        assert book.begun == []


async def test_a_booking_that_has_begun_is_not_lost_and_its_result_is_said_when_there_is_room() -> None:
    stt, book = ScriptedStreamingSTT(), ScriptedTool("book", "commit", "table 7", waits=True)
    async with scene("!book", "what else", "you have table 7", streaming_stt=stt, tools=(book,)) as s:
        await ask(s, stt, "book a table")
        await s.until(lambda: bool(book.begun))
        s.call.interrupt()
        await s.settle()
        await ask(s, stt, "and also", turn=1)
        await s.until(lambda: len(s.llm.prompts) == 2)
        assert results(s.llm.prompts[1]) == [("book", None, False)], "the model knows that it still runs"
        await s.until(lambda: s.words(2) >= 1)
        book.go.set()
        await s.until(lambda: len(s.llm.prompts) == 3)
        assert (book.done, book.cancelled) == (1, 0)
        assert results(s.llm.prompts[2]) == [("book", "table 7", False)]
        await s.until(lambda: s.state == "idle")
        assert s.call.conversation.items[-1] == c.AgentSaid(3, "you have table 7")


async def test_a_booking_survives_the_end_of_the_call() -> None:
    stt, book = ScriptedStreamingSTT(), ScriptedTool("book", "commit", waits=True)
    async with scene("!book", streaming_stt=stt, tools=(book,)) as s:
        await ask(s, stt, "book a table")
        await s.until(lambda: bool(book.begun))
        s.client.inbox.put_nowait(c.ClientHangUp("gone"))
        await s.settle()
        book.go.set()
    assert (book.done, book.cancelled) == (1, 0)


# -------------------------------------------------------------------------------------------------- terminals


async def test_a_hang_up_waits_until_the_goodbye_was_heard() -> None:
    stt, bye = ScriptedStreamingSTT(), ScriptedTool("bye", "terminal", c.HangUp("all done"))
    async with scene("goodbye then !bye", streaming_stt=stt, tools=(bye,)) as s:
        await ask(s, stt, "goodbye")
        await s.until(lambda: s.words(1) >= 1)
        assert bye.begun == []
        await s.until(lambda: s.call.over == "all done")
        assert s.words(1) == 2


async def test_a_hang_up_called_by_a_reply_that_was_cut_does_not_happen() -> None:
    stt, bye = ScriptedStreamingSTT(), ScriptedTool("bye", "terminal", c.HangUp("all done"))
    async with scene(f"{STORY} !bye", "still here", streaming_stt=stt, tools=(bye,)) as s:
        await ask(s, stt, "goodbye")
        await s.until(lambda: s.words(1) >= 3)
        await s.pass_ms(320, speech=0.95)
        stt.recognize("started", "one thing", turn=1, ago_ms=300)
        await s.pass_ms(320)
        stt.recognize("ended", "one thing more", turn=1, ago_ms=900)
        await s.until(lambda: s.state == "idle")
        assert bye.begun == []
        assert s.call.over is None


async def test_a_hang_up_without_a_word_happens_at_once() -> None:
    stt, bye = ScriptedStreamingSTT(), ScriptedTool("bye", "terminal", c.HangUp("all done"))
    async with scene("!bye", streaming_stt=stt, tools=(bye,)) as s:
        await ask(s, stt, "goodbye")
        await s.until(lambda: s.call.over is not None)


# ------------------------------------------------------------------------------------------------ made ahead


async def test_of_a_reply_made_ahead_only_reads_run_before_the_turn_is_over() -> None:
    stt = ScriptedStreamingSTT()
    lookup, book = ScriptedTool("lookup", "read", "free"), ScriptedTool("book", "commit", "booked")
    async with scene("!lookup !book", "it is booked", streaming_stt=stt, tools=(lookup, book)) as s:
        await s.pass_ms(640, speech=0.9)
        stt.recognize("started", "book", ago_ms=600)
        await s.pass_ms(320)
        stt.recognize("eager_end", "book a table", ago_ms=900)
        await s.pass_ms(160)
        assert (lookup.done, book.begun) == (1, [])
        stt.recognize("ended", "book a table", ago_ms=1_060)
        await s.until(lambda: s.state == "idle")
        assert book.done == 1
        assert len(s.llm.prompts) == 2
        assert [type(i).__name__ for i in s.call.conversation.items] == [
            "UserSaid",
            "ToolResult",
            "ToolResult",
            "AgentSaid",
        ]


async def test_what_was_made_ahead_and_forgotten_leaves_no_trace() -> None:
    stt, lookup = ScriptedStreamingSTT(), ScriptedTool("lookup", "read", "free")
    async with scene("!lookup", "never said", "fine", streaming_stt=stt, tools=(lookup,)) as s:
        await s.pass_ms(640, speech=0.9)
        stt.recognize("started", "book", ago_ms=600)
        await s.pass_ms(320)
        stt.recognize("eager_end", "book a table", ago_ms=900)
        await s.pass_ms(160)
        stt.recognize("resumed", "book a table", ago_ms=1_060)
        await s.pass_ms(160)
        stt.recognize("ended", "book a table for two", ago_ms=1_300)
        await s.until(lambda: s.state == "idle")
        assert s.call.conversation.items == [c.UserSaid(1, "book a table for two"), c.AgentSaid(1, "fine")]


async def test_a_model_that_calls_tools_for_ever_comes_to_an_end() -> None:
    stt, lookup = ScriptedStreamingSTT(), ScriptedTool("lookup", "read")
    async with scene(streaming_stt=stt, tools=(lookup,), llm=ScriptedLLM(*["!lookup"] * 50)) as s:
        await ask(s, stt, "go")
        await s.until(lambda: s.state == "idle")
        assert len(s.llm.prompts) == 5
        assert [a.cause for a in s.notes.actions if isinstance(a, f.Reprompt)] == ["failed"]


# -------------------------------------------------------------------------------------------- the runner alone


class World:
    def __init__(self, *tools: ScriptedTool) -> None:
        self.parts = Parts()
        self.conversation = Conversation()
        self.late: list[c.ToolResult] = []
        self.runner = ToolRunner(self.parts.context, tools, self.conversation, self.late.append)


class OneDelta:
    """An LLM that gives one delta, or raises it."""

    name = "one delta"

    def __init__(self, delta: c.TextDelta | c.HangUp | Exception) -> None:
        self.delta = delta

    async def reply(self, prompt: c.Prompt) -> AsyncIterator[c.TextDelta | c.ToolCall | c.EndRequest]:
        if isinstance(self.delta, Exception):
            raise self.delta
        yield self.delta


async def test_an_llm_may_ask_for_the_end_of_the_call_itself() -> None:
    world, reply = World(), Reply(1, "reply", 0.0)
    assert [t async for t in world.runner.reply_text(OneDelta(c.HangUp("bye")), c.Prompt("", ()), reply)] == []
    assert reply.end_request == c.HangUp("bye")
    assert await world.runner.finish(reply) == c.HangUp("bye")


async def test_an_llm_that_is_lost_is_no_lost_tts() -> None:
    world, reply = World(), Reply(1, "reply", 0.0)
    text = world.runner.reply_text(OneDelta(VendorLost("gone", advice="Look")), c.Prompt("", ()), reply)
    with pytest.raises(VendorLost):
        await anext(text)
    assert reply.llm_lost


async def test_a_commit_that_ends_the_call_does_so_after_its_reply() -> None:
    world, reply = World(ScriptedTool("bye", "commit", c.HangUp("all done"))), Reply(1, "reply", 0.0)
    result = await world.runner.run(c.ToolCall("a", "bye", "{}"), reply)
    assert result is not None
    assert result.result == "done at the end of this reply"
    assert reply.end_request == c.HangUp("all done")


async def test_a_terminal_that_only_says_something_is_a_late_result() -> None:
    world, reply = World(ScriptedTool("bye", "terminal", "not now")), Reply(1, "reply", 0.0)
    assert await world.runner.run(c.ToolCall("a", "bye", "{}"), reply) is None
    assert await world.runner.finish(reply) is None
    assert world.late == [c.ToolResult("a", "bye", "{}", "not now")]


async def test_of_two_requests_for_the_end_the_first_counts() -> None:
    world, reply = World(ScriptedTool("bye", "terminal", c.HangUp("second"))), Reply(1, "reply", 0.0)
    reply.end_request = c.HangUp("first")
    await world.runner.run(c.ToolCall("a", "bye", "{}"), reply)
    assert await world.runner.finish(reply) == c.HangUp("first")
