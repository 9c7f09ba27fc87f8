"""What a call writes down for its story: tools, vendors' times and faults, and what was asked of it from outside."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import bargein.testing
from bargein import Agent, tool
from bargein.errors import VendorLost
from bargein.protocols import SpeechChunk, ToolCall
from bargein.recorder.journal import FileJournal
from bargein.recorder.redaction import NO_REDACTION, Redaction
from bargein.recorder.story.call_story import CallStory
from bargein.recorder.story.telling import tell
from bargein.testing import ScriptedLLM, SimulatedCall, ToneTTS
from tests.recorder.story.calls import agent


@tool("read")
async def price(room: str, pin: str) -> str:
    """What a room costs."""
    return f"{room} costs 80"


class BrokenTTS(ToneTTS):
    """Gives nothing but an error."""

    name = "broken"

    async def speak(self, text: AsyncIterator[str]) -> AsyncIterator[SpeechChunk]:
        async for _ in text:
            raise VendorLost("The voice hung up", advice="Call it again")
        yield  # type: ignore[misc]  # never


@asynccontextmanager
async def recorded(
    root: Path, speaker: Agent, redaction: Redaction = NO_REDACTION, **given: object
) -> AsyncIterator[SimulatedCall]:
    journal = FileJournal(root, "c1", agent="a", policy=speaker.policy, language="en", redaction=redaction)
    async with bargein.testing.call(speaker, journal=journal, **given) as call:  # type: ignore[arg-type]
        yield call


def told(root: Path) -> CallStory:
    return tell(root / "c1")


async def test_a_tool_is_told_with_its_arguments_its_time_and_its_result(tmp_path: Path) -> None:
    llm = ScriptedLLM([ToolCall("1", "price", '{"room": "nine", "pin": "4711"}')], "It costs eighty")
    async with recorded(tmp_path, replace(agent(), tools=(price,)), llm=llm) as call:
        await call.user_says("what does room nine cost")
        await call.agent_says("It costs")
    (used,) = told(tmp_path).tools
    assert (used.tool, used.arguments) == ("price", '{"room": "nine", "pin": "4711"}')
    assert (used.result, used.error) == ("nine costs 80", False)
    assert used.began_ms is not None
    assert used.ended_ms is not None
    answer = next(reply for reply in told(tmp_path).replies if reply.turn == 1)
    assert used.reply == answer.reply
    assert [v.part for v in told(tmp_path).vendor_calls if v.reply == answer.reply] == ["llm", "llm", "tts"]


async def test_what_is_hidden_of_a_tool_is_hidden_in_its_story(tmp_path: Path) -> None:
    llm = ScriptedLLM([ToolCall("1", "price", '{"room": "nine", "pin": "4711"}')], "The code is 4711 for you")
    hides = Redaction(digits=True, arguments=frozenset({"pin"}))
    async with recorded(tmp_path, replace(agent(), tools=(price,)), hides, llm=llm) as call:
        await call.user_says("what does room nine cost")
        await call.agent_says("for you")
        await call.agent_is_silent()
    assert "4711" not in (tmp_path / "c1" / "events.jsonl").read_text()
    (used,) = told(tmp_path).tools
    assert used.arguments == '{"room": "nine", "pin": "(hidden)"}'
    answer = next(reply for reply in told(tmp_path).replies if reply.turn == 1)
    assert "".join(word.text for word in answer.words) == "The code is 0000 for you"
    assert answer.timed


async def test_a_tool_that_is_not_there_never_began(tmp_path: Path) -> None:
    llm = ScriptedLLM([ToolCall("1", "fly", "{}")], "I cannot do that")
    async with recorded(tmp_path, replace(agent(), tools=(price,)), llm=llm) as call:
        await call.user_says("fly me to the moon")
        await call.agent_says("I cannot")
    (used,) = told(tmp_path).tools
    assert (used.tool, used.began_ms, used.error) == ("fly", None, True)


async def test_a_voice_that_fails_is_a_fault_of_its_call(tmp_path: Path) -> None:
    async with recorded(tmp_path, agent(), tts=BrokenTTS()) as call:
        await call.passes(2_000)
    story = told(tmp_path)
    failed = [v for v in story.vendor_calls if v.part == "tts"]
    assert failed
    assert all(v.fault == "The voice hung up" and v.first_ms is None and v.name == "broken" for v in failed)
    assert story.faults[0].code == "voice_lost"
    assert story.replies[0].ended == "failed"
    assert story.measures.faults == len(story.faults)


async def test_a_reply_that_is_cut_while_it_is_written_stops_its_vendor_without_a_fault(tmp_path: Path) -> None:
    many = "one two three four five six seven eight nine ten " * 60
    async with recorded(tmp_path, agent(), llm=ScriptedLLM(many, "yes")) as call:
        await call.user_says("count")
        await call.user_says("stop it", over="two three")
        await call.agent_says("yes")
    story = told(tmp_path)
    cut = next(reply for reply in story.replies if reply.turn == 1)
    assert cut.ended == "cut"
    assert not any(v.fault for v in story.vendor_calls)
    assert "".join(word.text for word in cut.words if word.heard).strip() == cut.text
    assert story.measures.words_made < 600, "of what never had audio there are no words"
    assert cut.unheard


async def test_what_is_asked_of_a_call_from_outside_is_told(tmp_path: Path) -> None:
    async with recorded(tmp_path, agent()) as call:
        live = call._call
        await call.agent_is_silent()
        live.say("The doctor is ready")
        await call.agent_says("doctor is")
        await live.transfer("+4930123456")
        await call.ends()
    story = told(tmp_path)
    assert [(event.kind, event.text) for event in story.events] == [
        ("asked_say", "the agent was asked to say: The doctor is ready"),
        ("asked_transfer", "a transfer to +4930123456"),
        ("transfer", "the caller is handed on to +4930123456"),
    ]
    assert story.ended_why == "transferred to +4930123456"
    assert [reply.kind for reply in story.replies] == ["greeting", "say"]


SIGNS = '"Well," she said (quietly): **three** rooms -- no, four! -- are free at 9 o\'clock, and that is all; see you.'


async def test_the_words_of_a_reply_are_the_text_as_it_was_written(tmp_path: Path) -> None:
    async with recorded(tmp_path, agent(), llm=ScriptedLLM(SIGNS)) as call:
        await call.user_says("tell me")
        await call.agent_says("see you")
        await call.agent_is_silent()
    answer = next(reply for reply in told(tmp_path).replies if reply.turn == 1)
    assert answer.ended == "completed"
    assert "".join(word.text for word in answer.words).split() == SIGNS.split()
    starts = [word.start_ms for word in answer.words]
    assert starts == sorted(starts)
    assert all(word.heard for word in answer.words)
    lines = (tmp_path / "c1" / "events.jsonl").read_text().splitlines()
    texts = [json.loads(line).get("text", []) for line in lines if '"note":"words"' in line]
    assert sum(map(len, texts)) == sum(len(reply.words) for reply in told(tmp_path).replies), "each word stands once"


async def test_a_record_that_ends_in_a_reply_has_the_words_so_far(tmp_path: Path) -> None:
    async with recorded(tmp_path, agent(), llm=ScriptedLLM(SIGNS)) as call:
        await call.user_says("tell me")
        await call.agent_says("quietly three rooms no four are free")
        so_far = told(tmp_path)
    answer = next(reply for reply in so_far.replies if reply.turn == 1)
    assert so_far.live
    assert answer.ended is None
    heard = "".join(word.text for word in answer.words if word.heard)
    assert heard
    assert SIGNS.startswith(heard.strip())
    assert answer.text == heard.strip()
    assert answer.started_ms == answer.words[0].start_ms
