"""A real server on a free loopback port, with an agent that speaks in tones, and a client that says what it likes."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import uvicorn
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from bargein import protocols as c
from bargein.agent import Agent, Greeting
from bargein.audio.pcm import Pcm
from bargein.server.app import VoiceApp
from bargein.server.catalogue import Catalogue
from bargein.server.hub import Hub, OpenAgents
from bargein.server.listening import listen
from bargein.server.serve import BargeinServer, config_for
from bargein.server.settings import Settings
from bargein.transports.browser.limits import BrowserLimits
from bargein.vendors.common.environment import Environment

RATE = 24_000
WORD_MS = 100
HEADER = struct.Struct("<BBHIII")
HELLO = {"type": "hello", "protocol": "bargein.v1"}
TOKEN = "a-long-enough-token-for-a-test"


class ToneVoice:
    """100 ms of a tone for every word, with its time."""

    name = "tone"
    rate = RATE

    async def speak(self, text: AsyncIterator[str]) -> AsyncIterator[c.SpeechChunk]:
        at = count = 0
        async for piece in text:
            for word in piece.split():
                wave = np.sin(np.arange(WORD_MS * RATE // 1000) * 0.06) * 8000
                times = c.Word(count * WORD_MS, (count + 1) * WORD_MS, at, at + len(word))
                yield c.SpeechChunk(Pcm(wave.astype(np.int16), RATE), f"{word} ", (times,))
                at += len(word) + 1
                count += 1


class Echo:
    """Says the user's words back, and then goes on for long, so that there is something to interrupt."""

    name = "echo"

    async def reply(self, prompt: c.Prompt) -> AsyncIterator[c.TextDelta]:
        said = next((i.text for i in reversed(prompt.items) if isinstance(i, c.UserSaid)), None) or "nothing"
        for word in f"You said {said} and I go on {'la ' * 200}".split():
            yield c.TextDelta(f"{word} ")


def tone_agent(name: str = "tone", greeting: str = "") -> Agent:
    return Agent(name=name, stt=None, llm=Echo(), tts=ToneVoice(), scripted=True, greeting=Greeting(greeting))


agent = tone_agent("from-a-file", "Hello there, this is a greeting")  # for --agent tests/server/kit.py:agent


@dataclass
class Client:
    """One page, by hand. messages: every JSON message so far; frames: every binary one."""

    socket: ClientConnection
    messages: list[dict[str, object]] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)
    sample: int = 0

    async def send(self, message: object) -> None:
        await self.socket.send(json.dumps(message))

    async def audio(self, samples: int = 320, *, first: int | None = None, value: int = 0) -> None:
        """One microphone frame of so many samples."""
        self.sample = first if first is not None else self.sample
        header = HEADER.pack(1, 0, 0, 0, 0, self.sample)
        await self.socket.send(header + np.full(samples, value, "<i2").tobytes())
        self.sample += samples

    async def until(self, kind: str, seconds: float = 5, **facts: object) -> dict[str, object]:
        """The next message of that type (and with these fields), from now on."""
        async with asyncio.timeout(seconds):
            while True:
                raw = await self.socket.recv()
                if isinstance(raw, bytes):
                    self.frames.append(raw)
                    continue
                message: dict[str, object] = json.loads(raw)
                self.messages.append(message)
                if message["type"] == kind and all(message.get(name) == value for name, value in facts.items()):
                    return message

    async def until_any(self) -> dict[str, object]:
        """The next message."""
        while isinstance(raw := await self.socket.recv(), bytes):
            self.frames.append(raw)
        self.messages.append(json.loads(raw))
        return self.messages[-1]

    async def error(self) -> str:
        return str((await self.until("error"))["code"])

    async def still_there(self) -> bool:
        """Whether the call goes on: it answers."""
        await self.send({"type": "ping", "n": 7})
        return (await self.until("pong", n=7))["n"] == 7

    async def closed(self, seconds: float = 5) -> int:
        """Read on to the end; the code of the close."""
        with suppress(ConnectionClosed):
            await self.until("no such message", seconds)
        return self.socket.close_code or 0

    async def say(self, text: str) -> None:
        await self.send({"type": "say", "text": text})

    async def speaking(self) -> int:
        """Make the agent speak; the reply's id, once its audio comes."""
        await self.say("hello")
        reply = int(str((await self.until("reply"))["reply_id"]))
        await self.until("state", state="speaking")
        return reply


@dataclass
class World:
    """A server, and ways to it."""

    url: str
    hub: Hub
    server: BargeinServer
    http: httpx.AsyncClient

    @property
    def socket_url(self) -> str:
        return self.url.replace("http", "ws") + "/calls/browser"

    @asynccontextmanager
    async def client(self, hello: dict[str, object] | None = None, **options: object) -> AsyncIterator[Client]:
        """A page with a call (hello None: a good one; {}: none is sent)."""
        # A client that does not read to the end would wait for its own goodbye.
        how: dict[str, object] = {"close_timeout": 0.2} | options
        opened = connect(self.socket_url, subprotocols=[Subprotocol("bargein.v1")], **how)  # type: ignore[arg-type]
        async with opened as socket:
            client = Client(socket)
            if hello is None or hello:
                await client.send(HELLO | (hello or {}))
                await client.until("welcome")
            yield client

    async def nobody_left(self) -> bool:
        """Wait until every connection is over, to its last task."""
        async with asyncio.timeout(5):
            while self.server.server_state.tasks:
                await asyncio.wait(list(self.server.server_state.tasks))
            # A telephone's call is a task of the hub's, and is over after its socket.
            while self.hub.calls.ids:  # noqa: ASYNC110  # a test may look
                await asyncio.sleep(0.01)
        return not self.hub.calls.ids

    async def over(self, client: Client, seconds: float = 5) -> str:
        """Wait until a client's call has ended; the reason that is kept of it."""
        call_id = str(client.messages[0]["call_id"])
        if call_id in self.hub.calls.ids:
            with self.hub.calls.watchers(call_id).one_more() as watcher:
                async with asyncio.timeout(seconds):
                    while await watcher.next() is not None:
                        pass
        return str(self.hub.calls.status(call_id)["over"])


def bare(**variables: str) -> Environment:
    """An environment without any key of this machine's own, and without an Ollama."""
    return Environment({"BARGEIN_OLLAMA_URL": "http://127.0.0.1:9/v1"} | variables)


def settings(tmp: Path | None = None, **given: object) -> Settings:
    return Settings(**({"port": 0, "record": tmp, "max_calls": 8} | given))  # type: ignore[arg-type]


@asynccontextmanager
async def world(
    chosen: Settings | None = None,
    *agents: Agent,
    limits: BrowserLimits | None = None,
    alone: bool = True,
    catalogue: Catalogue | None = None,
    opener: OpenAgents | None = None,
) -> AsyncIterator[World]:
    """Everything as in `bargein serve`, but for the agents, the whole catalogue, or what opens it. No task may be left
    behind; alone: and nobody else makes any meanwhile."""
    chosen = chosen or settings()
    offered = agents or (tone_agent(),)

    @asynccontextmanager
    async def opened(_: Settings) -> AsyncIterator[Catalogue]:
        yield catalogue or Catalogue({each.name: each for each in offered})

    before = asyncio.all_tasks()
    app = VoiceApp(chosen, agents=opener or opened, limits=limits)
    ready: asyncio.Future[Hub] = asyncio.get_running_loop().create_future()
    with listen(chosen.host, chosen.port) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = BargeinServer(config_for(app), app, ready.set_result)
        running = asyncio.create_task(server.serve(sockets=[listener]), name="server")
        first: list[asyncio.Future[object]] = [running, ready]  # type: ignore[list-item]
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        try:
            async with httpx.AsyncClient(base_url=url) as http:
                yield World(url, await ready, server, http)
        finally:
            server.should_exit = True
            async with asyncio.timeout(15):
                await running
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    assert not left or not alone, f"tasks left behind: {left}"


class PlainServer(uvicorn.Server):
    """uvicorn as it comes, but that it says when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.up.set()


@asynccontextmanager
async def on_uvicorn(app: FastAPI, **options: Any) -> AsyncIterator[str]:
    """Somebody's app on uvicorn as it comes, or with these options, on a free port; its address."""
    with listen("127.0.0.1", 0) as listener:
        server = PlainServer(uvicorn.Config(app, **({"log_level": "warning", "lifespan": "on"} | options)))
        running = asyncio.create_task(server.serve(sockets=[listener]), name="uvicorn")
        try:
            async with asyncio.timeout(10):
                await server.up.wait()
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            async with asyncio.timeout(15):
                await running
