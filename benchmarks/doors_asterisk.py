"""Asterisk's WebSocket channel: a simulated Asterisk calls a server of ours, and its callers interrupt and cough.

Latencies count from the first sample of the caller's speech to the last audible sample that Asterisk's core got. The
caller's jitter buffer behind it (40 to 100 ms at a telephone) is not counted. A held reply is compared, sample by
sample, with the same reply in a call whose caller was quiet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bargein.audio.pcm import Pcm
from bargein.audio.resample import resample
from bargein_bench.callers import call_script
from bargein_bench.callers.asterisk_call import AsteriskCaller
from bargein_bench.callers.crowd import CallPlan, CallRun, run
from bargein_bench.callers.telephone import RATE
from bargein_bench.scenarios import formants
from bargein_bench.scenarios.clips import RATE as CLIP_RATE
from benchmarks import unique_agent
from benchmarks.phone import EVERY_MS, FIRST_MS, at_eight, pin
from benchmarks.process import pid_of, server
from benchmarks.sounds import VoiceClip
from benchmarks.table import Check, SpreadRow

GOAL = "p50 <= 70, p99 <= 130"
COUGHS_AT_MS = (900.0, 1_230.0, 1_570.0, 1_910.0, 2_280.0, 2_640.0)


def rows(spoken: Sequence[VoiceClip], *, quick: bool = False) -> list[SpreadRow | Check]:
    """All rows. quick: fewer and shorter calls."""
    return asyncio.run(_rows(spoken, quick=quick))


async def _rows(spoken: Sequence[VoiceClip], *, quick: bool) -> list[SpreadRow | Check]:
    number, seconds = (4, 20) if quick else (20, 60)
    made: list[SpreadRow | Check] = []
    async with server(env={"BARGEIN_MAX_CALLS": "64"}) as address:
        url, pid = f"ws://{address}/asterisk/media", pid_of(address)
        pin(pid)
        for calls in (1, number):
            made += _of_interruptions(await _interrupted(url, spoken, calls, seconds, pid), calls)
    async with server(name=f"{Path(unique_agent.__file__)}:AGENT") as address:
        made += await _of_coughs(f"ws://{address}/asterisk/media")
    return made


async def _interrupted(url: str, spoken: Sequence[VoiceClip], number: int, seconds: float, pid: int) -> CallRun:
    sounds, lasts = at_eight(spoken), seconds * 1000

    def script(n: int) -> list:  # type: ignore[type-arg]
        return list(call_script.every(sounds, FIRST_MS + n * 137 % 1000, EVERY_MS, lasts, n))

    return await run(CallPlan(url, number, lasts, script, caller=AsteriskCaller), pid)


def _of_interruptions(done: CallRun, number: int) -> list[SpreadRow | Check]:
    found = len(done.stops)
    made: list[SpreadRow | Check] = [
        SpreadRow(f"Asterisk, {number} calls: onset to silence at the ear", tuple(done.stops), GOAL),
        Check(f"Asterisk, {number} calls: interruptions yielded to", found, found + done.misses),
        SpreadRow("  stale audio after a cut", (sum(s.stale_ms for s in done.scores),), "0"),
        Check("  calls without a breach of the channel's rules", sum(not s.faults for s in done.scores), number),
    ]
    if done.usage is not None and number > 1:
        made.append(SpreadRow("  processor for each call, ms/s", (1000 * done.usage.cores / number,), "<= 6"))
    return made


async def _of_coughs(url: str) -> list[SpreadRow | Check]:
    """Each caller coughs once; what the core got is compared with a quiet caller's, up to the first cut."""
    wave = formants.cough(np.random.default_rng(5), lasts_ms=260, voiced=0.3)
    loud = np.asarray(wave / np.abs(wave).max() * 12_000, np.int16)
    cough = resample(Pcm(loud, CLIP_RATE), RATE).samples
    quiet = AsteriskCaller(url, (), 5_000)
    coughs = [AsteriskCaller(url, (call_script.say(at, cough, "cough"),), 5_000) for at in COUGHS_AT_MS]
    await asyncio.gather(*(each.run() for each in (quiet, *coughs)))
    whole = bytes(quiet.channel.core)
    held = [each for each in coughs if each.channel.held_ms]
    wrong = []
    for each in held:
        heard = each.channel.core[: each.channel.uncut]
        size = min(len(heard), len(whole))
        unlike = np.frombuffer(heard[:size], "<i2") != np.frombuffer(whole[:size], "<i2")
        wrong.append(float(unlike.sum()))
    return [
        Check("Asterisk, callers who cough: replies that were held", len(held), len(coughs)),
        SpreadRow("  samples lost or repeated by a hold and its resume", tuple(wrong), "0"),
        SpreadRow("  length of the hold", tuple(ms for each in held for _, ms in each.channel.held_ms), ""),
    ]
