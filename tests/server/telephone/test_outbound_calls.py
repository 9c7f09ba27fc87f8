"""Telephone numbers that the server calls by Twilio: POST /calls, `bargein call`, and what Twilio tells of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bargein.cli import app as cli
from bargein.errors import UsageError
from bargein.server.outbound_numbers import e164
from bargein_bench.callers.twilio_call import Answered, NetworkManners
from bargein_bench.callers.twilio_network import TwilioNetwork
from tests.server.kit import World, settings, tone_agent, world
from tests.server.sip.kit import notes
from tests.server.telephone.nodes import free_port

AUTH = "twilio-auth-token-of-a-test"
ANNA, BUSY, AWAY, BROKEN, SLOW = "+4930123456", "+4930123457", "+4930123458", "+4930123459", "+4930123450"
NUMBERS = {
    ANNA: Answered("completed", 100),
    BUSY: Answered("busy", 50),
    BROKEN: Answered("failed", 50),
    AWAY: Answered("no-answer"),
    SLOW: Answered("completed", 30_000),
}
OWN = "+49301000000"


@asynccontextmanager
async def telephoned(tmp: Path | None = None, **more: Any) -> AsyncIterator[tuple[World, TwilioNetwork]]:
    """A server, and the network that calls for it."""
    manners = NetworkManners(auth_token=AUTH, numbers=NUMBERS)
    port = free_port()
    given: dict[str, Any] = {
        "port": port,
        "twilio_auth_token": AUTH,
        "twilio_account_sid": manners.account,
        "twilio_number": OWN,
        "public_url": f"http://127.0.0.1:{port}",
        "call_allow": ("+4930",),
    }
    async with TwilioNetwork(manners) as network:
        network.callee = ((), 1_500.0)
        async with world(
            settings(tmp, **({"twilio_url": network.rest_url} | given | more)), tone_agent(greeting="one two three")
        ) as here:
            yield here, network
            async with asyncio.timeout(5):
                while here.hub.ringing or here.hub.calls.taken:  # noqa: ASYNC110  # a test may look
                    await asyncio.sleep(0.01)


async def ordered(here: World, to: str, **more: object) -> str:
    told = await here.http.post("/calls", json={"to": to, **more})
    assert told.status_code == 202, told.text
    return str(told.json()["id"])


async def over(here: World, call_id: str, seconds: float = 8) -> dict[str, Any]:
    async with asyncio.timeout(seconds):
        while True:
            status: dict[str, Any] = (await here.http.get(f"/calls/{call_id}")).json()
            if status["over"] is not None:
                return status
            await asyncio.sleep(0.02)


async def test_a_number_is_called_and_whoever_answers_is_greeted(tmp_path: Path) -> None:
    async with telephoned(tmp_path) as (here, network):
        call_id = await ordered(here, " +49 (30) 123-456 ", agent="tone")
        status = await over(here, call_id)
        (order,) = network.orders.values()
        await order.ended.wait()
        assert (order.to, order.caller) == (ANNA, OWN)
        assert order.result is not None
        assert not order.result.errors
        assert [item["text"] for item in status["conversation"]] == ["one two three"]
    (facts,) = notes(tmp_path / call_id, "call")
    assert (facts["direction"], facts["transport"]) == ("outbound", "twilio")
    assert float(str(facts["rang_ms"])) > 0


@pytest.mark.parametrize(
    ("to", "why"),
    [(BUSY, "busy"), (BROKEN, "failed: the number cannot be reached"), (AWAY, "no answer")],
)
async def test_who_does_not_answer_leaves_the_reason(tmp_path: Path, to: str, why: str) -> None:
    async with telephoned(tmp_path) as (here, network):
        call_id = await ordered(here, to, ring_s=1)
        status = await over(here, call_id)
        assert status["over"] == f"not answered: {why}"
        assert [each["id"] for each in (await here.http.get("/calls")).json()["finished"]] == [call_id]
        (order,) = network.orders.values()
        await order.ended.wait()
    assert notes(tmp_path / call_id, "not_answered") == [{"why": f"not answered: {why}"}]


async def test_a_call_that_rings_is_watched_and_hung_up() -> None:
    async with telephoned() as (here, network):
        call_id = await ordered(here, SLOW)
        async with asyncio.timeout(5):
            while (await here.http.get(f"/calls/{call_id}")).json()["state"] != "ringing":  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert (await here.http.post(f"/calls/{call_id}/hangup")).json() == {"hung_up": True}
        assert (await over(here, call_id))["over"] == "not answered: the operator hung up"
        (order,) = network.orders.values()
        await asyncio.wait_for(order.ended.wait(), 5)
        assert order.status == "canceled", "it rings no more"


async def test_the_servers_end_rings_no_more() -> None:
    async with telephoned() as (here, network):
        await ordered(here, SLOW)
        (order,) = network.orders.values()
        for ringing in list(here.hub.ringing.values()):
            ringing.cancel("the server closes")
        await asyncio.wait_for(order.ended.wait(), 5)


@pytest.mark.parametrize(
    ("change", "asked"),
    [
        (
            {},
            [
                ({"to": "12345"}, 422, "bad_request"),
                ({"to": "+49 call me"}, 422, "bad_request"),
                ({"to": "+19005550000"}, 403, "number_not_allowed"),
                ({"to": ANNA, "agent": "nobody"}, 422, "bad_request"),
                ({"to": ANNA, "from": "x"}, 502, "vendor_refused"),
                ({"to": "sip:anna@127.0.0.1"}, 501, "no_sip"),
            ],
        ),
        ({"call_allow": ()}, [({"to": ANNA}, 403, "numbers_not_allowed")]),
        ({"twilio_number": None}, [({"to": ANNA}, 422, "no_caller")]),
        ({"twilio_account_sid": None}, [({"to": ANNA}, 501, "no_twilio_account")]),
        ({"public_url": None}, [({"to": ANNA}, 501, "no_public_url")]),
        ({"twilio_auth_token": "another-token-than-twilios"}, [({"to": ANNA}, 502, "vendor_refused")]),
        ({"twilio_url": "http://127.0.0.1:9"}, [({"to": ANNA}, 503, "vendor_lost")]),
    ],
    ids=str,
)
async def test_what_is_missing_or_wrong_is_told_with_advice(
    change: dict[str, Any], asked: list[tuple[dict[str, str], int, str]]
) -> None:
    async with telephoned(**change) as (here, _):
        for body, status, code in asked:
            told = await here.http.post("/calls", json=body)
            assert (told.status_code, told.json()["error"]["code"]) == (status, code), told.text
            assert told.json()["error"]["advice"]
        assert (await here.http.get("/calls")).json()["calls"] == []


async def test_the_owner_of_a_token_may_call_every_number() -> None:
    token = "a-token-of-sixteen-characters"
    async with telephoned(token=token, call_allow=(), twilio_number=None) as (here, _):
        told = await here.http.post("/calls", json={"to": ANNA})
        assert told.status_code == 401
        told = await here.http.post("/calls", json={"to": ANNA}, headers={"Authorization": f"Bearer {token}"})
        assert told.json()["error"]["code"] == "no_caller", "the number itself was allowed"


async def test_a_stranger_makes_no_call_of_ours_from_a_stream(tmp_path: Path) -> None:
    async with telephoned(tmp_path) as (here, _):
        call_id = await ordered(here, SLOW)
        told = await here.http.post(f"/twilio/status?dialed={call_id}", data={"CallStatus": "busy"})
        assert told.status_code == 403, "Twilio signs what it tells"
        assert (await here.http.get(f"/calls/{call_id}")).json()["over"] is None
        await here.http.post(f"/calls/{call_id}/hangup")


@pytest.mark.parametrize(
    ("to", "code", "words"),
    [(ANNA, 0, ["ringing", "answered", "one two three"]), (BUSY, 3, ["busy"]), (AWAY, 4, ["no answer"])],
)
async def test_the_command_tells_how_the_call_goes(to: str, code: int, words: list[str]) -> None:
    async with telephoned() as (here, _):
        line = ["call", to, "--url", here.url, "--ring-s", "1"]
        result = await asyncio.to_thread(CliRunner().invoke, cli, line)
        assert result.exit_code == code, result.output
        assert all(word in result.output for word in words), result.output


def test_numbers_are_taken_as_people_write_them() -> None:
    assert e164("+49 30 / 123-456") == ANNA
    for wrong in ("030123456", "0049301234", "+0123456", "+49", "+49301234567890123", "anna"):
        with pytest.raises(UsageError):
            e164(wrong)
