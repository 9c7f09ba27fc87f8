"""A page and its call on several servers: where a call begins, and where it goes on when its server is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from bargein.agent import Agent, Greeting
from tests.server.kit import HELLO, Client, Echo, ToneVoice, World, tone_agent
from tests.server.test_kept_calls import lost
from tests.server.two_nodes import Stores, node, shared_stores

GREETING = "one two three four five six seven eight nine ten " * 3


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> Stores:
    return shared_stores(monkeypatch)


def teller() -> Agent:
    return tone_agent(greeting=GREETING)


async def heard_three_words(client: Client) -> None:
    async with asyncio.timeout(5):
        while len(client.frames) < 25:  # half a second
            if isinstance(raw := await client.socket.recv(), bytes):
                client.frames.append(raw)
    await client.send({"type": "played", "reply_id": 1, "played": 7_300, "playing": True})
    await client.still_there()


async def told(here: World, hello: Mapping[str, object]) -> tuple[dict[str, object], int]:
    """The answer to a hello that begins no call here, and the code of the close."""
    async with here.client({}) as client:
        await client.send({**HELLO, **hello})
        async with asyncio.timeout(5):
            answer = await client.until_any()
        if answer["type"] == "error" and not answer["fatal"]:
            return answer, 0
        return answer, await client.closed()


# ------------------------------------------------------------------------------------------------ coming back


async def test_a_page_that_reaches_another_server_is_sent_to_its_own(stores: Stores) -> None:
    async with node("a", teller()) as a, node("b", teller()) as b, a.client() as first:
        again = await lost(first)
        answer, code = await told(b, again | {"follows": True})
        assert (answer["type"], answer["at"], code) == ("elsewhere", a.url, 4003)
        answer, code = await told(b, again)  # a client that does not follow can read where
        assert (answer["code"], a.url in str(answer["advice"])) == ("elsewhere", True)
        async with a.client(again) as second:
            welcome = second.messages[0]
            assert (welcome["resumed"], welcome["restored"], welcome["at"]) == (True, False, a.url)
            assert welcome["restores_ms"] == 60_000


async def test_a_call_whose_server_is_gone_goes_on_from_the_word_that_was_heard(stores: Stores) -> None:
    async with node("a", teller()) as a, node("b", teller()) as b, node("c", teller()) as c:
        async with a.client() as first:
            await heard_three_words(first)
            assert await a.hub.fleet.remembered(str(first.messages[0]["call_id"]))
            again = await lost(first)
        stores.cut("a")
        async with b.client(again | {"follows": True}) as second:
            welcome = second.messages[0]
            assert (welcome["resumed"], welcome["restored"], welcome["at"]) == (True, True, b.url)
            assert welcome["call_id"] == first.messages[0]["call_id"]
            await second.send({"type": "flushed", "reply_id": 1, "played": 9_700})  # it had a little more
            cut = await second.until("audio_interrupted")
            assert cut["reply_id"] == 1
            reply = await second.until("reply")
            assert reply["reply_id"] == 2
            said = ""
            while "six" not in said:
                said += str((await second.until("words", reply_id=2))["text"])
            assert said.startswith("Sorry, I lost you for a moment. ")
            assert "four" not in said
            assert "five six" in said
            (call_id,) = b.hub.calls.ids
            assert b.hub.calls.call(call_id).conversation.items[0].text == "one two three four"  # type: ignore[union-attr]
            newer = await lost(second)
        for hello in (again, {"resume": {**newer["resume"], "secret": "x" * 43}}):  # type: ignore[dict-item]
            answer, _ = await told(b, hello)
            assert answer["code"] == "call_gone"
        stores.cut("b")
        async with c.client(newer) as third:
            assert third.messages[0]["restored"] is True


async def test_a_stranger_who_knows_a_call_of_a_dead_server_by_its_id_gets_nothing(stores: Stores) -> None:
    async with node("a", teller()) as a, node("b", teller()) as b:
        async with a.client() as first:
            again = await lost(first)
        stores.cut("a")
        wrong = {"resume": {**again["resume"], "secret": "x" * 43}}  # type: ignore[dict-item]
        assert (await told(b, wrong))[0]["code"] == "call_gone"
        b.hub.calls.is_late = lambda: True  # it takes no new call, but this one
        async with b.client(again) as second:
            assert second.messages[0]["restored"] is True


async def test_while_the_store_is_away_no_page_is_told_that_its_call_is_gone(stores: Stores) -> None:
    async with node("a", teller()) as a, node("b", teller()) as b, a.client() as first:
        again = await lost(first)
        stores.cut("b")
        answer, code = await told(b, again | {"follows": True})
        assert (answer["code"], answer["retry_ms"], code) == ("fleet_away", 1_000, 1013)
        stores.cut("a")
        async with a.client(again) as second:  # its own server knows it without the store
            assert second.messages[0]["resumed"] is True


async def test_a_call_that_moves_tells_its_page_where_and_goes_on_there(stores: Stores) -> None:
    quiet = Agent(name="q", stt=None, llm=Echo(), tts=ToneVoice(), scripted=True, greeting=Greeting(""))
    async with node("a", quiet) as a, node("b", quiet) as b, a.client() as first:
        (call_id,) = a.hub.calls.ids
        call = a.hub.calls.call(call_id)
        leaving = asyncio.create_task(call.move("a test", 5_000))
        moved = await first.until("moved")
        assert (moved["call_id"], moved["at"]) == (call_id, b.url)
        assert await first.closed() == 4003
        assert await leaving
        assert [m for m in first.messages if m["type"] == "bye"] == []
        welcome = first.messages[0]
        async with b.client({"resume": {"call_id": call_id, "secret": welcome["resume"]}}) as second:
            assert second.messages[0]["restored"] is True
            assert b.hub.calls.ids == [call_id]


# ----------------------------------------------------------------------------------------------------- placement


async def test_a_full_server_sends_a_page_on_and_tells_others_when_to_try_again(stores: Stores) -> None:
    async with node("a", teller(), max_calls=1) as a, node("b", teller()) as b, a.client():
        answer, code = await told(a, {"follows": True})
        assert (answer["type"], answer["at"], code) == ("elsewhere", b.url, 4003)
        answer, code = await told(a, {})
        assert (answer["code"], answer["retry_ms"], code) == ("busy", 3_000, 1013)


@pytest.mark.parametrize("drains", [False, True])
async def test_a_page_goes_to_the_server_with_clearly_more_room(stores: Stores, drains: bool) -> None:
    async with node("a", teller(), max_calls=4) as a, node("b", teller(), max_calls=4) as b:
        async with a.client({"follows": True}) as first:
            assert first.messages[0]["at"] == a.url, "as much room as the other"
            if drains:
                a.hub.fleet.drain()
            answer, _ = await told(a, {"follows": True})
            assert answer["type"] == "elsewhere"
            async with b.client({"follows": True}) as second:
                assert second.messages[0]["at"] == b.url
        assert await a.nobody_left()


async def test_a_whole_fleet_that_is_full_says_when_to_try_again(stores: Stores) -> None:
    async with node("a", teller(), max_calls=1) as a, node("b", teller(), max_calls=1) as b, a.client(), b.client():
        await b.hub.fleet._nodes.beat()
        answer, code = await told(a, {"follows": True})
        assert (answer["code"], answer["retry_ms"], code) == ("busy", 3_000, 1013)
