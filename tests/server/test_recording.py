"""Recording on a real server: who may say that a call is recorded, who gets the audio, and how all of it is removed."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pydantic import SecretStr
from websockets.asyncio.client import connect

from bargein.errors import Unavailable, UsageError
from bargein.recorder.reading import Noted, read
from bargein.server.catalogue import Catalogue
from bargein.server.records.audio_needs import demand_audio
from tests.attack.foreign_fields import STARTS
from tests.server.kit import TOKEN, Client, World, settings, tone_agent, world


async def spoken(here: World, client: Client, call_id: str) -> None:
    """The agent speaks, the user makes 300 ms of sound, and the call ends."""
    reply = await client.speaking()
    while here.hub.calls.call(call_id).now_ms() < 400:  # noqa: ASYNC110  # sound of before the call is not recorded
        await asyncio.sleep(0.02)
    await client.send({"type": "played", "reply_id": reply, "played": 4800, "playing": True})
    for _ in range(15):
        await client.audio(value=300)
    assert await client.still_there()
    await client.send({"type": "hangup"})
    await here.over(client)
    await here.nobody_left()
    assert call_id not in here.hub.calls.ids


def kinds(folder: Path) -> list[str]:
    return [entry.kind for entry in read(folder).entries if isinstance(entry, Noted)]


async def test_a_call_that_agrees_is_recorded_heard_and_removed(tmp_path: Path) -> None:
    chosen = settings(tmp_path, record_audio="consent", token=SecretStr(TOKEN))
    owner = {"authorization": f"Bearer {TOKEN}"}
    async with world(chosen) as here:
        page = here.hub.gate.page_token("page")
        subprotocols = ["bargein.v1", f"token.{page}"]
        async with connect(here.socket_url, subprotocols=subprotocols, close_timeout=0.2) as socket:  # type: ignore[arg-type]
            client = Client(socket)
            await client.send({"type": "hello", "protocol": "bargein.v1", "record": True})
            call_id = str((await client.until("welcome"))["call_id"])
            assert (await client.until("recording"))["on"] is True
            status = (await here.http.get(f"/calls/{call_id}", headers=owner)).json()
            assert status["recording"] is True
            refused = await here.http.delete(f"/calls/{call_id}", headers=owner)
            assert (refused.status_code, refused.json()["error"]["code"]) == (409, "call_runs")
            await spoken(here, client, call_id)
        assert await here.hub.audio_disk.reached(5)
        path = f"/calls/{call_id}/audio"
        for stranger in ({}, {"authorization": f"Bearer {page}"}):
            assert (await here.http.get(path, headers=stranger)).status_code == 401
            assert (await here.http.delete(f"/calls/{call_id}", headers=stranger)).status_code == 401
        got = await here.http.get(path, headers=owner)
        assert (got.status_code, got.headers["content-type"]) == (200, "audio/flac")
        assert "no-store" in got.headers["cache-control"]
        audio, rate = soundfile.read(io.BytesIO(got.content), dtype="int16")
        assert rate == 16_000
        assert (audio[:, 0] == 300).sum() == 15 * 320
        heard = np.flatnonzero(np.abs(audio[:, 1]) > 1_000)
        assert 2_800 < heard[-1] - heard[0] < 3_600, "200 ms were heard, and perhaps a little more until the end"
        size = len(got.content)
        for asked, first, end in (("bytes=0-41", 0, 42), ("bytes=100-", 100, size), ("bytes=-50", size - 50, size)):
            part = await here.http.get(path, headers={**owner, "range": asked})
            assert part.status_code == 206
            assert part.content == got.content[first:end]
            assert part.headers["content-range"] == f"bytes {first}-{end - 1}/{size}"
        assert (await here.http.get(path, headers={**owner, "range": f"bytes={size}-"})).status_code == 416
        endless = {**owner, "range": f"bytes={'9' * 5000}-"}
        assert (await here.http.get(path, headers=endless)).content == got.content, "what is no range means all"
        assert (await here.http.get(path, headers={**owner, "range": "lines=1-2"})).content == got.content
        assert (await here.http.delete(f"/calls/{call_id}", headers=owner)).json() == {"deleted": True}
        assert not [path for path in tmp_path.iterdir() if path.is_dir()]  # noqa: ASYNC240  # a test's own folder
        for gone in (path, f"/calls/{call_id}"):
            assert (await here.http.get(gone, headers=owner)).status_code == 404
        assert (await here.http.delete(f"/calls/{call_id}", headers=owner)).json() == {"deleted": False}
        assert (await here.http.delete("/calls/..%2F..%2Fetc", headers=owner)).status_code in (200, 404)


async def test_the_page_an_operator_and_the_connection_say_whether_a_call_is_recorded(tmp_path: Path) -> None:
    chosen = settings(tmp_path, record_audio="on", keep_s=0)
    never = dataclasses.replace(tone_agent("never"), record_audio="off")
    async with world(chosen, tone_agent(), never) as here:
        async with here.client({"record": False}) as client:  # it refuses
            call_id = str(client.messages[0]["call_id"])
            assert await client.still_there()
            assert not [m for m in client.messages if m["type"] == "recording"]
            path = f"/calls/{call_id}/recording"
            assert (await here.http.post(path, json={"on": True})).json() == {"recording": True, "changed": True}
            await client.until("recording", on=True)
            await client.send({"type": "record", "on": False})
            await client.until("recording", on=False)
            assert (await here.http.post(path, json={"on": False})).json() == {"recording": False, "changed": False}
            await spoken(here, client, call_id)
        assert await here.hub.disk.reached(5)
        told = kinds(tmp_path / call_id)
        assert [kind for kind in told if kind.startswith("recording")] == [
            "recording",
            "recording_paused",
            "recording_ended",
        ]
        async with here.client({"agent": "never", "record": True}) as client:
            call_id = str(client.messages[0]["call_id"])
            answer = await here.http.post(f"/calls/{call_id}/recording", json={"on": True})
            assert answer.status_code == 422
            assert "may not be recorded" in answer.text
            await spoken(here, client, call_id)
        assert (await here.http.get(f"/calls/{call_id}/audio")).json()["error"]["code"] == "no_audio"
        for said, on in (("false", False), ("true", True)):
            start = json.loads(json.dumps(STARTS["twilio"]))
            start["start"]["customParameters"] = {"record": said}
            async with connect(f"{here.url.replace('http', 'ws')}/twilio/media") as socket:
                await socket.send(json.dumps(start))
                while not here.hub.calls.ids:
                    await here.http.get("/healthz")
                (call_id,) = here.hub.calls.ids
                assert (await here.http.get(f"/calls/{call_id}")).json()["recording"] is on
            await here.nobody_left()


async def test_what_operators_see_of_a_call_is_redacted_as_its_record_is(tmp_path: Path) -> None:
    chosen = settings(tmp_path, redact_digits=True, keep_s=0)
    async with world(chosen) as here, here.client() as client:
        call_id = str(client.messages[0]["call_id"])
        async with connect(f"{here.url.replace('http', 'ws')}/calls/{call_id}/events") as watching:
            await watching.recv()
            await client.say("my card is 4929 and")
            told = await client.until("transcript", role="user")
            assert "4929" in str(told), "the client itself gets its own words"
            seen = ""
            while '"role":"user"' not in seen:
                seen += str(await watching.recv())
            assert "my card is 0000 and" in seen
            assert "4929" not in seen
        await client.until("state", state="speaking")
        live = (await here.http.get(f"/calls/{call_id}")).text
        await client.send({"type": "hangup"})
        await here.over(client)
        for status in (live, (await here.http.get(f"/calls/{call_id}")).text):
            assert "my card is 0000 and" in status
            assert "4929" not in status


def test_a_server_that_keeps_no_records_does_not_promise_audio() -> None:
    with pytest.raises(UsageError, match="none are kept"):
        demand_audio(settings(None, record_audio="on"), Catalogue({"tone": tone_agent()}))
    demand_audio(settings(None), Catalogue({"tone": dataclasses.replace(tone_agent(), record_audio="on")}))


def test_a_server_without_the_package_says_at_its_start_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(Unavailable, match=r"bargein\[record\]"):
        demand_audio(settings(tmp_path, record_audio="consent"), Catalogue({"tone": tone_agent()}))
    demand_audio(settings(tmp_path), Catalogue({"tone": tone_agent()}))
