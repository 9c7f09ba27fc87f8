"""The pages of calls and what they ask for, on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bargein.recorder.journal import FILE
from benchmarks.hour_record import write_record
from tests.recorder.story.records import evil_record, many_summaries
from tests.server.kit import TOKEN, World, settings, world

pytestmark = pytest.mark.asyncio(loop_scope="module")

HTML = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
OWNER = {"authorization": f"Bearer {TOKEN}"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    root = tmp_path_factory.mktemp("records")
    write_record(root, "spoken", cycles=4, sound=True)
    evil_record(root)
    torn = write_record(root, "torn", cycles=2, sound=False) / FILE
    torn.write_bytes(torn.read_bytes()[: torn.stat().st_size // 2])
    (write_record(root, "soundonly", cycles=1, sound=True) / FILE).unlink()
    many_summaries(root, 120)
    async with world(settings(root, token=TOKEN)) as made:
        made.http.headers.update(OWNER)
        yield made


async def records(here: World, **query: object) -> dict[str, Any]:
    answer = await here.http.get("/records", params={name: str(value) for name, value in query.items()})
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def all_read(here: World) -> None:
    """Every record has its summary."""
    assert here.hub.records is not None
    await here.hub.records.read_all()


@pytest.mark.parametrize(("path", "title"), [("/calls", "Bargein: calls"), ("/calls/spoken", "Bargein: call")])
async def test_a_browser_gets_a_page_without_a_secret_and_a_program_json(here: World, path: str, title: str) -> None:
    page = await here.http.get(path, headers=HTML | {"authorization": ""})
    assert page.status_code == 200
    assert f"<title>{title}</title>" in page.text
    assert "accept" in page.headers["vary"]
    assert "no-cache" in page.headers["cache-control"]
    for accept in ("*/*", "application/json", "application/json, text/html"):
        answer = await here.http.get(path, headers={"accept": accept})
        assert answer.headers["content-type"] == "application/json", accept


@pytest.mark.parametrize("path", ["/records", "/calls/spoken/story", "/calls/spoken/peaks", "/calls", "/calls/spoken"])
async def test_what_was_said_is_for_the_owner_alone(here: World, path: str) -> None:
    for wrong in ("", "Bearer wrong-token-that-is-long"):
        answer = await here.http.get(path, headers={"authorization": wrong})
        assert answer.status_code in (401, 429)
        assert "spoken" not in answer.text


async def test_a_story_its_waves_and_the_right_to_its_sound(here: World) -> None:
    answer = await here.http.get("/calls/spoken/story")
    story = answer.json()
    assert (story["call"], story["measures"]["turns"], story["missing"]) == ("spoken", 5, [])
    assert story["recording"]["rate"] == 16_000
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Path=" not in cookie, "it goes to this call's addresses alone"
    waves = (await here.http.get("/calls/spoken/peaks")).json()
    assert len(waves["lanes"]) == 2
    assert waves["per_s"] > 20
    assert (await here.http.get("/calls/evil/peaks")).json()["lanes"] == []


@pytest.mark.parametrize("name", ["nowhere", "..", "%2e%2e%2fetc", "a" * 200, "spoken%2f..%2fevil"])
async def test_a_call_without_a_record_is_told_so(here: World, name: str) -> None:
    answer = await here.http.get(f"/calls/{name}/story")
    assert answer.status_code == 404
    assert answer.json()["error"]["advice"]


async def test_a_torn_journal_and_a_lost_one_are_told_as_far_as_they_go(here: World) -> None:
    torn = (await here.http.get("/calls/torn/story")).json()
    assert torn["measures"]["turns"] >= 1
    assert any("before the call did" in sentence for sentence in torn["missing"])
    sound = (await here.http.get("/calls/soundonly/story")).json()
    assert "no journal" in sound["missing"][0]
    assert sound["lasted_ms"] == pytest.approx(12_000, abs=2_100)
    assert (await here.http.get("/calls/soundonly/peaks")).json()["lanes"]
    refused = await here.http.post("/calls/soundonly/replay", json={"policy": "patient"})
    assert refused.status_code == 422


async def test_another_policy_is_shown_beside_the_call_s_own(here: World) -> None:
    own = (await here.http.post("/calls/spoken/replay", json={"policy": "balanced"})).json()
    assert (own["differences"], own["moved"]) == (0, 0)
    other = (await here.http.post("/calls/spoken/replay", json={"policy": "patient"})).json()
    assert other["name"] == "patient"
    assert other["differences"] > 0
    lone = [one for one in other["decisions"] if not one["recorded"] or one["replayed_ms"] is None]
    assert len(lone) == other["differences"]
    numbers = (await here.http.post("/calls/spoken/replay", json={"settings": {"confirm_ms": 900}})).json()
    assert numbers["name"] == "balanced with confirm_ms=900"
    for wrong in ({"policy": "nobody's"}, {"settings": {"confirm_ms": "soon"}}, {"settings": {"what": 1}}):
        refused = await here.http.post("/calls/spoken/replay", json=wrong)
        assert refused.status_code == 422, wrong
        assert refused.json()["error"]["advice"]


async def test_the_list_has_pages_and_finds_words_numbers_and_agents(here: World) -> None:
    await all_read(here)
    first, second, last = [await records(here, page=number) for number in (0, 1, 2)]
    assert [len(each["calls"]) for each in (first, second, last)] == [50, 50, 24]
    assert first["found"] == 124
    assert first["agents"][-2:] == ["clerk", "guide"]
    assert {"page", "twilio"} <= set(first["doors"])
    names = [call["call"] for each in (first, second, last) for call in each["calls"]]
    assert len(set(names)) == 124
    assert all(call["text"] == "" for call in first["calls"]), "what was said stays at the server"
    assert [c["call"] for c in (await records(here, search="Number 77 please"))["calls"]] == ["call-0077"]
    assert [c["call"] for c in (await records(here, search="+4930000042"))["calls"]] == ["call-0042"]
    assert (await records(here, search="clerk", agent="guide"))["found"] == 0
    assert (await records(here, page=99))["calls"] == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"agent": "clerk"}, 60),
        ({"door": "twilio", "agent": "guide"}, 20),
        ({"ended": "AGENT hung"}, 24),
        ({"faults": "true", "agent": "guide"}, 12),
        ({"cuts": "true", "agent": "clerk"}, 60),
        ({"day": "2023-11-15", "agent": "clerk"}, 12),
        ({"day": "no day"}, 0),
    ],
)
async def test_the_list_is_filtered(here: World, query: dict[str, str], found: int) -> None:
    await all_read(here)
    assert (await records(here, **query))["found"] == found


async def test_a_call_is_in_the_list_once_it_is_over(tmp_path: Path) -> None:
    async with world(settings(tmp_path)) as here:
        async with here.client() as client:
            await client.speaking()
            call_id = str(client.messages[0]["call_id"])
            live = (await here.http.get(f"/calls/{call_id}/story")).json()
            assert live["live"]
            assert (await records(here))["found"] == 0
            await client.send({"type": "hangup"})
            await here.over(client)
        async with asyncio.timeout(5):
            while not (await records(here))["found"]:  # noqa: ASYNC110  # a test may look
                await asyncio.sleep(0.02)
        (call,) = (await records(here, search="hello"))["calls"]
        assert (call["call"], call["door"], call["whole"]) == (call_id, "page", True)
        assert "set-cookie" not in (await here.http.get(f"/calls/{call_id}/story")).headers


async def test_a_server_without_records_says_so() -> None:
    async with world(settings()) as here:
        assert not (await records(here))["kept"]
        refused = await here.http.get("/calls/any/story")
        assert refused.status_code == 404
        assert "keeps no records" in refused.json()["error"]["message"]
