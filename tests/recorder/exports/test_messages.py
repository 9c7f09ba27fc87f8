"""A call as chat messages: what the caller and the agent heard of each other, valid for OpenAI's own types."""

from __future__ import annotations

from pathlib import Path

from openai.types.chat import ChatCompletionMessageParam
from pydantic import TypeAdapter

from bargein.recorder.exports.messages import NO_RESULT, UNKNOWN, Message, messages
from bargein.recorder.story.telling import tell
from tests.recorder.exports.stories import noise, reply, story, tool, turn
from tests.recorder.story.calls import spoken_call

TYPES: TypeAdapter[list[ChatCompletionMessageParam]] = TypeAdapter(list[ChatCompletionMessageParam])


def checked(told: list[Message]) -> list[Message]:
    """As the API would: the types, and a result for each call, right after it."""
    TYPES.validate_python(told)
    waiting: list[str] = []
    for message in told:
        if message["role"] == "tool":
            waiting.remove(message["tool_call_id"])
            continue
        assert not waiting, "a call of a tool has no result"
        waiting = [call["id"] for call in message.get("tool_calls", ())]
    assert not waiting
    return told


def shown(told: list[Message]) -> list[str]:
    names = [",".join(call["function"]["name"] for call in message.get("tool_calls", ())) for message in told]
    return [f"{m['role']}: {m['content'] or name}" for m, name in zip(told, names, strict=True)]


def test_a_cut_reply_is_there_as_far_as_it_was_heard_and_one_that_was_not_heard_is_not() -> None:
    told = story(
        turns=(turn(1, "have you a room", 1000), turn(2, None, 6000)),
        replies=(
            reply(1, "Good evening", 0, kind="greeting"),
            reply(2, "There are three", 3000, unheard="rooms with a view", turn=1),
            reply(3, "", 7000, started_ms=None, unheard="Of course"),
        ),
        backchannels=(noise("mhm", 3300), noise("", 3500)),
    )
    assert shown(checked(messages(told))) == [
        "assistant: Good evening",
        "user: have you a room",
        "assistant: There are three",
        f"user: {UNKNOWN}",
    ]


def test_tools_stand_before_the_words_of_their_reply_or_after_those_they_waited_for() -> None:
    told = story(
        turns=(turn(1, "book it and goodbye", 1000),),
        replies=(reply(1, "It is booked. Goodbye", 3000, ended_ms=5000.0),),
        tools=(
            tool("a", "free_rooms", 1, 2800, arguments='{"day": "Friday"}', result="3"),
            tool("b", "book", 1, 2900, result=None),
            tool("c", "hang_up", 1, 5000),
            tool("", "look", None, None, arguments=None, ended_ms=500.0),
        ),
    )
    found = checked(messages(told))
    assert shown(found) == [
        "assistant: look",
        "tool: done",
        "user: book it and goodbye",
        "assistant: free_rooms,book",
        "tool: 3",
        f"tool: {NO_RESULT}",
        "assistant: It is booked. Goodbye",
        "assistant: hang_up",
        "tool: done",
    ]
    assert found[3]["tool_calls"][0]["function"]["arguments"] == '{"day": "Friday"}'


async def test_a_recorded_call(tmp_path: Path) -> None:
    found = checked(messages(tell(await spoken_call(tmp_path))))
    said = shown(found)
    assert said[0] == "assistant: Good evening how may I help you today"
    assert said[1] == "user: have you got a room for Friday"
    assert said[2].startswith("assistant: There are three rooms")
    assert "view" not in said[2], "it was cut before"
    assert said[3] == "user: wait stop that"
    assert not any("mhm" in each for each in said)


def test_a_call_in_which_nothing_was_said_has_no_messages() -> None:
    assert messages(story()) == []
