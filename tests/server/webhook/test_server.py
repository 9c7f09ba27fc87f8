"""The webhook of a server: what it tells of a call, and that no call and no end waits for its receiver."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bargein.errors import UsageError
from bargein.server.app import VoiceApp
from bargein.server.catalogue import Catalogue
from bargein.server.settings import Settings
from bargein.server.webhook.spool import FOLDER
from tests.server.kit import settings, tone_agent, world

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@asynccontextmanager
async def receiver(*, hangs: bool = False) -> AsyncIterator[tuple[str, asyncio.Queue[tuple[dict[str, str], bytes]]]]:
    """hangs: it takes a request and never answers."""
    got: asyncio.Queue[tuple[dict[str, str], bytes]] = asyncio.Queue()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head)}
        body = await reader.readexactly(int(headers["content-length"]))
        got.put_nowait((headers, body))
        if hangs:
            await reader.read()
        else:
            writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook", got


async def test_a_calls_end_is_told_with_its_words_as_heard(tmp_path: Path) -> None:
    async with receiver() as (url, got):
        chosen = settings(tmp_path, webhook_url=url, webhook_secret=SECRET, public_url="https://voice.example")
        async with world(chosen, tone_agent("tone", "Hello there"), alone=False) as here:
            async with here.client() as client:
                await client.until("state", state="speaking")
                await client.send({"type": "hangup"})
                await client.closed()
            headers, body = await asyncio.wait_for(got.get(), 10)
            call_id = str(client.messages[0]["call_id"])
            page = (await here.http.get("/metrics")).text
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    said = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(key, said, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    told: dict[str, Any] = json.loads(body)
    data = told["data"]
    assert told["type"] == "call.ended"
    assert (data["id"], data["agent"], data["door"]) == (call_id, "tone", "browser")
    assert data["ended_why"] == "the client hung up"
    assert data["url"] == f"https://voice.example/calls/{call_id}"
    assert data["duration_s"] > 0
    assert data["measures"]["replies"] == 1
    assert all(message["role"] == "assistant" for message in data["messages"])
    assert "bargein_webhooks_waiting" in page


async def test_neither_a_call_nor_the_end_waits_for_a_receiver_that_hangs(tmp_path: Path) -> None:
    """`world` gives the end of the server 15 s, and an attempt 10 s: two in a row would be too long."""
    async with receiver(hangs=True) as (url, got):
        chosen = settings(tmp_path, webhook_url=url, webhook_secret=SECRET)
        async with world(chosen, tone_agent("tone", "Hello there"), alone=False) as here:
            for _ in range(2):
                async with here.client() as client:
                    await client.until("state", state="speaking")
                await here.nobody_left()
            await asyncio.wait_for(got.get(), 10)
    assert len(list((tmp_path / FOLDER).glob("*.json"))) == 2, "the next server sends them"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"webhook_secret": SECRET, "record": None}, "no records are kept"),
        ({"webhook_secret": None}, "BARGEIN_WEBHOOK_SECRET"),
        ({"webhook_secret": "hunter2"}, "openssl rand -base64 32"),
    ],
)
async def test_settings_that_do_not_fit_stop_the_start(tmp_path: Path, given: dict[str, object], says: str) -> None:
    chosen = settings(**({"tmp": tmp_path, "webhook_url": "https://crm.example/"} | given))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=says) as refused:
        async with VoiceApp(chosen, agents=offered).lifespan():
            pass
    assert "hunter2" not in str(refused.value)


@asynccontextmanager
async def offered(_: Settings) -> AsyncIterator[Catalogue]:
    yield Catalogue({"tone": tone_agent()})


async def test_a_call_that_is_deleted_is_told_no_more(tmp_path: Path) -> None:
    async with receiver(hangs=True) as (url, got):
        chosen = settings(tmp_path, webhook_url=url, webhook_secret=SECRET)
        async with world(chosen, tone_agent("tone", "Hello there"), alone=False) as here:
            async with here.client() as client:
                await client.until("state", state="speaking")
            await here.nobody_left()
            await asyncio.wait_for(got.get(), 10)
            call_id = str(client.messages[0]["call_id"])
            assert (await here.http.delete(f"/calls/{call_id}")).status_code in (200, 204)
            assert list((tmp_path / FOLDER).glob("*.json")) == []
