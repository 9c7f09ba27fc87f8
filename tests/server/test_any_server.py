"""The app on a server of somebody's own: what bounds it has there, and what `uvicorn_options` adds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.types import Message
from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bargein import create_app, uvicorn_options
from bargein.server import serve
from bargein.server.app import VoiceApp
from bargein.server.telephone import asgi, picows_server
from bargein.server.telephone.asgi import PhoneAsgi
from bargein.server.telephone.carriers import carriers
from bargein.server.telephone.picows_server import PhoneListener
from bargein.transports.websocket import MESSAGE_BYTES
from tests.attack.raw_socket import END, PING, frame
from tests.server.kit import HELLO, Client, on_uvicorn, tone_agent, world
from tests.server.telephone.test_twilio import Stream
from tests.transports.telephone.test_telnyx import START

AGENT = tone_agent("mounted", "one two three four five six seven " * 20)


@pytest.fixture(params=[True, False], ids=["picows", "asgi"])
def fast(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(serve, "FAST", request.param)
    return bool(request.param)


def outer(voice: VoiceApp, *, lifespan: bool = True) -> FastAPI:
    app = FastAPI(lifespan=voice.lifespan) if lifespan else FastAPI()
    app.mount("/voice", voice)

    @app.get("/own")
    async def own() -> str:
        return "mine"

    return app


@asynccontextmanager
async def page(url: str) -> AsyncIterator[Client]:
    async with connect(url.replace("http", "ws") + "/voice/calls/browser", close_timeout=0.2) as socket:
        client = Client(socket)
        await client.send(HELLO)
        await client.until("welcome")
        yield client


@asynccontextmanager
async def phone(url: str) -> AsyncIterator[Stream]:
    async with connect(url.replace("http", "ws") + "/voice/twilio/media", close_timeout=0.2) as socket:
        telephone = Stream(socket)
        await telephone.start()
        await telephone.until("media")
        yield telephone
        with suppress(ConnectionClosed):
            await telephone.say("stop")


async def code_of_close(socket: ClientConnection) -> int | None:
    try:
        async with asyncio.timeout(5):
            while True:
                await socket.recv()
    except ConnectionClosed:
        return socket.close_code


# ------------------------------------------------------------------------------------------------ a server as it comes


@pytest.mark.parametrize("text", ["x" * (MESSAGE_BYTES + 1), "é" * (MESSAGE_BYTES // 2 + 1)])
async def test_a_message_has_a_bound_on_any_server(text: str) -> None:
    voice = create_app(AGENT)
    async with on_uvicorn(outer(voice)) as url:
        async with page(url) as client:
            await client.socket.send(text)
            assert await code_of_close(client.socket) == 1009
        async with page(url) as client:
            await client.socket.send(bytes(MESSAGE_BYTES + 1))
            assert await code_of_close(client.socket) == 1009
        async with phone(url) as telephone:
            await telephone.socket.send(text)
            assert await code_of_close(telephone.socket) == 1009
        assert voice.state.hub.kept.away == 0


async def test_the_longest_message_is_read_on_any_server() -> None:
    async with on_uvicorn(outer(create_app(AGENT))) as url, page(url) as client:
        await client.socket.send("x" * MESSAGE_BYTES)
        assert await client.error() == "bad_json"


async def test_a_telephone_that_reads_nothing_keeps_no_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server whose `send` waits for the client's reading, which never comes."""
    monkeypatch.setattr(asgi, "CLOSE_S", 0.05)
    coming: asyncio.Queue[Message] = asyncio.Queue()
    for message in (
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": START},
        {"type": "websocket.receive", "text": '{"event":"stop","stream_id":"S1","stop":{"call_control_id":"v3:C1"}}'},
    ):
        coming.put_nowait(message)

    async def send(message: Message) -> None:
        if message["type"] != "websocket.accept":
            await asyncio.get_running_loop().create_future()

    async with world(None, AGENT) as here:
        endpoint = PhoneAsgi(lambda: here.hub, carriers(here.hub.gate)["/telnyx/media"])
        scope = {
            "type": "websocket",
            "path": "/telnyx/media",
            "query_string": b"",
            "headers": [(b"host", b"127.0.0.1")],
            "client": ("127.0.0.1", 1),
        }
        async with asyncio.timeout(5):
            await endpoint(scope, coming.get, send)
        assert here.hub.calls.taken == 0


# --------------------------------------------------------------------------------------------- with uvicorn_options


async def test_pages_and_telephones_call_and_the_outer_app_answers(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    listeners: list[PhoneListener] = []

    class Listener(PhoneListener):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            listeners.append(self)

    monkeypatch.setattr(picows_server, "PhoneListener", Listener)
    voice = create_app(AGENT)
    options = uvicorn_options(voice, "/voice")
    async with on_uvicorn(outer(voice), **options) as url:
        reader, writer = await asyncio.open_connection(*url.removeprefix("http://").split(":"))
        writer.write(b"GET /own HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"200 OK" in await reader.read()
        writer.close()
        async with page(url) as client, phone(url) as telephone:
            await client.until("state", state="speaking")
            assert len(voice.state.hub.calls.ids) == 2
            assert len(listeners) == fast
            await telephone.until("mark")
        async with page(url) as client:
            client.socket.transport.write(frame(END | PING) * 5_000)
            assert await client.closed() == 1008


async def test_a_telephone_may_be_the_first_to_call_an_app_whose_lifespan_nobody_runs(fast: bool) -> None:
    assert serve.FAST is fast
    voice = create_app(AGENT)
    options = uvicorn_options(voice, "/voice")
    async with on_uvicorn(outer(voice, lifespan=False), **options) as url, phone(url) as telephone:
        await telephone.until("mark")
    (left,) = [task for task in asyncio.all_tasks() if task.get_name() == "the mounted app's lifespan"]
    left.cancel()  # as the loop's end does
    await asyncio.wait([left])


async def test_a_telephone_of_an_app_that_cannot_start_is_told_so(fast: bool) -> None:
    assert serve.FAST is fast
    voice = create_app(AGENT)
    async with voice.lifespan():
        pass
    async with on_uvicorn(outer(voice, lifespan=False), **uvicorn_options(voice, "/voice")) as url:
        with pytest.raises(InvalidStatus) as refused:
            async with phone(url):
                pass
        assert refused.value.response.status_code == 503
        assert json.loads(refused.value.response.body or b"")["error"]["code"] == "not_started"


async def test_a_route_of_the_outer_app_is_its_own(fast: bool) -> None:
    assert serve.FAST is fast
    voice = create_app(AGENT)
    app = outer(voice)

    @app.websocket("/twilio/media")
    async def own(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("mine")
        await socket.close()

    async with (
        on_uvicorn(app, **uvicorn_options(voice, "/voice")) as url,
        connect(url.replace("http", "ws") + "/twilio/media") as socket,
    ):
        assert await socket.recv() == "mine"
