"""Two servers of one fleet: each answers for the calls of both."""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from bargein.agent import Agent, Greeting
from bargein.server import call_commands
from tests.server.kit import Client, Echo, ToneVoice, World
from tests.server.two_nodes import Stores, node, shared_stores


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> Stores:
    return shared_stores(monkeypatch)


def id_of(client: Client) -> str:
    return str(client.messages[0]["call_id"])


def code_of(answer: httpx.Response) -> tuple[int, str]:
    error = answer.json()["error"]
    assert error["advice"]
    return answer.status_code, error["code"]


def watching(here: World, call_id: str) -> connect:
    return connect(f"{here.socket_url.removesuffix('browser')}{call_id}/events", close_timeout=0.1)


async def event(watcher: ClientConnection, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(5):
        while True:
            found: dict[str, Any] = json.loads(await watcher.recv())
            if found["type"] == kind:
                return found


async def beaten(*servers: World) -> None:
    """The others know these servers as they are now."""
    for here in servers:
        here.hub.fleet.tell()
    await asyncio.sleep(0.02)


async def test_a_call_is_reached_through_any_server(stores: Stores) -> None:
    async with node("a") as a, node("b") as b, a.client() as client:
        call_id = id_of(client)
        for here in (a, b):
            status = (await here.http.get(f"/calls/{call_id}")).json()
            assert (status["id"], status["node"], status["over"]) == (call_id, "a", None)
            (listed,) = (await here.http.get("/calls")).json()["calls"]
            assert (listed["id"], listed["node"]) == (call_id, "a")
        assert (await b.http.post(f"/calls/{call_id}/interrupt")).json() == {"interrupted": False}
        await client.speaking()
        assert (await b.http.post(f"/calls/{call_id}/interrupt")).json() == {"interrupted": True}
        await client.until("tts_interrupted")
        answer = await b.http.post(
            f"/calls/{call_id}/policy", json={"policy": "patient", "settings": {"confirm_ms": 333}}
        )
        assert answer.json()["policy"]["confirm_ms"] == 333
        assert dict(await client.until("policy"))["numbers"]["confirm_ms"] == 333  # type: ignore[index]
        said = await b.http.post(f"/calls/{call_id}/say", json={"text": "said from elsewhere"})
        assert (said.status_code, said.json()) == (202, {"accepted": True})
        await client.until("reply")
        assert code_of(await b.http.post(f"/calls/{call_id}/transfer", json={"to": "+4930123456"}))[0] == 422
        wrong = await b.http.post(f"/calls/{call_id}/policy", json={"settings": {"no_such_number": 1}})
        assert code_of(wrong) == (422, "bad_request")
        assert code_of(await b.http.post(f"/calls/{call_id}/policy", json={})) == (422, "bad_request")
        assert (await b.http.post(f"/calls/{call_id}/hangup")).json() == {"hung_up": True}
        await a.over(client)
        for here in (a, b):
            assert code_of(await here.http.post(f"/calls/{call_id}/hangup")) == (409, "call_over")
            assert (await here.http.get(f"/calls/{call_id}")).json()["over"] == "the operator hung up"
            assert code_of(await here.http.get("/calls/none")) == (404, "unknown_call")
            listing = (await here.http.get("/calls")).json()
            assert ([each["node"] for each in listing["finished"]], listing["calls"]) == (["a"], [])


async def test_the_events_of_a_call_come_from_any_server(stores: Stores) -> None:
    async with node("a") as a, node("b") as b, a.client() as client:
        async with watching(b, id_of(client)) as watcher:
            assert json.loads(await watcher.recv())["node"] == "a"
            await client.speaking()
            await event(watcher, "reply")
            await a.http.post(f"/calls/{id_of(client)}/hangup")
            await event(watcher, "bye")
            async with asyncio.timeout(5):
                await watcher.wait_closed()
            assert watcher.close_code == 1000
        with pytest.raises(InvalidStatus, match="404"):
            await watching(b, "none")


async def test_without_the_store_own_calls_answer_and_others_are_said_to_be_unknown(stores: Stores) -> None:
    async with node("a") as a, node("b") as b, a.client() as far, b.client() as near:
        stores.cut("b")
        assert (await b.http.get(f"/calls/{id_of(near)}")).status_code == 200
        assert (await b.http.post(f"/calls/{id_of(near)}/interrupt")).status_code == 200
        assert code_of(await b.http.get(f"/calls/{id_of(far)}")) == (503, "fleet_away")
        assert code_of(await b.http.post(f"/calls/{id_of(far)}/hangup")) == (503, "fleet_away")
        assert code_of(await b.http.get("/nodes")) == (503, "fleet_away")
        listing = (await b.http.get("/calls")).json()
        assert [each["id"] for each in listing["calls"]] == [id_of(near)]
        assert "a test has cut it off" in listing["unknown"]
        with pytest.raises(InvalidStatus, match="503"):
            await watching(b, id_of(far))
        async with b.client() as more:  # a new call begins all the same
            assert await more.still_there()


async def test_a_server_that_does_not_answer_is_said_to_be_silent(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_commands, "WITHIN_MS", 100)
    async with node("a") as a, node("b") as b, a.client() as client:
        stores.cut("a")
        assert code_of(await b.http.post(f"/calls/{id_of(client)}/interrupt")) == (503, "node_silent")
        listing = (await b.http.get("/calls")).json()
        assert "'a'" in listing["unknown"]


async def test_nodes_are_listed_with_their_load(stores: Stores) -> None:
    async with node("a") as a, node("b") as b, a.client():
        await beaten(a)
        answer = (await b.http.get("/nodes")).json()
        assert answer["here"] == "b"
        first, second = answer["nodes"]
        assert (first["id"], first["load"]["calls"], second["id"]) == ("a", 1, "b")
        assert first["url"] == a.url


async def test_a_drained_server_takes_no_call_until_it_is_taken_back(stores: Stores) -> None:
    async with node("a") as a, node("b") as b, a.client() as client:
        answer = await b.http.post("/drain", json={"node": "a"})
        assert (answer.status_code, answer.json()) == (202, {"nodes": [{"node": "a", "draining": True, "calls": 1}]})
        await beaten(b)
        ready = await a.http.get("/readyz")
        assert (ready.status_code, ready.json()["ready"]) == (503, False)
        assert code_of(await a.http.post("/calls/browser")) == (503, "closing")
        placed = await a.hub.fleet.place()
        assert placed is not None
        assert placed.id == "b"
        assert await client.still_there()
        drained = [each["id"] for each in (await b.http.get("/nodes")).json()["nodes"] if each["draining"]]
        assert drained == ["a"]
        answer = await b.http.delete("/drain", params={"node": "a"})
        assert answer.json() == {"nodes": [{"node": "a", "draining": False, "calls": 1}]}
        assert (await a.http.post("/calls/browser")).status_code == 204
        assert (await a.http.get("/readyz")).status_code == 200


async def test_calls_move_where_there_is_room_and_a_watcher_goes_with_them(stores: Stores) -> None:
    quiet = Agent(name="q", stt=None, llm=Echo(), tts=ToneVoice(), scripted=True, greeting=Greeting(""))
    async with node("a", quiet) as a, node("b", quiet) as b, a.client() as client:
        welcome, path = client.messages[0], f"/calls/{id_of(client)}"
        await beaten(b)
        async with watching(a, id_of(client)) as watcher:
            await event(watcher, "call")
            await a.http.post("/drain", json={"move": True})
            assert (await client.until("moved"))["at"] == b.url
            assert await client.closed() == 4003
            assert code_of(await b.http.post(f"{path}/say", json={"text": "x"})) == (503, "call_moving")
            async with b.client({"resume": {"call_id": id_of(client), "secret": welcome["resume"]}}) as again:
                assert again.messages[0]["restored"] is True
                assert (await event(watcher, "call"))["node"] == "b"
                await again.speaking()
                await event(watcher, "reply")
                assert (await a.http.get(path)).json()["node"] == "b"
        assert a.hub.calls.ids == []


async def test_where_no_server_has_room_the_agents_say_goodbye(stores: Stores) -> None:
    async with node("a") as a, node("b", max_calls=1) as b, b.client(), a.client() as client:
        await beaten(b)
        await a.http.post("/drain", json={"move": True})
        while "Goodbye" not in str((await client.until("words"))["text"]):
            pass


async def test_a_server_that_runs_late_takes_no_more_than_it_has(stores: Stores) -> None:
    async with node("a", max_calls=20) as a:
        late = patch.object(type(a.hub.load), "late_ms", 120.0)
        with ExitStack() as stack, late:
            for _ in range(8):
                assert (await a.http.post("/calls/browser")).status_code == 204
                stack.enter_context(a.hub.calls.place())
            assert code_of(await a.http.post("/calls/browser")) == (503, "busy")


async def test_a_fleet_of_one_answers_as_ever() -> None:
    async with node("a") as a, a.client() as client:
        status = (await a.http.get(f"/calls/{id_of(client)}")).json()
        assert "node" not in status
        assert [each["id"] for each in (await a.http.get("/nodes")).json()["nodes"]] == ["a"]
        assert code_of(await a.http.post("/drain", json={"node": "b"})) == (503, "node_silent")


async def test_a_call_that_is_to_move_waits_for_the_store(stores: Stores) -> None:
    quiet = Agent(name="q", stt=None, llm=Echo(), tts=ToneVoice(), scripted=True, greeting=Greeting(""))
    async with node("a", quiet) as a, node("b", quiet) as b, a.client() as client:
        await beaten(b)
        stores.cut("a")
        await beaten(a)
        await a.http.post("/drain", json={"move": True})
        draining = asyncio.create_task(a.hub.calls.drain(600, asyncio.Event()))  # a signal: the wish to move stays
        assert await client.still_there()
        stores.of["a"].gone = False
        assert (await client.until("moved"))["at"] == b.url
        assert await client.closed() == 4003
        await draining
