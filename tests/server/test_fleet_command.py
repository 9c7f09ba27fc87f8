"""`bargein fleet`, against real servers and against what is none."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from bargein.cli import app
from bargein.cli import fleet as command
from tests.server.kit import HELLO, TOKEN, tone_agent
from tests.server.two_nodes import node, shared_stores

runner = CliRunner()


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BARGEIN_TOKEN", "BARGEIN_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "160")


async def run(*words: str, **variables: str) -> Result:
    return await asyncio.to_thread(runner.invoke, app, ["fleet", *words], env=variables)


async def test_any_node_shows_all_nodes_and_their_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    stores = shared_stores(monkeypatch)
    agent = tone_agent("[red]evil[/red]\x1b[31m")
    async with node("a", agent, token=TOKEN) as a, node("b", agent, token=TOKEN) as b:
        async with b.client({}, additional_headers={"Authorization": f"Bearer {TOKEN}"}) as client:
            await client.send(HELLO)
            await client.until("welcome")
            await b.hub.fleet._nodes.beat()  # so that a knows its load
            shown = await run(a.url, "--once", BARGEIN_TOKEN=TOKEN)
            assert shown.exit_code == 0
            lines = shown.stdout.splitlines()
            assert any("a *" in line and "ready" in line and "0 of 8" in line for line in lines)
            assert any(" b " in line and "1 of 8" in line for line in lines)
            (call_id,) = b.hub.calls.ids
            assert any(call_id in line and "[red]evil[/red]" in line and " b " in line for line in lines)
            assert "\x1b[31m" not in shown.stdout
            told = json.loads((await run(a.url, "--json", BARGEIN_TOKEN=TOKEN)).stdout)
            assert ([each["id"] for each in told["nodes"]], told["here"]) == (["a", "b"], "a")
            assert (told["calls"][0]["node"], told["unknown"]) == ("b", None)
            stores.cut("a")
            told = json.loads((await run(a.url, "--json", BARGEIN_TOKEN=TOKEN)).stdout)
            assert told["calls"] == []
            assert "cut it off" in told["unknown"]
        refused = await run(a.url, BARGEIN_TOKEN="a wrong token")
        assert (refused.exit_code, "Set BARGEIN_TOKEN" in refused.stderr) == (2, True)
        assert TOKEN not in refused.stderr


@contextmanager
def stranger() -> Iterator[str]:
    """Something else that speaks HTTP."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>hello</html>")

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def test_what_is_no_server_of_ours_is_said_in_one_line() -> None:
    with stranger() as url:
        answer = await run(url)
        assert (answer.exit_code, "is no server of Bargein" in answer.stderr) == (2, True)
    for address, said in (
        ("http://127.0.0.1:9", "No server answers"),
        ("ftp://somewhere", "is no address"),
        ("http://", "is no address"),
        ("http://x:notaport", "is no address"),
    ):
        answer = await run(address)
        assert (answer.exit_code, said in answer.stderr) == (2, True), address
        assert len(answer.stderr.splitlines()) == 1


def test_a_low_screen_shows_the_newest_calls_and_how_many_are_left() -> None:
    calls = [{"id": f"c{i}", "state": "idle", "lasted_ms": 61_000.0, "agent": "a", "facts": {}} for i in range(9)]
    known = {"here": "", "nodes": [], "calls": calls, "finished": [], "unknown": "the store is away"}
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(command.picture(known, most=5))
    text = console.export_text()
    assert "c4" in text
    assert "c5" not in text
    assert "1:01" in text
    assert "4 more" in text
    assert "the store is away" in text
