"""Tools and interruption: what a read, a commit and a terminal may do when the user speaks."""

from __future__ import annotations

import asyncio

from bargein import floor as f
from bargein import protocols as c
from bargein.errors import UsageError
from tests.call.kit import Mind, Scene, Transcriber, scene

STORY = "once there was a fox who lived by a river and sang to the moon every night of the year"


class Job:
    """A protocols.Tool that waits until the test lets it go on."""

    def __init__(
        self, name: str, effect: c.Effect, result: str | c.HangUp | Exception = "done", *, waits: bool = False
    ) -> None:
        self.spec = c.ToolSpec(name, f"Does {name}", {"type": "object", "properties": {}})
        self.effect: c.Effect = effect
        self.result = result
        self.go = asyncio.Event()
        self.begun: list[str] = []
        self.done = self.cancelled = 0
        if not waits:
            self.go.set()

    async def run(self, arguments: str) -> str | c.HangUp | c.Transfer:
        self.begun.append(arguments)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.done += 1
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


async def ask(s: Scene, ears: Transcriber, text: str, turn: int = 0) -> None:
    await s.pass_ms(640, speech=0.9)
    ears.tell("started", text.split()[0], turn=turn, ago_ms=600)
    await s.pass_ms(320)
    ears.tell("ended", text, turn=turn, ago_ms=900)
    await s.settle()


def results(prompt: c.Prompt) -> list[tuple[str, str | None, bool]]:
    return [(i.tool, i.result, i.error) for i in prompt.items if isinstance(i, c.ToolResult)]


# ------------------------------------------------------------------------------------------------------ reads


async def test_a_lookup_runs_and_the_model_is_asked_again_with_its_result() -> None:
    ears, lookup = Transcriber(), Job("lookup", "read", "sunny")
    async with scene('!lookup:{"day":1}', "it is sunny", transcriber=ears, tools=(lookup,)) as s:
        await ask(s, ears, "how is the weather")
        await s.until(lambda: s.state == "idle")
        assert lookup.begun == ['{"day":1}']
        assert s.mind.prompts[0].tools == (lookup.spec,)
        assert results(s.mind.prompts[1]) == [("lookup", "sunny", False)]
        assert [type(i).__name__ for i in s.call.conversation.items] == ["UserSaid", "ToolResult", "AgentSaid"]
        assert ("tools", "done") in s.notes.causes


async def test_a_lookup_overlapped_by_10_ms_of_speech_is_not_lost() -> None:
    ears, lookup = Transcriber(), Job("lookup", "read", "sunny", waits=True)
    async with scene("!lookup", "it is sunny", transcriber=ears, tools=(lookup,)) as s:
        await ask(s, ears, "how is the weather")
        await s.pass_ms(320)
        assert s.state == "thinking"
        await s.pass_ms(10, speech=0.95)
        await s.pass_ms(22)
        await s.pass_ms(32, speech=0.95)
        assert s.state == "barge_in"
        await s.pass_ms(320)
        ears.tell("progress", turn=1)
        await s.settle()
        lookup.go.set()
        await s.until(lambda: s.state == "idle")
        assert (lookup.done, lookup.cancelled) == (1, 0)
        assert s.call.conversation.items[-1] == c.AgentSaid(1, "it is sunny")


async def test_a_lookup_goes_with_the_cut() -> None:
    ears, lookup = Transcriber(), Job("lookup", "read", waits=True)
    async with scene("!lookup", "as you wish", transcriber=ears, tools=(lookup,)) as s:
        await ask(s, ears, "how is the weather")
        await s.pass_ms(320)
        await s.pass_ms(320, speech=0.95)
        ears.tell("started", "forget it", turn=1, ago_ms=300)
        await s.settle()
        assert (lookup.done, lookup.cancelled) == (0, 1)
        await s.pass_ms(320)
        ears.tell("ended", "forget it", turn=1, ago_ms=900)
        await s.until(lambda: len(s.mind.prompts) == 2)
        assert [(t, e) for t, _, e in results(s.mind.prompts[1])] == [("lookup", True)], (
            "the model knows that it did not run"
        )


async def test_words_before_a_lookup_sound_while_it_runs() -> None:
    ears, lookup = Transcriber(), Job("lookup", "read", "sunny", waits=True)
    async with scene("let me see !lookup", "it is sunny", transcriber=ears, tools=(lookup,)) as s:
        await ask(s, ears, "how is the weather")
        await s.until(lambda: s.words(1) == 3)
        await s.pass_ms(6_400)
        assert s.state == "speaking", "a slow tool is not a dead voice"
        lookup.go.set()
        await s.until(lambda: s.state == "idle")
        assert c.AgentSaid(1, "let me see \nit is sunny") in s.call.conversation.items


async def test_a_tool_that_fails_or_is_not_there_is_told_to_the_model() -> None:
    bad = Job("bad", "read", UsageError("The day is missing", advice="Give a day"))
    broken = Job("broken", "read", RuntimeError("with a secret"))
    ears = Transcriber()
    async with scene("!bad !broken !unknown", "sorry", transcriber=ears, tools=(bad, broken)) as s:
        await ask(s, ears, "do it")
        await s.until(lambda: s.state == "idle")
        told = results(s.mind.prompts[1])
        assert told[0][0] == "bad"
        assert "Give a day" in str(told)
        assert "secret" not in str(told)
        assert all(error for _, _, error in told)


# ---------------------------------------------------------------------------------------------------- commits


async def test_a_booking_waits_until_the_words_before_it_were_heard() -> None:
    ears, book = Transcriber(), Job("book", "commit", "booked")
    async with scene("I book it now !book", "it is booked", transcriber=ears, tools=(book,)) as s:
        await ask(s, ears, "book a table")
        await s.until(lambda: s.words(1) >= 3)
        assert book.begun == []
        await s.until(lambda: s.state == "idle")
        assert book.done == 1
        assert c.AgentSaid(1, "I book it now \nit is booked") in s.call.conversation.items


async def test_a_booking_of_a_reply_that_was_cut_before_its_words_were_heard_does_not_run() -> None:
    ears, book = Transcriber(), Job("book", "commit")
    async with scene(f"{STORY} !book", "fine", transcriber=ears, tools=(book,)) as s:
        await ask(s, ears, "book a table")
        await s.until(lambda: s.words(1) >= 3)
        s.call.interrupt()
        await s.pass_ms(640)
        assert book.begun == []


async def test_a_booking_that_has_begun_is_not_lost_and_is_told_when_there_is_room() -> None:
    ears, book = Transcriber(), Job("book", "commit", "table 7", waits=True)
    async with scene("!book", "what else", "you have table 7", transcriber=ears, tools=(book,)) as s:
        await ask(s, ears, "book a table")
        await s.until(lambda: bool(book.begun))
        s.call.interrupt()
        await s.settle()
        await ask(s, ears, "and also", turn=1)
        await s.until(lambda: len(s.mind.prompts) == 2)
        assert results(s.mind.prompts[1]) == [("book", None, False)], "the model knows that it still runs"
        await s.until(lambda: s.words(2) >= 1)
        book.go.set()
        await s.until(lambda: len(s.mind.prompts) == 3)
        assert (book.done, book.cancelled) == (1, 0)
        assert results(s.mind.prompts[2]) == [("book", "table 7", False)]
        await s.until(lambda: s.state == "idle")
        assert s.call.conversation.items[-1] == c.AgentSaid(3, "you have table 7")


async def test_a_booking_survives_the_end_of_the_call() -> None:
    ears, book = Transcriber(), Job("book", "commit", waits=True)
    async with scene("!book", transcriber=ears, tools=(book,)) as s:
        await ask(s, ears, "book a table")
        await s.until(lambda: bool(book.begun))
        s.far.inbox.put_nowait(c.ClientHangUp("gone"))
        await s.settle()
        book.go.set()
    assert (book.done, book.cancelled) == (1, 0)


# -------------------------------------------------------------------------------------------------- terminals


async def test_a_hang_up_waits_until_the_goodbye_was_heard() -> None:
    ears, bye = Transcriber(), Job("bye", "terminal", c.HangUp("all done"))
    async with scene("goodbye then !bye", transcriber=ears, tools=(bye,)) as s:
        await ask(s, ears, "goodbye")
        await s.until(lambda: s.words(1) >= 1)
        assert bye.begun == []
        await s.until(lambda: s.call.over == "all done")
        assert s.words(1) == 2


async def test_a_hang_up_called_by_a_reply_that_was_cut_does_not_happen() -> None:
    ears, bye = Transcriber(), Job("bye", "terminal", c.HangUp("all done"))
    async with scene(f"{STORY} !bye", "still here", transcriber=ears, tools=(bye,)) as s:
        await ask(s, ears, "goodbye")
        await s.until(lambda: s.words(1) >= 3)
        await s.pass_ms(320, speech=0.95)
        ears.tell("started", "one thing", turn=1, ago_ms=300)
        await s.pass_ms(320)
        ears.tell("ended", "one thing more", turn=1, ago_ms=900)
        await s.until(lambda: s.state == "idle")
        assert bye.begun == []
        assert s.call.over is None


async def test_a_hang_up_without_a_word_happens_at_once() -> None:
    ears, bye = Transcriber(), Job("bye", "terminal", c.HangUp("all done"))
    async with scene("!bye", transcriber=ears, tools=(bye,)) as s:
        await ask(s, ears, "goodbye")
        await s.until(lambda: s.call.over is not None)


# ------------------------------------------------------------------------------------------------ made ahead


async def test_of_a_reply_made_ahead_only_reads_run_before_the_turn_is_over() -> None:
    ears = Transcriber()
    lookup, book = Job("lookup", "read", "free"), Job("book", "commit", "booked")
    async with scene("!lookup !book", "it is booked", transcriber=ears, tools=(lookup, book)) as s:
        await s.pass_ms(640, speech=0.9)
        ears.tell("started", "book", ago_ms=600)
        await s.pass_ms(320)
        ears.tell("eager_end", "book a table", ago_ms=900)
        await s.pass_ms(160)
        assert (lookup.done, book.begun) == (1, [])
        ears.tell("ended", "book a table", ago_ms=1_060)
        await s.until(lambda: s.state == "idle")
        assert book.done == 1
        assert len(s.mind.prompts) == 2
        assert [type(i).__name__ for i in s.call.conversation.items] == [
            "UserSaid",
            "ToolResult",
            "ToolResult",
            "AgentSaid",
        ]


async def test_what_was_made_ahead_and_forgotten_leaves_no_trace() -> None:
    ears, lookup = Transcriber(), Job("lookup", "read", "free")
    async with scene("!lookup", "never said", "fine", transcriber=ears, tools=(lookup,)) as s:
        await s.pass_ms(640, speech=0.9)
        ears.tell("started", "book", ago_ms=600)
        await s.pass_ms(320)
        ears.tell("eager_end", "book a table", ago_ms=900)
        await s.pass_ms(160)
        ears.tell("resumed", "book a table", ago_ms=1_060)
        await s.pass_ms(160)
        ears.tell("ended", "book a table for two", ago_ms=1_300)
        await s.until(lambda: s.state == "idle")
        assert s.call.conversation.items == [c.UserSaid(1, "book a table for two"), c.AgentSaid(1, "fine")]


async def test_a_model_that_calls_tools_for_ever_comes_to_an_end() -> None:
    ears, lookup = Transcriber(), Job("lookup", "read")
    async with scene(transcriber=ears, tools=(lookup,), mind=Mind(*["!lookup"] * 50)) as s:
        await ask(s, ears, "go")
        await s.until(lambda: s.state == "idle")
        assert len(s.mind.prompts) == 5
        assert [type(a).__name__ for a in s.notes.actions if isinstance(a, f.CloseTurn)] == ["CloseTurn"]
