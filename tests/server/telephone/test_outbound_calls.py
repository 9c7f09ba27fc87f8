"""Telephone numbers that the server calls by Twilio: POST /calls, `bargein call`, and what Twilio tells of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from bargein.cli import app as cli
from bargein.errors import UsageError
from bargein.server.auth import Gate
from bargein.server.make_settings import make_settings
from bargein.server.outbound_numbers import demand_allowed, e164
from bargein.server.refusals import Refusal
from bargein.server.sip.place import CallOrder
from bargein.server.telephone.twilio import Twilio
from bargein.server.telephone.twilio_outbound import demand_ready
from bargein_bench.callers.twilio_call import Answered, NetworkManners
from bargein_bench.callers.twilio_network import TwilioNetwork
from tests.server.kit import World, settings, tone_agent, world
from tests.server.sip.kit import notes
from tests.server.telephone.nodes import SharedStore, free_port, node, shared
from tests.server.telephone.test_twilio import TOKEN

__all__ = ["shared"]  # a fixture

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
WRONG = [
    ({"to": "12345"}, 422, "bad_request"),
    ({"to": "+49 call me"}, 422, "bad_request"),
    ({"to": "+19005550000"}, 403, "number_not_allowed"),
    ({"to": ANNA, "agent": "nobody"}, 422, "bad_request"),
    ({"to": ANNA, "from": "x"}, 502, "vendor_refused"),
    ({"to": "sip:anna@127.0.0.1"}, 501, "no_sip"),
]


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
        network.callee = ((), 1_000.0)
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


async def test_who_does_not_answer_leaves_the_reason(tmp_path: Path) -> None:
    wanted = {BUSY: "busy", BROKEN: "failed: the number cannot be reached", AWAY: "no answer"}
    async with telephoned(tmp_path) as (here, network):
        made = {await ordered(here, to, ring_s=1): f"not answered: {why}" for to, why in wanted.items()}
        for call_id, over_why in made.items():
            assert (await over(here, call_id))["over"] == over_why
        finished = (await here.http.get("/calls")).json()["finished"]
        assert {each["id"] for each in finished} == set(made)
        for order in network.orders.values():
            await order.ended.wait()
        for body, status, code in WRONG:
            told = await here.http.post("/calls", json=body)
            assert (told.status_code, told.json()["error"]["code"]) == (status, code), told.text
            assert told.json()["error"]["advice"]
    for call_id, over_why in made.items():
        assert notes(tmp_path / call_id, "not_answered") == [{"why": over_why}]


async def test_a_call_that_rings_is_watched_and_hung_up() -> None:
    async with telephoned() as (here, network):
        call_id = await ordered(here, SLOW)
        async with asyncio.timeout(5):
            while (await here.http.get(f"/calls/{call_id}")).json()["state"] != "ringing":  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        told = await here.http.post(f"/twilio/status?dialed={call_id}", data={"CallStatus": "busy"})
        assert told.status_code == 403, "Twilio signs what it tells"
        assert (await here.http.post(f"/calls/{call_id}/hangup")).json() == {"hung_up": True}
        assert (await over(here, call_id))["over"] == "not answered: the operator hung up"
        (order,) = network.orders.values()
        await asyncio.wait_for(order.ended.wait(), 5)
        assert order.status == "canceled", "it rings no more"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"twilio_number": None}, "no_caller"),
        ({"twilio_account_sid": None}, "no_twilio_account"),
        ({"twilio_auth_token": None}, "no_twilio_account"),
        ({"public_url": None}, "no_public_url"),
    ],
    ids=str,
)
def test_what_is_missing_is_told_with_advice(change: dict[str, Any], code: str) -> None:
    given = {
        "twilio_auth_token": AUTH,
        "twilio_account_sid": "AC1",
        "public_url": "https://phone.example",
        "twilio_number": OWN,
    }
    made = settings(**(given | change))
    with pytest.raises(Refusal) as caught:
        demand_ready(Twilio(made, Gate(made)), CallOrder(ANNA, caller=made.twilio_number))
    assert caught.value.code == code
    assert caught.value.advice


@pytest.mark.parametrize(
    ("allowed", "token", "number", "code"),
    [
        ((), None, ANNA, "numbers_not_allowed"),
        ((), "a-token-of-sixteen-characters", ANNA, None),
        (("+49 30",), None, ANNA, None),
        (("+4930",), "a-token-of-sixteen-characters", "+19005550000", "number_not_allowed"),
        (("*",), None, "+19005550000", None),
    ],
)
def test_a_stranger_calls_no_number_at_the_owners_cost(
    allowed: tuple[str, ...], token: str | None, number: str, code: str | None
) -> None:
    made = settings(call_allow=allowed, token=token)
    hub: Any = SimpleNamespace(settings=made, gate=Gate(made))
    if code is None:
        demand_allowed(hub, number)
    else:
        with pytest.raises(Refusal) as caught:
            demand_allowed(hub, number)
        assert caught.value.code == code


@pytest.mark.parametrize("beginning", ["-", "+", "()", "none", "+49x", " / "])
def test_a_beginning_without_a_digit_allows_no_number(beginning: str) -> None:
    with pytest.raises(UsageError, match="no beginning of a telephone number"):
        make_settings(call_allow=f"+49,{beginning}", record=None)
    assert make_settings(call_allow="+49 30, +43,*", record=None).call_allow == ("+49 30", "+43", "*")


async def test_what_twilio_refuses_and_a_twilio_that_is_away_are_told() -> None:
    wrong: list[tuple[dict[str, Any], int, str]] = [
        ({"twilio_auth_token": "another-token-than-twilios"}, 502, "vendor_refused"),
        ({"twilio_url": "http://127.0.0.1:9"}, 503, "vendor_lost"),
    ]
    for change, status, code in wrong:
        async with telephoned(**change) as (here, _):
            told = await here.http.post("/calls", json={"to": ANNA})
            assert (told.status_code, told.json()["error"]["code"]) == (status, code), told.text
            assert (await here.http.get("/calls")).json()["calls"] == []


async def test_webhooks_that_reach_another_node_find_the_call(shared: SharedStore) -> None:
    # The stream comes to the node itself: its token says whose call it is.
    manners = NetworkManners(account="AC1", auth_token=TOKEN, numbers=NUMBERS, signs_streams=False)
    given = {"call_allow": ("*",), "twilio_number": OWN}
    async with TwilioNetwork(manners) as network, node("b", **given) as other:
        network.callee = ((), 800.0)
        to_b: dict[str, Any] = {"public_url": other.url, "twilio_url": network.rest_url}
        async with node("a", tone_agent(greeting="one two three"), **given, **to_b) as here:
            answered, busy = await ordered(here, ANNA), await ordered(here, BUSY)
            assert (await other.http.get(f"/calls/{answered}")).status_code == 200, "it rings, and every node knows"
            assert (await over(here, busy))["over"] == "not answered: busy"
            status = await over(here, answered)
            assert [item["text"] for item in status["conversation"]] == ["one two three"]
            assert (await over(other, answered))["over"] == status["over"]
            for order in network.orders.values():
                await order.ended.wait()
            await here.nobody_left()


async def test_the_command_tells_how_the_call_goes() -> None:
    async with telephoned() as (here, _):
        for to, code, words in (
            (ANNA, 0, ["ringing", "answered", "one two three"]),
            (BUSY, 3, ["busy"]),
            (AWAY, 4, ["no answer"]),
        ):
            line = ["call", to, "--url", here.url, "--ring-s", "1"]
            result = await asyncio.to_thread(CliRunner().invoke, cli, line)
            assert result.exit_code == code, result.output
            assert all(word in result.output for word in words), result.output


def test_numbers_are_taken_as_people_write_them() -> None:
    assert e164("+49 30 / 123-456") == ANNA
    for wrong in ("030123456", "0049301234", "+0123456", "+49", "+49301234567890123", "anna"):
        with pytest.raises(UsageError):
            e164(wrong)
