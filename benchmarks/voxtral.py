"""The agent on Voxtral: in a real Chromium against the simulated vendor, and the local worker with a tiny model.

The tiny model is made of the real classes with random weights. Its tokens mean nothing. Its numbers are
those of the machinery alone: real weights take longer.
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import time
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

from bargein.audio.pcm import Pcm
from bargein.protocols import Prompt, UserSaid
from bargein.vendors.local.voxtral import VoxtralLocal
from benchmarks.browser import interrupted, stops
from benchmarks.sounds import VoiceClip
from benchmarks.table import Check, SpreadRow

CUTS, AFTER = 40, 5  # replies that are cut, and deltas before each cut


async def browser(sounds: list[VoiceClip], times: int, *, page_holds: bool) -> list[float]:
    """First speech sample to last audible sample, against `--simulate`."""
    heard = await interrupted(sounds, times, page_holds=page_holds, serve=("--simulate",), name="voxtral")
    return [stop.after_ms for stop in stops(heard)[0]]


async def local() -> list[SpreadRow | Check]:
    """The worker: how long a token takes, how long after a cut the last one is made, and its memory."""
    made = importlib.import_module("benchmarks.tiny_voxtral")  # it imports torch
    audio = Pcm(np.random.default_rng(1).normal(0, 3000, 16_000).astype(np.int16), 16_000)
    tokens: list[float] = []
    late: list[float] = []
    over = 0
    with TemporaryDirectory(prefix="bargein-bench-") as folder:
        model = VoxtralLocal(str(made.make(Path(folder))), max_tokens=200, temperature=0)
        state = await model.start()
        for turn in range(CUTS):
            deltas = 0
            async with aclosing(model.reply(Prompt("Be brief.", (UserSaid(turn, None),), audio=audio))) as reply:
                async for _ in reply:
                    deltas += 1
                    if deltas == AFTER:
                        break
                cut_ms = time.monotonic() * 1000
            state = await model.state()
            tokens += steps(state.token_times_ms)
            late.append(max(0.0, state.token_times_ms[-1] - cut_ms))
            over += state.after_stop > 1
        await model.aclose()
    return [
        SpreadRow("voxtral, tiny, on the CPU: one token", (median(tokens),), ""),
        SpreadRow("  cut to the last token", tuple(late), f"<= {median(tokens) + 5:.1f}"),
        Check("  cuts with at most one token after the stop", CUTS - over, CUTS),
        SpreadRow("  the worker's memory, MB", ((state.rss_bytes or 0) / 1e6,), ""),
    ]


def steps(times_ms: Sequence[float]) -> list[float]:
    """How long each token took but the first, which waits for the prompt to be read."""
    return [b - a for a, b in itertools.pairwise(times_ms)]


def measure(sounds: list[VoiceClip], *, times: int = 24) -> list[SpreadRow | Check]:
    """All of it."""
    rows: list[SpreadRow | Check] = [
        SpreadRow(
            f"voxtral in Chromium, {who}: first speech sample to last sound",
            tuple(asyncio.run(browser(sounds, times, page_holds=page_holds))),
            goal,
        )
        for page_holds, who, goal in (
            (False, "the server's VAD", "p50 <= 60, p99 <= 110"),
            (True, "the page's own hold", "p50 <= 25"),
        )
    ]
    return rows + asyncio.run(local())
