"""A signal: no new calls, time for those that run, a goodbye, exit 0. With a process of its own."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from bargein import protocols as c
from bargein.server.app import VoiceApp
from bargein.server.catalogue import Catalogue
from bargein.server.hub import Hub
from bargein.server.listening import listen
from bargein.server.serve import BargeinServer, config_for
from bargein.server.settings import Settings
from tests.server.kit import HELLO, Client, ToneVoice, settings, tone_agent, world

ROOT = Path(__file__).parents[2]
GOODBYE = "Sorry, I have to end this call now. Goodbye."


@dataclass
class Served:
    """`bargein serve` in a process of its own."""

    process: asyncio.subprocess.Process
    url: str

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        url = self.url.replace("http", "ws") + "/calls/browser"
        async with connect(url, subprotocols=[Subprotocol("bargein.v1")], close_timeout=0.2) as socket:
            client = Client(socket)
            await client.send(HELLO)
            yield client

    async def exit_code(self, seconds: float = 20) -> int:
        async with asyncio.timeout(seconds):
            return await self.process.wait()


@asynccontextmanager
async def served(drain_s: float) -> AsyncIterator[Served]:
    command = ["serve", "--agent", "tests/server/kit.py:agent", "--port", "0", "--no-record", "--drain-s", str(drain_s)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bargein", *command),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            while not (found := re.search(r"http://\S+", (await process.stdout.readline()).decode())):
                pass
        yield Served(process, found[0])
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_signal_lets_calls_end_says_goodbye_to_the_rest_and_exits_with_0() -> None:
    async with served(drain_s=0.8) as here, here.client() as call, httpx.AsyncClient(base_url=here.url) as http:
        await call.until("welcome")
        await call.until("state", state="speaking")
        here.process.send_signal(signal.SIGTERM)
        ready = await http.get("/readyz")
        while ready.status_code == 200:
            ready = await http.get("/readyz")
        assert ready.json()["ready"] is False
        assert (await http.get("/healthz")).status_code == 200
        async with here.client() as late:
            assert await late.error() == "closing"
            assert await late.closed() == 1013
        assert await call.still_there(), "the call goes on meanwhile"
        told = ""
        while GOODBYE not in told:
            told += str((await call.until("words"))["text"])
            await call.send({"type": "finished", "reply_id": 1, "played": 0})
        assert (await call.until("bye", 15))["reason"] == "the server stopped"
        assert await call.closed() == 1012
        assert await here.exit_code() == 0


async def test_a_second_signal_ends_at_once_and_that_is_a_good_end_too() -> None:
    async with served(drain_s=600) as here, here.client() as call, httpx.AsyncClient(base_url=here.url) as http:
        await call.until("welcome")
        here.process.send_signal(signal.SIGINT)
        while (await http.get("/readyz")).status_code == 200:
            pass
        assert await call.still_there()
        here.process.send_signal(signal.SIGTERM)
        assert (await call.until("bye"))["reason"] == "the server stopped"
        assert await here.exit_code() == 0


async def test_a_server_whose_last_call_has_ended_waits_no_longer() -> None:
    async with served(drain_s=600) as here:
        async with here.client() as call:
            await call.until("welcome")
            here.process.send_signal(signal.SIGTERM)
            await call.send({"type": "hangup"})
            await call.until("bye")
        assert await here.exit_code() == 0


async def test_a_program_that_stops_its_server_waits_for_no_call() -> None:
    async with world(None, tone_agent(greeting="hello " * 60)) as here, here.client() as call:
        here.server.should_exit = True
        assert (await call.until("bye"))["reason"] == "the server closes"
        assert await call.closed() == 1000


@pytest.mark.parametrize(
    ("how", "drain_s", "waits_s"),
    [(signal.SIGTERM, 600, 600), (signal.SIGINT, 600, 30), (signal.SIGINT, 5, 5), (signal.SIGTERM, 0, 0)],
)
async def test_a_person_at_a_terminal_waits_half_a_minute_at_most(
    how: signal.Signals, drain_s: float, waits_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    async def drain(within_s: float, _: asyncio.Event) -> None:
        waited.append(within_s)

    async with world(settings(drain_s=drain_s)) as here:
        monkeypatch.setattr(here.hub.calls, "drain", drain)
        here.server.handle_exit(how, None)
    assert waited == [waits_s]


async def test_a_signal_while_the_parts_do_not_answer_yet_ends_the_server() -> None:
    asked = asyncio.Event()

    class SilentVoice(ToneVoice):
        async def speak(self, text: AsyncIterator[str]) -> AsyncIterator[c.SpeechChunk]:
            asked.set()
            await asyncio.get_running_loop().create_future()
            yield  # type: ignore[misc]  # never

    @asynccontextmanager
    async def opened(_: Settings) -> AsyncIterator[Catalogue]:
        yield Catalogue({"tone": replace(tone_agent(), tts=SilentVoice())})

    announced: list[Hub] = []
    app = VoiceApp(settings(), agents=opened)
    with listen("127.0.0.1", 0) as listener:
        server = BargeinServer(config_for(app), app, announced.append)
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            group.create_task(server.serve(sockets=[listener]))
            await asked.wait()
            server.handle_exit(signal.SIGTERM, None)
    assert not announced
