"""Gemini Live against its simulator: from a verdict to the model's interruption, from an onset to silence at a
telephone's ear, and connections that are renewed in the midst of the caller's speech.

The renewals speak in real time. What is counted is the vendor's own record: each turn's audio, and each turn's words.
"""

from __future__ import annotations

import asyncio
import json
import socket
import urllib.request
from bisect import bisect_left
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI

from bargein import protocols as c
from bargein.audio.pcm import Pcm, Samples
from bargein.audio.resample import resample
from bargein.floor import Cut
from bargein.recorder.reading import Noted, Ordered, read
from bargein.vendors.google.live.model import GeminiLive
from bargein_bench.callers.call_script import every
from bargein_bench.callers.crowd import CallPlan, run
from bargein_simulators.gemini_live import gemini_live_app
from bargein_simulators.gemini_live_behavior import GeminiLiveSimulator
from benchmarks import gemini_agent, gemini_vendor
from benchmarks.cascade import vendor
from benchmarks.phone import at_eight, pin
from benchmarks.process import pid_of, server
from benchmarks.sounds import RATE as CLIP_RATE
from benchmarks.sounds import VoiceClip
from benchmarks.table import Check, SpreadRow

FIRST_MS, EVERY_MS = 2_500.0, 6_000.0
ON_ITS_WAY_MS = 500.0  # a later start of activity does not belong to the cut
RENEWALS = 20
RATE, FRAME = 16_000, 320
GO_AWAY_MS = 400.0
GOAL = "p50 <= 70, p99 <= 130"


def rows(spoken: Sequence[VoiceClip], *, quick: bool = False) -> list[SpreadRow | Check]:
    """All rows. quick: fewer and shorter calls, and fewer renewals."""
    number, seconds = (4, 20.0) if quick else (20, 60.0)
    return [
        *asyncio.run(_calls(at_eight(list(spoken)), number, seconds)),
        *asyncio.run(_renewals(spoken, 4 if quick else RENEWALS)),
    ]


async def _calls(sounds: Sequence[tuple[str, Samples]], number: int, seconds: float) -> list[SpreadRow | Check]:
    lasts = seconds * 1000

    def steps(n: int) -> list[Any]:
        return list(every(list(sounds), FIRST_MS + n * 137 % 2000, EVERY_MS, lasts, n))

    with TemporaryDirectory(prefix="bargein-bench-") as folder:
        async with vendor(gemini_vendor.__name__) as url:
            settings = {"BARGEIN_MAX_CALLS": str(number + 2), "BARGEIN_BENCH_VENDORS": url}
            where = f"{Path(gemini_agent.__file__)}:AGENT"
            async with server("--record", f"{folder}/calls", name=where, env=settings) as address:
                pid = pid_of(address)
                pin(pid)
                done = await run(CallPlan(f"ws://{address}/twilio/media", number, lasts, steps), pid)
            answer = await asyncio.to_thread(lambda: urllib.request.urlopen(f"{url}/records").read())  # noqa: S310
        cuts = sorted(ms for record in (Path(folder) / "calls").iterdir() for ms in _cuts(record))
    records = json.loads(answer)
    starts = sorted(ms for record in records for ms in record["starts_ms"])
    refused = sum(record["closed"] != 0 for record in records)
    found = len(done.stops)
    made: list[SpreadRow | Check] = [
        SpreadRow(f"Gemini Live, {number} calls: onset to silence at the ear", tuple(done.stops), GOAL),
        Check("  interruptions yielded to", found, found + done.misses),
        SpreadRow("  stale audio after a cut", tuple(score.stale_ms for score in done.scores), "0"),
        SpreadRow("  verdict to activityStart, taken by the vendor's process", tuple(_after(cuts, starts)), "p99 <= 5"),
        Check("  connections that the vendor had no cause to close", len(records) - refused, len(records)),
    ]
    if done.usage is not None:
        made.append(SpreadRow("  processor for each call, ms/s", (1000 * done.usage.cores / number,), ""))
    return made


def _cuts(record: Path) -> list[float]:
    """When verdicts cut, on the machine's clock."""
    began_ms, cuts = 0.0, []
    for entry in read(record).entries:
        match entry:
            case Noted(kind="call", facts=facts):
                began_ms = float(str(facts["began_ms"]))
            case Ordered(at_ms=at_ms, action=Cut()):
                cuts.append(began_ms + at_ms)
            case _:
                pass
    return cuts


def _after(cuts: Sequence[float], starts: Sequence[float]) -> list[float]:
    """From each cut to the next start of an activity."""
    found = []
    for cut_ms in cuts:
        at = bisect_left(starts, cut_ms - 1)
        if at < len(starts) and starts[at] - cut_ms < ON_ITS_WAY_MS:
            found.append(max(0.0, starts[at] - cut_ms))
    return found


async def _renewals(spoken: Sequence[VoiceClip], number: int) -> list[SpreadRow | Check]:
    """One call whose connection must go in the midst of each turn."""
    words = [f"this is turn number {n}" for n in range(1, number + 1)]
    sim = GeminiLiveSimulator(
        respond=lambda said, _: f"{said}.", script=deque(words), first_audio_ms=50, speed=0, go_away_ms=GO_AWAY_MS
    )
    clips = [resample(Pcm(clip.samples, CLIP_RATE), RATE).samples for clip in spoken]
    heard, renewed = 0, 0
    lost_ms: list[float] = []
    async with _serving(gemini_live_app(sim)) as url:
        model = GeminiLive(api_key="k", base_url=url)
        line = model.open(c.SessionConfig("Be short.", "en"), lambda: ())
        events: list[object] = []
        listening = asyncio.create_task(_listen(line, events))
        for n, word in enumerate(words):
            samples = np.concatenate((clips[n % len(clips)], clips[(n + 1) % len(clips)]))
            line.turn_started(0)
            before = len(sim.sessions)
            going = asyncio.create_task(_go_away(sim, after_s=0.3))
            await _speak(line, samples)
            reply = line.answer((), spoken=True)
            text = "".join([piece.text async for piece in reply.audio() if isinstance(piece, c.SpeechChunk)])
            await going
            session = sim.sessions[-1]
            renewed += len(sim.sessions) > before
            heard += text == f"{word}."
            lost_ms.append(abs(len(samples) * 1000 / RATE - session.activity_ms[-1]))
        outages = sum(isinstance(event, c.STTLost) for event in events)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await model.aclose()
        await sim.speech.aclose()
    return [
        Check("Gemini Live: connections renewed in the midst of a turn", renewed, number),
        Check("  turns whose every word was answered", heard, number),
        SpreadRow("  audio of a turn that the model lacked, ms", tuple(lost_ms), "0"),
        Check("  renewals that were no outage of the call", number - outages, number),
    ]


@asynccontextmanager
async def _serving(app: FastAPI) -> AsyncIterator[str]:
    """The app at a free port, in this event loop."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="websockets-sansio", lifespan="off"))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


async def _listen(line: c.RealtimeConnection, events: list[object]) -> None:
    async for event in line.events():
        events.append(event)


async def _speak(line: c.RealtimeConnection, samples: Samples) -> None:
    """In real time."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for at in range(0, len(samples), FRAME):
        line.push_audio(samples[at : at + FRAME])
        await asyncio.sleep(max(0.0, began + (at + FRAME) / RATE - loop.time()))


async def _go_away(sim: GeminiLiveSimulator, *, after_s: float) -> None:
    """Have the newest connection go."""
    await asyncio.sleep(after_s)
    await sim.sessions[-1].go_away()
