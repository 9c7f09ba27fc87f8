"""WebRTC calls of clients that are no page: when the agent is silent, and a call's cost beside aiortc as it comes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from bargein.audio.pcm import Samples
from bargein_bench.callers.call_script import every
from bargein_bench.callers.crowd import CallPlan, CallRun, run
from bargein_bench.callers.webrtc_call import WebRTCCaller
from benchmarks.phone import at_eight, rows_of
from benchmarks.process import pid_of, served, server
from benchmarks.sounds import VoiceClip
from benchmarks.table import Check, SpreadRow

FIRST_MS, EVERY_MS = 3_000.0, 5_000.0


def rows(sounds: Sequence[VoiceClip], *, quick: bool = False) -> list[SpreadRow | Check]:
    """One call, and ten at once; then as many with aiortc's own encoder, jitter buffer and threads."""
    spoken = at_eight(sounds)
    found: list[SpreadRow | Check] = []
    for number in (1, 10):
        done = asyncio.run(calls(spoken, number, 15 if quick else 40))
        found += [_renamed(row, number) for row in rows_of(done, number)]
    found.append(SpreadRow("aiortc as it comes, 10 calls: processor for each, ms/s", (asyncio.run(stock(10)),)))
    return found


def _renamed(row: SpreadRow | Check, number: int) -> SpreadRow | Check:
    what = row.what.replace("telephone,", "WebRTC,")
    if isinstance(row, Check):
        return Check(what, row.passed, row.of)
    goal = "p50 <= 70, p99 <= 130" if "onset" in what else "half of aiortc's" if "processor" in what else row.goal
    return SpreadRow(what, row.values, goal)


async def calls(sounds: list[tuple[str, Samples]], number: int, seconds: float) -> CallRun:
    """So many calls at once, each interrupted every five seconds."""
    async with server(env={"BARGEIN_MAX_CALLS": str(number + 2)}) as address:
        lasts_ms = seconds * 1000

        def script(n: int) -> list:  # type: ignore[type-arg]
            return list(every(sounds, FIRST_MS + n * 137 % 1000, EVERY_MS, lasts_ms, n))

        url = f"http://{address}/webrtc/offer"
        return await run(CallPlan(url, number, lasts_ms, script, caller=WebRTCCaller), pid_of(address))


async def stock(number: int, seconds: float = 15.0) -> float:
    """What a call costs with aiortc alone, in ms of a core a second."""
    async with served(sys.executable, "-m", "benchmarks.stock_webrtc") as address:
        plan = CallPlan(f"{address}/webrtc/offer", number, seconds * 1000, lambda _: (), caller=WebRTCCaller)
        done = await run(plan, pid_of(address))
        return float("nan") if done.usage is None else 1000 * done.usage.cores / number
