"""Telephone calls of a fleet: which node a call is streamed to, and what follows a stream, whichever node is asked."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import NoReturn
from xml.etree import ElementTree

import httpx
import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect

from bargein.call.memory.fields import About, StateNow, encode
from bargein.fleet.fleet import Fleet
from bargein.fleet.records import CallRecord
from bargein.server.start_call import policy_for
from bargein_bench.callers.twilio_call import NetworkManners
from bargein_bench.callers.twilio_network import TwilioNetwork
from bargein_bench.callers.yielding import audible
from tests.server.kit import World, tone_agent
from tests.server.telephone.nodes import SharedStore, drained, ghost, node, shared
from tests.server.telephone.test_twilio import FORM, TOKEN, Stream, problem, signature, stream

__all__ = ["shared"]  # a fixture


async def asked(here: World, path: str = "/twilio/voice", **more: str) -> httpx.Response:
    form = {**FORM, **more}
    answer = await here.http.post(path, data=form, headers=signature(here.url + path, form))
    assert answer.status_code == 200, answer.text
    return answer


def told(answer: httpx.Response) -> Mapping[str, str]:
    """The stream of an answer: its url, parameters and action."""
    (verb,) = ElementTree.fromstring(answer.text)  # our own
    assert verb.tag == "Connect", answer.text
    found = {p.attrib["name"]: p.attrib["value"] for p in verb[0]}
    return found | {"url": verb[0].attrib["url"], "action": verb.attrib["action"]}


def verbs(answer: httpx.Response) -> list[str]:
    return [verb.tag for verb in ElementTree.fromstring(answer.text)]  # our own


def media(here: World) -> str:
    return here.url.replace("http", "ws") + "/twilio/media"


async def talking(phone: Stream, call: str, parameters: Mapping[str, str]) -> None:
    await phone.start(call, parameters)
    await phone.until("media")


async def test_a_call_goes_to_the_node_with_room_and_its_token_is_good_there_once(shared: SharedStore) -> None:
    async with node("a", max_calls=1) as a, node("b", max_calls=4) as b, stream(a) as first:
        await talking(first, "CA0", told(await asked(a, CallSid="CA0")))
        answer = told(await asked(a))
        assert answer["url"] == media(b)
        assert answer["next"] == answer["action"] == f"{a.url}/twilio/next"
        async with stream(b) as phone:
            await talking(phone, "CA1", answer)
        for here in (a, b):
            async with stream(here) as again:
                await again.start("CA1", answer)
                assert await again.closed() == (1008, "bad_token")


async def test_workers_that_have_their_supervisors_key_take_the_streams_of_each_other(shared: SharedStore) -> None:
    open_to_all: dict[str, object] = {"twilio_auth_token": None, "signing_key": "a-key-of-the-supervisors"}
    async with node("a", **open_to_all) as a, node("b", **open_to_all) as b:
        await drained(a)
        answer = told(await a.http.post("/twilio/voice", data=FORM))
        assert answer["url"] == media(b)
        async with stream(b) as phone:
            await talking(phone, "CA1", answer)


async def test_without_addresses_of_their_own_nodes_are_told_by_the_path(shared: SharedStore) -> None:
    async with node("a", node_url=None, public_url="https://phone.example/x", root_path="/x") as a:
        for path in ("/x/twilio/voice", "/x/n/b/twilio/voice"):
            form, url = dict(FORM), f"https://phone.example{path}?agent=tone"
            answer = await a.http.post(f"{path}?agent=tone", data=form, headers=signature(url, form))
            found = told(answer)
            assert found["url"] == "wss://phone.example/x/n/a/twilio/media"
            assert found["action"] == "https://phone.example/x/n/a/twilio/next?agent=tone"


async def test_a_node_that_drains_places_calls_elsewhere(shared: SharedStore) -> None:
    async with node("a") as a, node("b") as b:
        await drained(a)
        assert told(await asked(a))["url"] == media(b)
        await drained(b)
        assert verbs(await asked(a)) == ["Say", "Pause", "Redirect"]


async def test_what_follows_a_stream_is_known_to_every_node(shared: SharedStore) -> None:
    async with node("a") as a, node("b") as b:
        await drained(b)
        begun = told(await asked(b))
        assert begun["url"] == media(a)
        async with stream(a) as phone:
            await talking(phone, "CA1", begun)
            for here, hops in ((a, None), (b, "1")):
                again = told(await asked(here, "/twilio/next"))
                assert (again["url"], again.get("hops")) == (media(a), hops)
            more = told(await asked(b, "/twilio/next?hops=1&agent=tone"))
            assert (more["hops"], more["agent"]) == ("2", "tone")
            (call_id,) = a.hub.calls.ids
            a.hub.calls.call(call_id).hang_up("the agent hung up")
            await phone.closed()
        for here in (a, b):
            assert verbs(await asked(here, "/twilio/next")) == ["Hangup"]
            assert verbs(await asked(here, "/twilio/next", CallSid="CA9")) == ["Hangup"]


async def test_how_a_transfer_went_reaches_the_call_on_its_node(shared: SharedStore) -> None:
    async with node("a") as a, node("b") as b, stream(a) as phone:
        await drained(b)
        await talking(phone, "CA1", told(await asked(b)))
        (call_id,) = a.hub.calls.ids
        call = a.hub.calls.call(call_id)
        heard: list[str] = []
        call.not_transferred = heard.append  # type: ignore[method-assign, assignment]
        call.transferred = lambda: heard.append("answered")  # type: ignore[method-assign]
        assert told(await asked(b, "/twilio/next", DialCallStatus="busy"))["url"] == media(a)
        assert verbs(await asked(b, "/twilio/next", DialCallStatus="completed")) == ["Hangup"]
        assert heard == ["the line is busy", "answered"]


async def test_a_call_of_a_node_that_is_gone_is_streamed_to_another_and_goes_on_there(shared: SharedStore) -> None:
    async with node("b") as b:
        async with ghost(shared) as lost:
            record = CallRecord("call-1", "ghost", "tone", "twilio AC1", "CA1", 100.0)
            await lost.add_call(record)
            await remember(lost, b, record)
        again = told(await asked(b, "/twilio/next"))
        assert (again["url"], again["hops"]) == (media(b), "1")
        async with stream(b) as phone:
            await talking(phone, "CA1", again)
            assert b.hub.calls.ids == ["call-1"]


async def test_a_call_that_cannot_begin_again_sends_no_caller_round_and_round(
    shared: SharedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> NoReturn:
        raise RuntimeError("a test's")

    async with node("b") as b:
        async with ghost(shared) as lost:
            record = CallRecord("call-1", "ghost", "tone", "twilio AC1", "CA1", 100.0)
            await lost.add_call(record)
            await remember(lost, b, record)
        with monkeypatch.context() as broken:
            broken.setattr("bargein.server.telephone.serve.agent_of", fails)
            async with stream(b) as phone:
                await phone.start("CA1", told(await asked(b, "/twilio/next")))
                assert (await phone.closed())[1] == "an error of ours"
        assert verbs(await asked(b, "/twilio/next")) == ["Hangup"]
        await b.hub.fleet.add_call(CallRecord("call-2", "b", "tone", "twilio AC1", "CA1", 100.0))  # and is not here
        async with stream(b) as phone:
            await talking(phone, "CA1", told(await asked(b, "/twilio/next")))
            assert b.hub.calls.ids not in (["call-1"], ["call-2"])


async def remember(lost: Fleet, here: World, record: CallRecord) -> None:
    """What the least of a call's memory is."""
    policy = policy_for(here.hub, here.hub.catalogue.default)
    about = About(1, "tone", "en", dict(policy.numbers()), 100.0, {})
    state = StateNow(3, 2, "idle", False, 4_000.0, 0, [])
    lost.remember(record.id, {"about": encode(about), "state": encode(state)})
    assert await lost.remembered(record.id)


async def test_a_stream_that_lands_on_the_wrong_node_is_sent_to_its_own_and_at_last_brings_its_call_along(
    shared: SharedStore,
) -> None:
    async with node("a") as a, node("b") as b:
        await drained(b)
        async with stream(a) as phone:
            await talking(phone, "CA1", told(await asked(a)))
            await drained(b, drains=False)
            (call_id,) = a.hub.calls.ids
            for hops in (0, 1):
                again = told(await asked(b, f"/twilio/next?hops={hops}"))
                async with stream(b) as wrong:
                    await wrong.start("CA1", {**again, "hops": str(hops)})
                    code, reason = await wrong.closed()
                    assert (code, reason) == (1000, "the call is on another server")
            again = told(await asked(b, "/twilio/next?hops=1"))
            assert again["hops"] == "2"
            async with stream(b) as here:
                await here.start("CA1", again)
                async with asyncio.timeout(5):
                    while b.hub.calls.ids != [call_id]:  # noqa: ASYNC110  # a test may look
                        await asyncio.sleep(0.01)
                await phone.closed()
                assert a.hub.calls.ids == []


async def test_while_the_registry_is_away_a_node_goes_by_what_it_knows(shared: SharedStore) -> None:
    async with node("a") as a, stream(a) as phone:
        begun = told(await asked(a))
        shared.away = True
        await talking(phone, "CA1", begun)
        assert told(await asked(a))["url"] == media(a)
        assert told(await asked(a, "/twilio/next"))["url"] == media(a)
        assert told(await asked(a, "/twilio/next", CallSid="CA9"))["url"] == media(a)
        (call_id,) = a.hub.calls.ids
        a.hub.calls.call(call_id).hang_up("the agent hung up")
        await phone.closed()
        assert verbs(await asked(a, "/twilio/next")) == ["Hangup"]
        shared.away = False


async def test_a_stranger_gets_nothing(shared: SharedStore) -> None:
    async with node("a") as a:
        for path in ("/twilio/voice", "/twilio/next"):
            answer = await a.http.post(f"{path}?busy_tries=3", data=FORM, headers=signature(f"{a.url}{path}", FORM))
            assert (answer.status_code, problem(answer)) == (403, "bad_signature")


# ----------------------------------------------------------------------------------------- networks that ask nothing


STARTS: dict[str, dict[str, object]] = {
    "telnyx": {
        "event": "start",
        "stream_id": "s1",
        "start": {"call_control_id": "CC1", "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1}},
    },
    "plivo": {
        "event": "start",
        "start": {
            "callId": "CC1",
            "streamId": "s1",
            "accountId": "9",
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
        },
    },
    "vonage": {"event": "websocket:connected", "content-type": "audio/l16;rate=16000", "uuid": "CC1"},
}


@asynccontextmanager
async def carried(here: World, name: str) -> AsyncIterator[ClientConnection]:
    """A stream of the one call, which has brought audio."""
    url = here.url.replace("http", "ws") + f"/{name}/media"
    async with connect(url, compression=None, close_timeout=0.2) as phone:
        await phone.send(json.dumps(STARTS[name]))
        async with asyncio.timeout(5):
            while len(await phone.recv()) < 160:
                pass
        yield phone


async def test_whatever_node_a_new_stream_reaches_its_call_goes_on_there(shared: SharedStore) -> None:
    async with node("a") as a, node("b") as b:

        async def comes_back(name: str) -> None:
            async with carried(a, name) as first:
                calls = [a.hub.calls.call(each).status() for each in a.hub.calls.ids]
                (call_id,) = [call.id for call in calls if call.facts["transport"] == name]
                lost: socket.socket = first.transport.get_extra_info("socket")
                lost.shutdown(socket.SHUT_RDWR)
            async with carried(b, name):
                assert call_id in b.hub.calls.ids
                assert call_id not in a.hub.calls.ids

        await asyncio.gather(*map(comes_back, STARTS))


async def test_a_new_stream_of_a_call_whose_node_is_gone_goes_on_with_it(shared: SharedStore) -> None:
    async with node("b") as b:
        async with ghost(shared) as lost:
            for name in STARTS:
                network = f"{name} {'9' if name == 'plivo' else ''}"
                record = CallRecord(f"call-{name}", "ghost", "tone", network, "CC1", 100.0)
                await lost.add_call(record)
                await remember(lost, b, record)
        for name in STARTS:
            async with carried(b, name):
                assert b.hub.calls.ids[-1] == f"call-{name}"


# ------------------------------------------------------------------------------------------------ a whole call


async def test_a_caller_of_a_node_that_drains_goes_on_with_another_and_is_not_greeted_again(
    shared: SharedStore,
) -> None:
    agent = tone_agent(greeting="one two three")
    async with node("a", agent) as a, node("b", agent) as b:
        manners = NetworkManners(account="AC1", auth_token=TOKEN)
        async with TwilioNetwork(manners, serves=False) as network:
            await drained(b)
            making = asyncio.create_task(network.call(f"{a.url}/twilio/voice", sid="CA1"))
            async with asyncio.timeout(5):
                while not a.hub.calls.ids:  # noqa: ASYNC110  # a test may look
                    await asyncio.sleep(0.01)
            (call_id,) = a.hub.calls.ids
            await drained(b, drains=False)
            await drained(a)
            assert await a.hub.calls.call(call_id).move("the server stops", 5_000)
            async with asyncio.timeout(5):
                while b.hub.calls.ids != [call_id]:  # noqa: ASYNC110  # a test may look
                    await asyncio.sleep(0.01)
            assert a.hub.calls.ids == []
            await asyncio.sleep(0.4)  # for what would be said again
            network.calls["CA1"].complete()
            result = await making
    assert [leg.url for leg in result.legs] == [media(a), media(b)]
    assert [w.why for w in result.webhooks] == ["voice", "connect"]
    assert result.faults == {}
    assert result.legs[0].ended_ms is not None
    heard = np.flatnonzero(audible(result.telephone.signal()[: result.lasted]))
    assert 250 <= len(heard[heard < result.legs[0].ended_ms]) <= 350, "the greeting was heard to its end"
    assert not len(heard[heard > result.legs[0].ended_ms]), "what was heard is not said again"
