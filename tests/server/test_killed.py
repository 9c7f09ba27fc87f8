"""A real `bargein serve` that is killed while a call runs, and one that is asked to stop."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from bargein.recorder.reading import Ordered, read
from bargein.recorder.replay import replay
from tests.server.kit import HELLO, Client

KIT = Path(__file__).parent / "kit.py"
ROOT = Path(__file__).parent.parent.parent


@asynccontextmanager
async def bargein_serve(record: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The process, and the address that it prints."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("BARGEIN_", "OPENAI_"))}
    chosen = ["--agent", f"{KIT}:agent", "--record", str(record), "--drain-s", "0"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bargein", "serve", "--port", "0", *chosen),
        env=env | {"PYTHONPATH": f"{ROOT}:{ROOT}/src"},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            line = (await process.stdout.readline()).decode()
        url = re.search(r"http://\S+", line)
        assert url is not None, line
        yield process, url.group().replace("http", "ws") + "/calls/browser"
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_what_ends_the_server_leaves_a_record_that_decides_the_same(tmp_path: Path, how: signal.Signals) -> None:
    async with bargein_serve(tmp_path) as (process, url), connect(url) as socket:
        client = Client(socket)
        await client.send(HELLO)
        call_id = str((await client.until("welcome"))["call_id"])
        for _ in range(50):
            await client.audio()
        await client.until("state", state="speaking")
        await client.send({"type": "interrupt"})
        await client.until("audio_interrupted")
        await client.speaking()
        process.send_signal(how)
        code = await client.closed()
        async with asyncio.timeout(10):
            await process.wait()
        assert code == (1006 if how is signal.SIGKILL else 1012)
    recording = read(tmp_path / call_id)
    assert recording.header.agent == "from-a-file"
    assert recording.complete is (how is not signal.SIGKILL)
    actions = {type(e.action).__name__ for e in recording.entries if isinstance(e, Ordered)}
    assert {"Say", "Cut", "Answer"} <= actions
    result = replay(recording)
    assert result.differences == []
    assert result.actions > 3
