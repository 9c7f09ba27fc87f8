"""Calls that the server makes: POST /calls, `bargein call`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bargein.cli import app as cli
from bargein.errors import UsageError
from bargein.server.sip.outbound import caller_of, target_of
from bargein.sip.addresses import SipUri
from bargein.sip.incoming_call import IncomingCall
from bargein.sip.settings import SipTrunk
from tests.server.kit import tone_agent, world
from tests.server.sip.kit import Phone, SipWorld, ear, notes, phone, sip_world


def answers(made: Phone, call: IncomingCall) -> None:
    made.answer(call)


def rings(made: Phone, call: IncomingCall) -> None:
    call.ring()
    made.seen.append(call)


async def ended(here: SipWorld, call_id: str, seconds: float = 5) -> dict[str, Any]:
    """The last status of a call."""
    async with asyncio.timeout(seconds):
        while True:
            status: dict[str, Any] = (await here.here.http.get(f"/calls/{call_id}")).json()
            if status["over"] is not None:
                return status
            await asyncio.sleep(0.02)


async def state(here: SipWorld, call_id: str, wanted: str) -> None:
    async with asyncio.timeout(5):
        while (await here.here.http.get(f"/calls/{call_id}")).json()["state"] != wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_call_is_answered_and_greeted_and_the_callee_hangs_up(tmp_path: Path) -> None:
    async with ear() as heard:

        def takes(made: Phone, call: IncomingCall) -> None:
            made.answer(call, heard.port)

        async with sip_world(tmp_path) as here, phone(takes) as callee:
            told = await here.here.http.post("/calls", json={"to": str(callee.uri), "agent": "tone"})
            assert told.status_code == 202
            call_id = told.json()["id"]
            assert await here.started() == [call_id]
            await asyncio.sleep(0.3)
            assert heard.loud > 2, "the agent greets whoever answers"
            await callee.dialogs[0].bye()
            assert (await ended(here, call_id))["over"] == "bye"
            await here.gone()
    (facts,) = notes(tmp_path / call_id, "call")
    assert facts["direction"] == "outbound"
    assert facts["to"] == f"phone@{callee.uri.host}"


@pytest.mark.parametrize(
    ("status", "why"), [(486, "busy"), (603, "declined"), (404, "no such number"), (500, "refused")]
)
async def test_who_refuses_leaves_the_reason_in_the_listing_and_in_the_record(
    tmp_path: Path, status: int, why: str
) -> None:
    async with sip_world(tmp_path) as here, phone(lambda _, call: call.reject(status)) as callee:
        call_id = (await here.here.http.post("/calls", json={"to": str(callee.uri)})).json()["id"]
        over = str((await ended(here, call_id))["over"])
        assert over.startswith(f"not answered: {why} ({status}")
        listed = (await here.here.http.get("/calls")).json()
        assert [each["id"] for each in listed["finished"]] == [call_id]
        await here.gone()
    assert notes(tmp_path / call_id, "not_answered") == [{"why": over}]
    assert notes(tmp_path / call_id, "bye") == [{"reason": over}]


async def test_it_rings_for_a_bounded_time() -> None:
    async with sip_world() as here, phone(rings) as callee:
        call_id = (await here.here.http.post("/calls", json={"to": str(callee.uri), "ring_s": 1})).json()["id"]
        await state(here, call_id, "ringing")
        assert (await ended(here, call_id))["over"] == "not answered: no answer in time"
        await here.gone()
        assert callee.seen[0].settled, "it rings no more"


async def test_a_call_that_rings_can_be_watched_and_hung_up() -> None:
    async with sip_world() as here, phone(rings) as callee:
        call_id = (await here.here.http.post("/calls", json={"to": str(callee.uri)})).json()["id"]
        await state(here, call_id, "ringing")
        said = await here.here.http.post(f"/calls/{call_id}/say", json={"text": "hello"})
        assert said.json()["error"]["code"] == "call_rings"
        assert (await here.here.http.post(f"/calls/{call_id}/hangup")).json() == {"hung_up": True}
        assert (await ended(here, call_id))["over"] == "not answered: the operator hung up"
        await here.gone()


async def test_the_servers_end_rings_no_more_and_says_so(tmp_path: Path) -> None:
    async with phone(rings) as callee:
        async with sip_world(tmp_path) as here:
            call_id = (await here.here.http.post("/calls", json={"to": str(callee.uri)})).json()["id"]
            await state(here, call_id, "ringing")
        assert callee.seen[0].settled
    assert notes(tmp_path / call_id, "not_answered") == [{"why": "not answered: the server closes"}]


async def test_what_cannot_be_called_is_refused_at_once() -> None:
    async with sip_world(max_calls=1) as here, phone(rings) as callee:
        for body, status in (
            ({"to": "+4930123456"}, 422),
            ({"to": "nonsense"}, 422),
            ({"to": "sip:"}, 422),
            ({"to": str(callee.uri), "agent": "nobody"}, 422),
            ({"to": str(callee.uri), "policy": "eager"}, 422),
            ({"to": str(callee.uri), "from": "x y"}, 422),
            ({"to": str(callee.uri)}, 202),
            ({"to": str(callee.uri)}, 503),
        ):
            assert (await here.here.http.post("/calls", json=body)).status_code == status, body
    async with world() as plain:
        assert (await plain.http.post("/calls", json={"to": "sip:a@127.0.0.1"})).status_code == 501


async def test_a_callee_that_is_not_there_is_told() -> None:
    async with sip_world() as here:
        told = await here.here.http.post("/calls", json={"to": "sip:a@127.0.0.1:9;transport=tcp", "ring_s": 2})
        assert "not answered" in str((await ended(here, told.json()["id"]))["over"])
        await here.gone()


async def test_a_transfer_that_fails_leaves_the_caller_here_and_one_that_works_ends_the_call() -> None:
    moves: list[tuple[int, str]] = [(486, "Busy Here"), (200, "OK")]

    async with sip_world(None, tone_agent()) as here, phone(answers) as callee:
        call_id = (await here.here.http.post("/calls", json={"to": str(callee.uri)})).json()["id"]
        await here.started()
        (dialog,) = callee.dialogs
        asked: list[SipUri] = []

        def referred(uri: SipUri) -> None:
            asked.append(uri)
            asyncio.get_running_loop().call_later(0.05, lambda: dialog.refer_done(*moves[len(asked) - 1]))

        dialog.on_refer = referred
        refused = await here.here.http.post(f"/calls/{call_id}/transfer", json={"to": "+4930123456"})
        assert refused.status_code == 502
        assert "486" in refused.json()["error"]["message"]
        assert here.here.hub.calls.is_live(call_id)
        took = await here.here.http.post(f"/calls/{call_id}/transfer", json={"to": "sip:desk@pbx.example"})
        assert took.json() == {"transferred": True}
        assert (await ended(here, call_id))["over"] == "transferred to sip:desk@pbx.example"
        assert [str(each) for each in asked] == [f"sip:+4930123456@{callee.uri.host}", "sip:desk@pbx.example"]
        await here.gone()


async def test_the_command_shows_how_the_call_goes() -> None:
    async with sip_world() as here, phone(lambda _, call: call.reject(486)) as callee:
        words = ["call", str(callee.uri), "--url", here.here.url]
        result = await asyncio.to_thread(CliRunner().invoke, cli, words)
        assert result.exit_code == 3, result.output
        assert "busy" in result.output
        await here.gone()


def test_numbers_go_to_the_trunk() -> None:
    trunk = SipTrunk(SipUri.read("sip:me@provider.example"))
    assert str(target_of("+49 30".replace(" ", ""), trunk)) == "sip:+4930@provider.example"
    assert str(target_of("sip:a@b", trunk)) == "sip:a@b"
    found = caller_of("+49301", trunk)
    assert found is not None
    assert str(found.uri) == "sip:+49301@provider.example"
    with pytest.raises(UsageError):
        caller_of("+49301", None)
    with pytest.raises(UsageError):
        target_of("call me", trunk)
