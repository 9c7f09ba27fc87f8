"""A page behind a balancer, in a real Chromium: its server dies in a reply, and the call goes on at another one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from bargein import protocols as c
from bargein.agent import Agent, Greeting
from benchmarks.chromium import page
from tests.server.kit import Echo, ToneVoice, World
from tests.server.two_nodes import node, shared_stores
from tests.web.kit import GREETING, QUIET

LOST = "Sorry, I lost you for a moment. As I was saying,"


class Balancer:
    """Passes each connection on to one server: at first to one, after its death to another."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._open: set[asyncio.StreamWriter] = set()

    def dies(self, port: int) -> None:
        """The server is gone, and its connections with it. Others go to this port."""
        self.port = port
        for writer in self._open:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, front = await asyncio.open_connection("127.0.0.1", self.port)
        ends = {front, writer}
        self._open |= ends
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(pass_on(reader, front))
                group.create_task(pass_on(behind, writer))
        finally:
            self._open -= ends
            for each in ends:
                each.transport.abort()


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


@asynccontextmanager
async def balanced(a: World) -> AsyncIterator[tuple[Balancer, str]]:
    balancer = Balancer(int(a.url.rpartition(":")[2]))
    server = await asyncio.start_server(balancer.serve, "127.0.0.1", 0)
    async with server:
        yield balancer, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        balancer.dies(0)


def said(world: World) -> list[c.AgentSaid]:
    (call_id,) = world.hub.calls.ids
    return [i for i in world.hub.calls.call(call_id).conversation.items if isinstance(i, c.AgentSaid)]


async def test_a_server_dies_in_a_reply_and_the_page_hears_the_rest_from_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stores = shared_stores(monkeypatch)
    agent = Agent(name="t", stt=None, llm=Echo(), tts=ToneVoice(), scripted=True, greeting=Greeting(GREETING))
    async with (
        node("a", agent, node_url=None) as a,
        node("b", agent, node_url=None) as b,
        balanced(a) as (balancer, url),
        page() as shown,
    ):
        await shown.add_init_script(QUIET)
        await shown.goto(f"{url}/?record=1")
        await shown.click("#main")
        await shown.wait_for_function("() => bargein.call?.reports.some(r => r.played > 19200)")
        stores.cut("a")
        balancer.dies(int(b.url.rpartition(":")[2]))
        await shown.wait_for_function("() => bargein.call.reports.some(r => r.reply_id === 2 && r.played > 40000)")
        await shown.fill("#text", "tea")
        await shown.press("#text", "Enter")
        await shown.wait_for_function("() => bargein.transcript().some(t => t.text.includes('You said tea'))")
        told = await shown.evaluate("() => bargein.call.messages.filter(m => m.type === 'welcome')")
        reports = await shown.evaluate("() => bargein.call.reports")
        lines = await shown.evaluate("() => bargein.transcript()")
        problems = await shown.evaluate("() => bargein.call.problems")
        first, second = said(b)[:2]
    assert [(m["restored"], m["at"]) for m in told] == [(False, "/n/a"), (True, "/n/b")]
    assert told[0]["call_id"] == told[1]["call_id"]
    # What the record has of the first reply is what the page played of it, to the word.
    played = max(r["played"] for r in reports if r["reply_id"] == 1)
    heard = first.text.split()
    assert heard == [f"word{i}" for i in range(played // 2_400)]
    # The second server went on with the very next word, and none was said twice.
    again = second.text.removeprefix(LOST).split()
    assert second.text.startswith(LOST)
    assert again[:3] == [f"word{i}" for i in range(len(heard), len(heard) + 3)]
    assert [line["role"] for line in lines[:3]] == ["agent", "agent", "user"]
    assert lines[0]["heard"].split() == heard
    assert problems == []
