"""A call outlives its server: another one goes on from the word that was heard."""

from __future__ import annotations

import asyncio

import pytest

from bargein import protocols as c
from bargein.agent import Greeting
from bargein.call.memory.fields import MemoryUnreadable
from bargein.call.memory.restored import read_memory
from bargein.call.responders.tool_runner import UNKNOWN
from bargein.clock import Clock
from bargein.transports.kept import KeptTransport
from bargein.transports.telephone.transport import TelephoneTransport
from tests.call.kit import ScriptedLLM, ScriptedSTT
from tests.call.memory.kit import RESTORED, RESUMED, Kept, heard_words, pass_pulses, said
from tests.call.phone_kit import phone_scene
from tests.call.scripted_tool import ScriptedTool

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
TEN = " ".join(WORDS).capitalize() + "."


async def lost_at(ms: float, greeting: Greeting | str = TEN, **more: object) -> Kept:
    """The memory of a call whose server dies at this moment of its greeting."""
    kept = Kept()
    async with phone_scene(greeting=greeting, memory=kept, **more) as s:  # type: ignore[arg-type]
        await pass_pulses(s, kept, ms)
        return Kept(dict(kept.fields), position=kept.position)


async def test_the_agent_goes_on_from_the_word_that_was_heard() -> None:
    kept = await lost_at(660)
    async with phone_scene(restored=kept.restored()) as s:
        await s.until(lambda: said(s.call.conversation.items)[-1][1] == "completed")
        assert said(s.call.conversation.items) == [
            ("One two three", "cut"),
            (f"{RESTORED} {RESUMED} four five six seven eight nine ten.", "completed"),
        ]
        assert s.did() == ["Reprompt"]
        assert s.call.floor.reply.id == 2
        assert s.call.status().lasted_ms >= 600


@pytest.mark.parametrize("plays_out", [False, True])
async def test_no_word_is_heard_twice_and_none_is_missing_from_the_context(plays_out: bool) -> None:
    """Whenever the server dies. Where the telephone still plays what it has, the word at the border may come again."""
    lead = len(f"{RESTORED} {RESUMED}".split())
    kept = Kept()
    moments: list[tuple[Kept, list[int]]] = []
    async with phone_scene(greeting=TEN, memory=kept) as s:
        for _ in range(55):
            await pass_pulses(s, kept, 40)
            moments.append((Kept(dict(kept.fields), position=kept.position), heard_words(s, 1)))
        whole = heard_words(s, 1)
        assert whole == list(range(10))
    for index in range(0, len(moments), 3):
        frozen, heard = moments[index]
        if plays_out:
            heard = moments[min(index + 2, len(moments) - 1)][1]  # 80 of the 100 ms that lie in the telephone
        async with phone_scene(restored=frozen.restored()) as s:
            await s.until(lambda s=s: s.state == "idle" and s.call.floor.reply.id == 2)  # type: ignore[misc]
            items = s.call.conversation.items
            again = [place - lead for place in heard_words(s, 1) if place >= lead]
            rest = [len(WORDS) - len(again) + i for i in range(len(again))]
            first = said(items)[0][0].lower().rstrip(".").split() if len(said(items)) > 1 else []
        assert len(set(heard) & set(rest)) <= plays_out, f"heard twice, {index}"
        missing = set(heard) - {WORDS.index(word) for word in first}
        assert len(missing) <= plays_out, f"missing from the context, {index}"
        assert [*first, *(WORDS[place] for place in rest)] == WORDS, f"a word is lost, {index}"


async def test_a_server_that_dies_while_the_client_is_away_knows_no_later_word() -> None:
    """The client's own report of the first loss stands: no 100 ms are added to it again and again."""
    made: list[KeptTransport] = []

    def keep(telephone: TelephoneTransport, clock: Clock) -> c.Transport:
        made.append(KeptTransport(telephone, clock, 10_000))
        return made[0]

    kept = Kept()
    async with phone_scene(greeting=TEN, memory=kept, kept=keep) as s:
        await pass_pulses(s, kept, 760)
        assert s.phone.telephone is not None
        s.phone.telephone.gone("the connection is gone")
        await s.pass_ms(500)
        before = said(s.call.conversation.items)
        frozen = Kept(dict(kept.fields))
    async with phone_scene(restored=frozen.restored()) as s:
        assert said(s.call.conversation.items)[:1] == before == [("One two three", "cut")]


async def test_a_call_that_was_quiet_says_only_that_it_was_away() -> None:
    kept = await lost_at(4000)
    async with phone_scene(restored=kept.restored()) as s:
        await s.until(lambda: said(s.call.conversation.items)[-1] == (RESTORED, "completed"))
        assert said(s.call.conversation.items)[0] == (TEN, "completed")
        assert s.state == "idle"


async def test_a_call_that_moved_at_a_quiet_moment_says_nothing() -> None:
    kept = await lost_at(4000)
    async with phone_scene(restored=kept.restored(moved=True)) as s:
        await s.pass_ms(2000)
        assert said(s.call.conversation.items) == [(TEN, "completed")]
        assert s.phone.heard.count(0) == len(s.phone.heard)
        await s.pass_ms(600, speech=0.95)
        assert s.state == "listening"


async def test_a_turn_that_was_open_is_asked_for_again() -> None:
    kept = Kept()
    async with phone_scene("Fine.", stt=ScriptedSTT("I would"), memory=kept) as s:
        await s.pass_ms(600)
        await s.pass_ms(900, speech=0.95)
        assert s.state == "listening"
        frozen = Kept(dict(kept.fields))
    async with phone_scene(restored=frozen.restored()) as s:
        await s.until(lambda: len(said(s.call.conversation.items)) == 1 and s.state == "idle")
        assert said(s.call.conversation.items) == [(f"{RESTORED} Could you say that again?", "completed")]


async def test_words_that_nothing_has_answered_are_answered() -> None:
    kept, pause = Kept(), asyncio.Event()
    llm = ScriptedLLM("Never.", pause=pause)
    async with phone_scene(stt=ScriptedSTT(*["I would like a room."] * 3), memory=kept, llm=llm) as s:
        await s.pass_ms(600)
        await s.pass_ms(900, speech=0.95)
        await s.until(lambda: s.state == "thinking")
        await s.pass_ms(100)
        frozen = Kept(dict(kept.fields))
    async with phone_scene("For how many nights?", restored=frozen.restored()) as s:
        await s.until(lambda: s.state == "idle" and len(s.llm.prompts) == 1)
        items = s.call.conversation.items
        assert list(s.llm.prompts[0].items) == items[:1]  # the apology is nothing to answer
        assert isinstance(items[0], c.UserSaid)
        assert items[0].text == "I would like a room."
        assert said(items) == [(RESTORED, "completed"), ("For how many nights?", "completed")]


async def test_a_protected_beginning_stays_protected() -> None:
    kept = await lost_at(300, Greeting("May I help you?", protected="This call is recorded for training."))
    async with phone_scene(restored=kept.restored()) as s:
        await s.until(lambda: s.call.floor.reply.sounding)
        assert s.call.floor.reply.protected


async def test_what_waits_to_be_said_is_said() -> None:
    kept = Kept()
    async with phone_scene(greeting=TEN, memory=kept) as s:
        await s.pass_ms(300)
        s.call.say("Please hold.")
        await s.pass_ms(100)
        frozen = Kept(dict(kept.fields), position=s.call.heard)
    async with phone_scene(restored=frozen.restored()) as s:
        await s.until(lambda: len(said(s.call.conversation.items)) == 3 and s.state == "idle")
        assert said(s.call.conversation.items)[-1] == ("Please hold.", "completed")


# ------------------------------------------------------------------------------------------------------------- tools


async def begun(tool: ScriptedTool, *texts: str) -> Kept:
    """The memory of a call whose server dies while the tool runs."""
    kept = Kept()
    async with phone_scene(*texts, stt=ScriptedSTT(*["Book it."] * 4), memory=kept, tools=[tool]) as s:
        await s.pass_ms(600)
        await s.pass_ms(700, speech=0.95)
        await s.until(lambda: bool(tool.begun))
        await s.pass_ms(60)
        frozen = Kept(dict(kept.fields), asked=kept.asked, position=s.call.heard)
        tool.go.set()
    return frozen


async def test_a_commit_that_was_begun_is_told_as_unknown_and_not_run_twice() -> None:
    tool = ScriptedTool("book", "commit", waits=True)
    kept = await begun(tool, 'I book that now. !book:{"day":1,"beds":2}')
    assert kept.asked == 1  # it was written down before the tool began
    again = ScriptedTool("book", "commit")
    async with phone_scene(
        '!book:{"beds":2,"day":1}', "I cannot be sure.", restored=kept.restored(), tools=[again], stt=ScriptedSTT()
    ) as s:
        await s.until(lambda: s.state == "idle" and len(s.llm.prompts) >= 2)
        results = [item for item in s.call.conversation.items if isinstance(item, c.ToolResult)]
        assert results[0].result == UNKNOWN
        assert results[0].error
        shown = [item for item in s.llm.prompts[0].items if isinstance(item, c.ToolResult)]
        assert shown == results[:1]
        assert results[1].result == UNKNOWN
        assert again.begun == []


async def test_another_commit_runs_as_ever() -> None:
    kept = await begun(ScriptedTool("book", "commit", waits=True), '!book:{"day":1}')
    again = ScriptedTool("book", "commit")
    async with phone_scene('!book:{"day":2}', "Done.", restored=kept.restored(), tools=[again]) as s:
        await s.until(lambda: s.state == "idle" and len(s.llm.prompts) >= 2)
        assert again.begun == ['{"day":2}']


async def test_a_commit_begins_also_where_nothing_can_be_kept() -> None:
    tool, kept = ScriptedTool("book", "commit"), Kept(lost=True)
    async with phone_scene("!book", "Booked.", stt=ScriptedSTT(*["Book it."] * 4), memory=kept, tools=[tool]) as s:
        await s.pass_ms(600)
        await s.pass_ms(700, speech=0.95)
        await s.until(lambda: tool.done == 1)


async def test_a_terminal_tool_is_written_down_before_it_runs_and_is_not_run_twice() -> None:
    tool = ScriptedTool("pay", "terminal", waits=True)
    kept = await begun(tool, "Thank you. !pay")
    again = ScriptedTool("pay", "terminal")
    async with phone_scene("!pay", "Sorry.", restored=kept.restored(), tools=[again], stt=ScriptedSTT("Hello?")) as s:
        await s.until(lambda: len(said(s.call.conversation.items)) == 2 and s.state == "idle")
        await s.pass_ms(700, speech=0.95)
        await s.until(lambda: len(s.llm.prompts) == 1)
        await s.pass_ms(500)
        assert again.begun == []


# --------------------------------------------------------------------------------------------------------- the memory


async def test_a_memory_is_small_and_is_written_only_when_something_changed() -> None:
    kept = Kept()
    texts = [f"This is answer number {i}, with some words in it." for i in range(10)]
    async with phone_scene(*texts, stt=ScriptedSTT(*["Tell me more."] * 60), memory=kept) as s:
        for i in range(10):
            await s.pass_ms(600, speech=0.95)
            await s.until(lambda i=i: len(s.llm.prompts) == i + 1)  # type: ignore[misc]
            await s.until(lambda: s.state == "idle")
        before = kept.writes
        await s.pass_ms(5000)
        assert kept.writes == before  # nothing happens, nothing is written
        assert kept.size < 40_000
        assert sum(map(len, kept.fields.values())) < 4_000
    call = kept.restored()
    assert len(call.items) == 20
    assert call.reply is None


async def test_the_oldest_turns_go_where_the_memory_is_full() -> None:
    kept = Kept()
    async with phone_scene(memory=kept) as s:
        for turn in range(1, 200):
            s.call.conversation.user(turn, f"{turn} " + "x" * 1000, None)
        await s.pass_ms(40)
    call = kept.restored()
    assert 40 < len(call.items) < 50
    assert isinstance(call.items[-1], c.UserSaid)
    assert call.items[-1].turn == 199
    assert call.state.items == 199


def broken(kept: Kept, **fields: bytes | None) -> dict[str, bytes]:
    changed = {**kept.fields, **{name: data for name, data in fields.items() if data is not None}}
    return {name: data for name, data in changed.items() if name not in fields or fields[name] is not None}


async def test_a_restored_call_can_be_lost_again() -> None:
    """What the first server had remembered does not come back."""
    kept = await lost_at(660)
    second = Kept(dict(kept.fields))
    async with phone_scene(restored=kept.restored(), memory=second) as s:
        await s.until(lambda: s.state == "idle" and s.call.floor.reply.id == 2)
        await s.pass_ms(1000)
    third = second.restored()
    assert third.reply is None
    assert [type(item) for item in third.items] == [c.AgentSaid, c.AgentSaid]
    assert third.state.lasted_ms > kept.restored().state.lasted_ms + 1000


async def test_a_memory_that_is_damaged_or_of_another_version_is_refused() -> None:
    kept = await lost_at(660)
    other = kept.fields["about"].replace(b"\xa7version\x01", b"\xa7version\x02")
    assert other != kept.fields["about"]
    cases: list[dict[str, bytes | None]] = [
        {"about": None},
        {"state": None},
        {"about": b"\xc1"},
        {"state": b"\x90"},
        {"reply": b"nonsense"},
        {"i00000": b"\x92\xa1z\x80"},
        {"about": other},
    ]
    for case in cases:
        with pytest.raises(MemoryUnreadable) as raised:
            read_memory("c1", 2, broken(kept, **case), None, moved=False)
        assert raised.value.advice
    unknown = read_memory("c1", 2, broken(kept, secret=b"s"), (7, 100), moved=False)
    assert unknown.others == {"secret": b"s"}
    assert unknown.heard == kept.restored().reply.heard  # type: ignore[union-attr]  # of another reply
