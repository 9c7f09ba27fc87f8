"""A transfer that does not succeed brings the caller back, over the webhooks and streams of Twilio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import parse_qs
from xml.etree import ElementTree

import httpx
import pytest

from bargein import protocols as c
from bargein.agent import Agent
from bargein.tools import transfer_to
from tests.server.kit import ToneVoice, World, settings, world
from tests.server.telephone.test_phone_call import rest
from tests.server.telephone.test_twilio import FORM, PUBLIC, TOKEN, Stream, answered, signature, stream

TO = "+4930123456"


class Operator:
    """Puts every caller through; then says what came of it."""

    name = "operator"

    def __init__(self) -> None:
        self.prompts: list[c.Prompt] = []

    async def reply(self, prompt: c.Prompt) -> AsyncIterator[c.TextDelta | c.ToolCall]:
        self.prompts.append(prompt)
        results = [i for i in prompt.items if isinstance(i, c.ToolResult)]
        if results:
            yield c.TextDelta(f"It is so: {results[-1].result}")
        else:
            yield c.TextDelta("one moment ")
            yield c.ToolCall("call-1", "transfer", '{"to": "sales"}')


@asynccontextmanager
async def transferring(llm: Operator) -> AsyncIterator[tuple[World, Stream, list[tuple[str, dict[str, str]]]]]:
    """A caller who was put through: the other number rings, and the stream is over."""
    agent = Agent(name="tone", llm=llm, tts=ToneVoice(), tools=[transfer_to({"sales": TO})])
    given: dict[str, object] = {
        "twilio_auth_token": TOKEN,
        "twilio_account_sid": "AC1",
        "public_url": PUBLIC,
        "keep_s": 0.2,
    }
    async with (
        rest(called := asyncio.Event()) as (url, asked),
        world(settings(None, twilio_url=url, **given), agent, alone=False) as here,
        stream(here) as phone,
    ):
        await phone.start(parameters=await answered(here))
        await phone.say("dtmf", dtmf={"digit": "5"})
        name = ""
        while not name.endswith(":end"):
            mark = (await phone.until("mark"))["mark"]
            name = str(mark["name"])  # type: ignore[index]
            await phone.say("mark", mark=mark)
        await called.wait()
        await phone.say("stop")
        await phone.closed()
        yield here, phone, asked


async def next_twiml(here: World, **more: str) -> httpx.Response:
    form = {**FORM, **more}
    path = "/twilio/next"
    return await here.http.post(path, data=form, headers=signature(PUBLIC + path, form))


def stream_parameters(answer: httpx.Response) -> Mapping[str, str]:
    (connect,) = ElementTree.fromstring(answer.text)  # our own
    assert connect.tag == "Connect"
    return {p.attrib["name"]: p.attrib["value"] for p in connect[0]}


async def test_a_line_that_is_busy_brings_the_caller_back_and_the_model_says_why() -> None:
    llm = Operator()
    async with transferring(llm) as (here, _, asked):
        twiml = parse_qs(asked[0][1]["Twiml"])
        assert "dial" in str(asked[0][1]["Twiml"]).lower(), twiml
        await asyncio.sleep(0.4)
        assert len(here.hub.calls.ids) == 1, "the call waits while the other number rings, and longer than keep_s"
        answer = await next_twiml(here, DialCallStatus="busy")
        async with stream(here) as again:
            again.stream = "MZ2"
            await again.start(parameters=stream_parameters(answer))
            await again.until("media")
            assert len(here.hub.calls.ids) == 1
        result = next(i for i in llm.prompts[-1].items if isinstance(i, c.ToolResult))
        assert result.error
        assert "the line is busy" in str(result.result)
        said = [i for i in llm.prompts[-1].items if isinstance(i, c.AgentSaid)]
        assert [s.text for s in said] == ["one moment"]


async def test_a_number_that_answered_ends_our_part_of_the_call() -> None:
    async with transferring(Operator()) as (here, _, __):
        answer = await next_twiml(here, DialCallStatus="completed")
        assert "<Hangup" in answer.text
        assert await here.nobody_left()
        (ended,) = here.hub.calls.listing()["finished"]
        assert ended["over"] == f"transferred to {TO}"


@pytest.mark.parametrize("status", ["no-answer", "failed", "canceled"])
async def test_whatever_failed_gives_the_caller_a_stream_again(status: str) -> None:
    async with transferring(Operator()) as (here, _, __):
        answer = await next_twiml(here, DialCallStatus=status)
        assert "token" in stream_parameters(answer)


async def test_a_call_that_is_over_gets_no_second_stream_and_a_stranger_nothing() -> None:
    async with transferring(Operator()) as (here, _, __):
        other = await next_twiml(here, CallSid="CA9")
        assert "<Hangup" in other.text
        stranger = await here.http.post("/twilio/next", data=FORM)
        assert stranger.status_code == 403
