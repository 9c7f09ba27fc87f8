"""A small application behind a telephone number: webhooks whose answers are set by path, and streams with manners."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import numpy as np
from fastapi import FastAPI, Request, Response
from websockets.asyncio.server import ServerConnection, serve

from bargein.audio.mulaw import to_mulaw
from tests.simulators.serving import serving

FRAME_OF_TONE = to_mulaw((np.sin(np.arange(160) * 0.4) * 9000).astype(np.int16))
Manners = Callable[[ServerConnection, "SmallApplication"], Awaitable[None]]


@dataclass
class SmallApplication:
    """answers: by path, one for each request, the last one again and again."""

    answers: Mapping[str, list[str | Response]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)
    """Path, form and headers of every request."""
    starts: list[dict[str, object]] = field(default_factory=list)
    """The start of every stream."""
    heard: list[str] = field(default_factory=list)
    """The events of all streams."""
    upgrades: list[dict[str, str]] = field(default_factory=list)
    """Headers of every stream."""
    url: str = ""
    media: str = ""

    @property
    def paths(self) -> list[str]:
        return [path for path, _, _ in self.asked]


@asynccontextmanager
async def application(
    answers: Mapping[str, list[str | Response]], manners: Manners | None = None
) -> AsyncIterator[SmallApplication]:
    """`{media}` in an answer is the address of the streams."""
    made = SmallApplication(answers)
    app = FastAPI()
    counts: defaultdict[str, int] = defaultdict(int)

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def answer(path: str, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True)) | dict(request.query_params)
        made.asked.append((path, form, dict(request.headers)))
        given = made.answers[path]
        told = given[min(counts[path], len(given) - 1)]
        counts[path] += 1
        if isinstance(told, Response):
            return told
        return Response(told.replace("{media}", made.media), media_type="text/xml")

    async def handle(socket: ServerConnection) -> None:
        assert socket.request is not None
        made.upgrades.append({name.lower(): value for name, value in socket.request.headers.raw_items()})
        await (manners or speaks)(socket, made)

    async with serving(app) as made.url, serve(handle, "127.0.0.1", 0, compression=None) as sockets:
        made.media = f"ws://127.0.0.1:{sockets.sockets[0].getsockname()[1]}/media"
        yield made


async def started(socket: ServerConnection, app: SmallApplication) -> str:
    """Read to the start of a stream; its id."""
    while True:
        message = json.loads(await socket.recv())
        app.heard.append(message["event"])
        if message["event"] == "start":
            app.starts.append(message["start"])
            return str(message["streamSid"])


async def play(socket: ServerConnection, stream: str, frames: int, lead: int = 5) -> None:
    """A tone, so many frames ahead of its time."""
    payload = base64.b64encode(FRAME_OF_TONE).decode()
    for k in range(frames):
        if k >= lead:
            await asyncio.sleep(0.02)
        await socket.send(json.dumps({"event": "media", "streamSid": stream, "media": {"payload": payload}}))


async def speaks(socket: ServerConnection, app: SmallApplication) -> None:
    """One second of a tone; then the server closes the stream."""
    await play(socket, await started(socket, app), 50)
    await asyncio.sleep(0.1)


async def listens(socket: ServerConnection, app: SmallApplication) -> None:
    """Plays nothing, and goes on until the network ends the stream."""
    await started(socket, app)
    async for raw in socket:
        app.heard.append(json.loads(raw)["event"])


def connect(action: str | None = None, url: str = "{media}", inside: str = "") -> str:
    told = f' action="{action}"' if action else ""
    return f'<Response><Connect{told}><Stream url="{url}">{inside}</Stream></Connect></Response>'


HANG_UP = "<Response><Hangup/></Response>"
