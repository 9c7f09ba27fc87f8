"""Records on a real server: a disk that does not answer stops no call, and what is private stays out."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import stat
import threading
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from bargein.recorder.journal import FILE
from bargein.recorder.reading import Noted, read
from tests.attack.foreign_fields import STARTS
from tests.server.kit import settings, tone_agent, world

NUMBER = "+4930123456"


async def test_calls_talk_on_while_the_disk_is_frozen_and_their_records_are_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    thawed, write, reached = threading.Event(), os.write, threading.Event()

    def frozen(fd: int, data: bytes) -> int:
        if threading.current_thread().name == "disk":
            reached.set()
            thawed.wait()
        return write(fd, data)

    monkeypatch.setattr("bargein.recorder.record_file.os.write", frozen)
    try:
        async with world(settings(tmp_path)) as here:
            async with here.client() as client:
                assert await asyncio.to_thread(reached.wait, 5)
                await client.speaking()
                assert await client.still_there()
                assert (await here.http.get("/healthz")).status_code == 200
                assert b"bargein_record_bytes_waiting" in (await here.http.get("/metrics")).content
                assert here.hub.disk.waiting_bytes > 0
                await client.send({"type": "hangup"})
                await here.over(client)
            thawed.set()
            assert await here.hub.disk.reached(5)
            (folder,) = tmp_path.iterdir()  # noqa: ASYNC240  # a test's own folder
            assert read(folder).complete
    finally:
        thawed.set()


@pytest.mark.parametrize("name", ["twilio", "telnyx", "vonage"])
async def test_a_callers_number_stands_in_no_record_no_status_and_no_log(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="bargein")
    start = json.loads(json.dumps(STARTS[name]).replace('"from": "+1"', f'"from": "{NUMBER}"'))
    start = json.loads(json.dumps(start).replace('"from": "1"', f'"from": "{NUMBER}"'))
    chosen = settings(tmp_path, private_numbers=True, redact_digits=True, keep_s=0)
    async with world(chosen, tone_agent(greeting="hello there")) as here:
        async with connect(f"{here.url.replace('http', 'ws')}/{name}/media") as socket:
            await socket.send(json.dumps(start))
            await socket.recv()
        await here.nobody_left()
        assert await here.hub.disk.reached(5)
        (status,) = (await here.http.get("/calls")).json()["finished"]
        (folder,) = tmp_path.iterdir()  # noqa: ASYNC240
        facts = next(e.facts for e in read(folder).entries if isinstance(e, Noted) and e.kind == "call")
        assert status["facts"]["from"] == facts["from"]
        assert str(facts["from"]).startswith("number")
        assert NUMBER[1:] not in (folder / FILE).read_text() + json.dumps(status) + caplog.text
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600
