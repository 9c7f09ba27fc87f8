"""The example bot, Pipecat's own transport and serializer, called over the wire as Twilio calls, on our simulators."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fastapi import FastAPI

from bargein.audio.resample import resample
from bargein.recorder.reading import read
from bargein.recorder.replay import replay
from bargein.vendors.local.espeak import say
from bargein_bench.callers import call_script
from bargein_bench.callers.caller_audio import Step
from bargein_bench.callers.fleet import CallPlan, CallRun, run
from bargein_bench.callers.telephone import RATE
from bargein_simulators.cartesia import CartesiaSimulator, add_cartesia
from bargein_simulators.chat import ChatSimulator, add_chat
from bargein_simulators.deepgram_nova import NovaSimulator, add_nova
from bargein_simulators.speech import SimulatedSpeech
from tests.simulators.serving import serving
from tests.strangers.clients_kit import PYTHON

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
STORY = " ".join(f"This is sentence number {n} of a long story." for n in range(1, 40))
SENTENCES = ("No, that is not what I asked for.", "Excuse me, can I say something?", "Wait, I have a question.")
CALLS = 2


@asynccontextmanager
async def bot(urls: str, records: Path) -> AsyncIterator[str]:
    """The example in Pipecat's environment. Gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ws = urls.replace("http", "ws")
    settings = {
        "PYTHONPATH": str(ROOT / "src"),
        "DEEPGRAM_URL": urls,
        "OPENAI_URL": f"{urls}/v1",
        "CARTESIA_URL": f"{ws}/tts/websocket",
        "RECORDS": str(records),
    }
    with (records / "log.txt").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            PYTHON,
            ROOT / "examples" / "frameworks" / "pipecat_agent.py",
            str(port),
            env=os.environ | settings,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=log,
        )
        try:
            await listening(port, process)
            yield f"ws://127.0.0.1:{port}/media"
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()


async def listening(port: int, process: asyncio.subprocess.Process) -> None:
    """Until the server takes connections."""
    async with asyncio.timeout(60):
        while True:
            assert process.returncode is None, "the bot has ended: its log.txt says why"
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return


async def called(records: Path, calls: int, lasts_ms: float) -> CallRun:
    """What callers heard, who say a sentence every 6 s."""
    app, speech = FastAPI(), SimulatedSpeech()
    add_nova(app, NovaSimulator(delay_ms=60))
    add_chat(app, ChatSimulator(respond=lambda _: STORY))
    add_cartesia(app, CartesiaSimulator(speech=speech))
    clips = [(text, resample((await say(text))[0], RATE).samples) for text in SENTENCES]
    try:
        async with serving(app, ws=True) as urls, bot(urls, records) as url:

            def steps(number: int) -> list[Step]:
                return call_script.every(clips, 3_500 + 171 * number, 6_000, lasts_ms, number)

            return await run(CallPlan(url, calls, lasts_ms, steps))
    finally:
        await speech.aclose()


async def test_callers_by_telephone_silence_the_bot_and_the_calls_can_be_replayed(tmp_path: Path) -> None:
    done = await called(tmp_path, CALLS, 13_000)
    log = (tmp_path / "log.txt").read_text()
    assert not done.failed, log[-3_000:]
    assert len(done.scores) == CALLS
    assert done.stops, log[-3_000:]
    assert done.misses == 0
    assert "Bargein: " not in "\n".join(line for line in log.splitlines() if "WARNING" in line or "ERROR" in line)
    records = [folder for folder in tmp_path.iterdir() if folder.is_dir()]  # noqa: ASYNC240
    assert len(records) == CALLS
    for folder in records:
        record = read(folder)
        assert record.complete
        assert not replay(record).differences
