"""How a call ends: by the caller, by the agent's last words, or by a transfer."""

from __future__ import annotations

import asyncio

import pytest

from bargein import protocols as c
from bargein.call.ending import CallEnding
from bargein.call.output.reply import Reply
from bargein.errors import UsageError, VendorRefused
from bargein.notices import Problem
from tests.call.kit import ScriptedLLM, ScriptedSTT
from tests.call.parts import Parts, settle
from tests.call.phone_kit import RATE, WORD_MS, phone_scene


class Network:
    """Twilio's REST API, as a call sees it."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.asked: list[str] = []
        self.refuses = refuses

    async def hang_up(self) -> None:
        self.asked.append("hang up")
        if self.refuses:
            raise VendorRefused("Twilio refused with 401", advice="Check the key")

    async def transfer(self, to: str) -> None:
        self.asked.append(to)
        if self.refuses:
            raise VendorRefused("Twilio refused with 400", advice="Check the number")


class World:
    """An ending alone. request: what the reply's terminal tools come to."""

    def __init__(self, network: Network | None = None, request: c.EndRequest | None = None) -> None:
        self.parts = Parts()
        self.request = request
        self.stayed = 0
        self.finished: list[int] = []
        self.ending = CallEnding(self.parts.context, network, self, self.not_transferred)  # type: ignore[arg-type]

    async def finish(self, reply: Reply) -> c.EndRequest | None:
        self.finished.append(reply.id)
        return self.request

    def not_transferred(self) -> None:
        self.stayed += 1


async def test_the_first_reason_counts() -> None:
    world = World()
    waiting = asyncio.create_task(world.ending.wait())
    await settle()
    assert (waiting.done(), world.ending.reason) == (False, None)
    world.ending.hang_up("the caller hung up")
    world.ending.hang_up("the connection ended")
    await waiting
    assert world.ending.reason == "the caller hung up"


async def test_a_reply_that_wants_nothing_ends_nothing() -> None:
    world = World()
    world.ending.reply_completed(Reply(1, "reply", 0.0))
    assert world.parts.tasks == []


@pytest.mark.parametrize("control", [True, False])
async def test_a_reply_that_was_heard_whole_hangs_up(*, control: bool) -> None:
    network = Network()
    world = World(network if control else None, c.HangUp("all done"))
    world.ending.reply_completed(Reply(1, "reply", 0.0, end_request=c.HangUp("all done")))
    await settle()
    assert (world.finished, world.ending.reason) == ([1], "all done")
    assert network.asked == (["hang up"] if control else [])


async def test_a_terminal_tool_that_asks_for_no_end_leaves_the_call_as_it_is() -> None:
    world = World()
    world.ending.reply_completed(Reply(1, "reply", 0.0, terminal=[c.ToolCall("a", "bye", "{}")]))
    await settle()
    assert (world.finished, world.ending.reason) == ([1], None)


async def test_a_network_that_refuses_to_hang_up_loses_the_connection_all_the_same() -> None:
    world = World(Network(refuses=True), c.HangUp("all done"))
    world.ending.reply_completed(Reply(1, "reply", 0.0, end_request=c.HangUp()))
    await settle()
    assert world.ending.reason == "all done"


async def test_a_transfer_that_fails_is_reported_and_the_caller_stays() -> None:
    world = World(Network(refuses=True), c.Transfer("+4930123456"))
    world.ending.reply_completed(Reply(1, "reply", 0.0, end_request=c.Transfer("+4930123456")))
    await settle()
    assert (world.ending.reason, world.stayed) == (None, 1)
    assert world.parts.notices == [Problem("not_transferred", "Twilio refused with 400", "Check the number")]


async def test_a_call_without_a_network_cannot_be_transferred_and_says_what_to_set() -> None:
    with pytest.raises(UsageError, match="credentials"):
        await World().ending.transfer("+4930123456")


# ---------------------------------------------------------------------------------------------------- in a call


class EndingLLM(ScriptedLLM):
    """Says its text, and then asks for the end of the call."""

    def __init__(self, request: c.EndRequest, *texts: str) -> None:
        super().__init__(*texts)
        self.request = request

    async def reply(self, prompt: c.Prompt):  # type: ignore[no-untyped-def]
        async for delta in super().reply(prompt):
            yield delta
        yield self.request


@pytest.mark.parametrize(
    ("wanted", "asked", "over"),
    [
        (c.HangUp("done"), "hang up", "done"),
        (c.Transfer("+4930123456"), "+4930123456", "transferred to +4930123456"),
    ],
)
async def test_the_call_ends_when_its_last_words_were_heard_and_not_before(
    wanted: c.EndRequest, asked: str, over: str
) -> None:
    network = Network()
    llm = EndingLLM(wanted, "goodbye and thank you")
    async with phone_scene(llm=llm, control=network, stt=ScriptedSTT("bye")) as s:
        await s.pass_ms(500, speech=0.9)
        await s.until(lambda: s.state == "speaking")
        await s.pass_ms(600)
        assert network.asked == []
        await s.until(lambda: s.call.over is not None)
        assert s.phone.sounded(1) == [(0, 4 * WORD_MS * RATE // 1000)]
        assert network.asked == [asked]
        assert s.call.over == over


async def test_a_goodbye_that_was_cut_does_not_hang_up() -> None:  # 23
    network = Network()
    llm = EndingLLM(c.HangUp(), "goodbye and thank you for calling us today")
    async with phone_scene(llm=llm, control=network, stt=ScriptedSTT("bye", None, "wait")) as s:
        await s.pass_ms(500, speech=0.9)
        await s.until(lambda: s.state == "speaking")
        await s.pass_ms(500)
        await s.pass_ms(500, speech=0.9)
        assert "Cut" in s.did()
        llm.request = c.HangUp("later")
        await s.until(lambda: len(llm.prompts) == 2)
        assert s.call.over is None
        assert network.asked == []


async def test_a_transfer_that_is_refused_keeps_the_caller_and_says_so() -> None:
    network = Network(refuses=True)
    llm = EndingLLM(c.Transfer("+4930123456"), "one moment please")
    async with phone_scene(llm=llm, control=network, stt=ScriptedSTT("a human")) as s:
        await s.pass_ms(500, speech=0.9)
        await s.until(lambda: s.call.status().kind == "reprompt" and s.state == "speaking")
        assert s.call.over is None
        assert network.asked == ["+4930123456"]


async def test_a_transfer_to_what_is_no_number_is_refused_and_no_vendor_is_asked() -> None:
    network = Network()
    async with phone_scene(control=network) as s:
        with pytest.raises(Exception, match="no telephone number"):
            await s.call.transfer("0800-call-me")
        assert network.asked == []
