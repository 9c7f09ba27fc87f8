"""`bargein drain` against a real server, and against what is none."""

from __future__ import annotations

import asyncio
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from typer.testing import CliRunner, Result

from bargein.cli import app, drain
from bargein.server.listening import listen
from tests.server.kit import TOKEN, settings, tone_agent, world


async def run(*words: str) -> Result:
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, ["drain", *words]))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "LOOK_S", 0.05)
    monkeypatch.delenv("BARGEIN_TOKEN", raising=False)


async def test_a_server_takes_no_new_call_and_the_command_waits_for_the_last_one() -> None:
    async with world(None, tone_agent(greeting="hello " * 60)) as here:
        async with here.client() as call:
            draining = asyncio.create_task(run(here.url))
            async with asyncio.timeout(10):
                while (await here.http.get("/readyz")).status_code == 200:
                    pass
            assert await call.still_there()
            assert not draining.done()
            await call.send({"type": "hangup"})
            await call.until("bye")
        told = await draining
        assert (told.exit_code, "No calls are left" in told.stdout) == (0, True)
        assert "takes calls again" in (await run(here.url, "--undo")).stdout
        async with here.client() as call:
            assert await call.still_there()


async def test_the_token_is_the_one_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(settings(token=TOKEN)) as here:
        refused = await run(here.url)
        assert refused.exit_code == 2
        assert "Set BARGEIN_TOKEN to the server's token" in refused.stderr
        monkeypatch.setenv("BARGEIN_TOKEN", TOKEN)
        assert (await run(here.url)).exit_code == 0


@contextmanager
def another_server() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


async def test_where_no_server_of_ours_answers_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("BARGEIN_PORT", str(port))
    with another_server() as another:
        for words, says in (
            ((), f"No server answers at http://127.0.0.1:{port}"),
            ((another,), "is no server of Bargein"),
            (("nonsense",), "is no address"),
            (("http://[",), "is no address"),
        ):
            told = await run(*words)
            assert told.exit_code == 2
            assert says in told.stderr
            assert "Traceback" not in told.output
