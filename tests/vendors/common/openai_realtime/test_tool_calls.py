"""Every call of a tool gets an output, whatever became of its reply; and a response without a word is a failure."""

from __future__ import annotations

import asyncio

import pytest

from bargein.errors import BargeinError
from bargein.protocols import ToolCalls
from bargein.vendors.common.openai_realtime.items import Json
from bargein.vendors.common.openai_realtime.response import OpenAIResponse
from bargein_simulators.realtime_events import server_event
from tests.vendors.common.openai_realtime.wire import Line, call, heard, message, settle


def done(line: Line, response: str, status: str, *items: dict[str, object], reason: str | None = None) -> None:
    details = {"type": status, "reason": reason} if reason else None
    told = {"id": response, "status": status, "status_details": details, "output": list(items), "conversation_id": "c"}
    line.session.event(server_event("response.done", response=told))


def test_a_call_that_came_before_the_cut_and_was_not_handed_on_is_answered() -> None:
    line = Line()
    reply = line.reply(1)
    line.session.begin(reply)
    line.created("resp_1", 1)
    line.audio("resp_1")
    line.item_done("resp_1", call("item_2"))
    reply.cancel()
    assert line.unanswered == ["of_item_2"]
    done(line, "resp_1", "cancelled", call("item_2"))
    assert line.unanswered == ["of_item_2"], "once"


@pytest.mark.parametrize("status", ["completed", "incomplete"])
@pytest.mark.parametrize("told", ["the item", "the end alone"])
def test_a_call_that_comes_after_the_cut_is_answered_and_its_item_stays(status: str, told: str) -> None:
    line = Line()
    reply = line.reply(1)
    line.session.begin(reply)
    line.created("resp_1", 1)
    reply.cancel()
    reply.truncate(0, None)
    if told == "the item":
        line.item_done("resp_1", call("item_2", status))
    done(line, "resp_1", "cancelled", call("item_2", status))
    assert line.unanswered == ["of_item_2"]
    assert "conversation.item.delete" not in line.kinds()


def test_a_call_that_is_broken_off_is_answered_though_nobody_cut() -> None:
    line = Line()
    line.session.begin(line.reply(1))
    line.created("resp_1", 1)
    line.item_done("resp_1", call("item_2", "incomplete"))
    assert line.unanswered == ["of_item_2"]


async def test_a_call_of_a_response_that_failed_is_answered() -> None:
    line = Line()
    hearing = asyncio.create_task(heard(line.reply(1)))
    await settle()
    line.created("resp_1", 1)
    line.item_done("resp_1", call("item_2"))
    line.done("resp_1", "failed", error="rate_limit_exceeded")
    with pytest.raises(BargeinError, match="rate_limit_exceeded"):
        await hearing
    assert line.unanswered == ["of_item_2"]


@pytest.mark.parametrize("reason", ["max_output_tokens", "content_filter"])
async def test_a_response_that_breaks_off_before_any_word_has_failed(reason: str) -> None:
    line = Line()
    hearing = asyncio.create_task(heard(line.reply(1)))
    await settle()
    line.created("resp_1", 1)
    done(line, "resp_1", "incomplete", reason=reason)
    with pytest.raises(BargeinError, match=reason):
        await hearing


async def through_tools(reply: OpenAIResponse) -> str:
    """All text of a reply whose model goes on after each call of a tool."""
    text = ""
    async with asyncio.timeout(5):
        async for piece in reply.audio():
            if isinstance(piece, ToolCalls):
                reply.continue_response()
            else:
                text += piece.text
    return text


@pytest.mark.parametrize("reason", ["max_output_tokens", "content_filter"])
@pytest.mark.parametrize("preamble", ["", "Let me see. "])
@pytest.mark.parametrize("output", [[], [message("item_3", "incomplete")]])
async def test_a_response_after_a_tool_call_that_breaks_off_before_any_word_has_failed(
    reason: str, preamble: str, output: list[Json]
) -> None:
    line = Line()
    hearing = asyncio.create_task(through_tools(line.reply(1)))
    await settle()
    line.created("resp_1", 1)
    if preamble:
        line.text("resp_1", preamble)
        line.audio("resp_1")
    line.item_done("resp_1", call("item_2"))
    done(line, "resp_1", "completed", call("item_2"))
    await settle()
    line.created("resp_2", 1)
    done(line, "resp_2", "incomplete", *output, reason=reason)
    with pytest.raises(BargeinError, match=reason):
        await hearing


async def test_a_response_after_a_tool_call_that_breaks_off_in_its_words_has_said_them() -> None:
    line = Line()
    hearing = asyncio.create_task(through_tools(line.reply(1)))
    await settle()
    line.created("resp_1", 1)
    line.item_done("resp_1", call("item_2"))
    done(line, "resp_1", "completed", call("item_2"))
    await settle()
    line.created("resp_2", 1)
    line.text("resp_2", "It is", "item_3")
    line.audio("resp_2", "item_3")
    done(line, "resp_2", "incomplete", reason="max_output_tokens")
    assert await hearing == "It is"
