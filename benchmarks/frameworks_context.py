"""Whether the context after a cut has the words that the caller heard: Pipecat and LiveKit, alone and with our floor.

Each sentence of a caller names the caller and the cut, so the model's next request tells whose it is. Each reply begins
with a number of its own. The telephone tells how many milliseconds of the reply sounded, and the simulated voice at
which of them each word was spoken.
"""

from __future__ import annotations

import asyncio
import json
import re
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from bargein.audio.pcm import Pcm
from bargein.audio.resample import resample
from bargein.vendors.local.espeak import say
from bargein_bench.callers.caller_audio import SayLine, Step
from bargein_bench.callers.crowd import CallPlan, run
from bargein_bench.callers.result import Result
from bargein_bench.callers.telephone import RATE
from bargein_bench.machine import machine
from bargein_bench.scenarios.clips import RATE as CLIP_RATE
from bargein_bench.scenarios.clips import Clip
from benchmarks.frameworks_bots import BOTS, FrameworkBot, running, vendors

NUMBERS = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
NAMES = f"{NUMBERS} eighteen nineteen twenty".split()
FIRST_MS, EVERY_MS = 3_000.0, 8_000.0
STAGGER_MS = 431.0
REACTS_MS = 120.0  # no reply sounds sooner after it was asked for: Nova, the LLM and the TTS take longer
MOST_APART = 1  # words


@dataclass(frozen=True, slots=True)
class ContextCut:
    """A reply that was cut: the words that the next request has of it, and those that were heard."""

    call: int
    reply: int
    kept: int
    """Words in the context."""
    heard: int
    """Words of which half or more has sounded."""
    heard_ms: float
    """Audio of the reply that sounded."""
    unlike: bool
    """The context's words are not the reply's first ones."""

    @property
    def apart(self) -> int:
        return self.kept - self.heard


def sentence(call: int, cut: int) -> str:
    return f"{NAMES[call]} {NAMES[cut]} please tell me another story"


async def _spoken(calls: int, cuts: int) -> dict[tuple[int, int], Clip]:
    found = {}
    for call in range(calls):
        for cut in range(cuts):
            text = sentence(call, cut)
            pcm = resample((await say(text))[0], CLIP_RATE)
            lasts_ms = len(pcm.samples) * 1000 / CLIP_RATE
            found[call, cut] = Clip("question", text, pcm.samples, 0.0, lasts_ms, "espeak")
    return found


async def cuts_of(bot: FrameworkBot, calls: int, cuts: int, *, timed: bool = True) -> list[ContextCut]:
    """Call a bot, and cut each of its replies. timed: its TTS tells the times of words."""
    clips = await _spoken(calls, cuts)

    def script(number: int) -> Sequence[Step]:
        return [
            SayLine(
                FIRST_MS + STAGGER_MS * (number % 8) + EVERY_MS * cut,
                resample(Pcm(clips[number, cut].samples, CLIP_RATE), RATE).samples,
                name=f"{number} {cut}",
            )
            for cut in range(cuts)
        ]

    lasts_ms = FIRST_MS + STAGGER_MS * 8 + EVERY_MS * cuts
    async with vendors(list(clips.values()), "tales") as url, running(bot, url, calls, timed=timed) as process:
        done = await run(CallPlan(process.url, calls, lasts_ms, script, apart_ms=97))
        replies, spoken = (
            await asyncio.to_thread(_json, f"{url}/replies"),
            await asyncio.to_thread(_json, f"{url}/spoken"),
        )
    found = []
    by_call = {call_of(result): result for result in done.results}
    for call, asked in _by_call(replies).items():
        if call in by_call:
            result = by_call[call]
            found += judged(call, result.telephone.runs, result.began_ms, asked, replies, spoken)
    return found


def call_of(result: Result) -> int:
    step = result.spoken[0].step
    return int(step.name.split()[0])


def _json(url: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(url) as answer:  # noqa: S310  # our own loopback address
        found: list[dict[str, Any]] = json.loads(answer.read())
        return found


def _by_call(replies: Sequence[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    """The requests that follow a caller's words, by the caller who spoke them."""
    found: dict[int, list[dict[str, Any]]] = {}
    for reply in replies:
        first = _users_words(reply["before"]).casefold().split()[:1]
        if first and first[0] in NAMES:
            found.setdefault(NAMES.index(first[0]), []).append(reply)
    return found


def judged(
    call: int,
    runs: Sequence[Sequence[int]],
    began_ms: float,
    asked: Sequence[dict[str, Any]],
    replies: Sequence[dict[str, Any]],
    spoken: Sequence[dict[str, Any]],
) -> list[ContextCut]:
    """The cuts of a call. runs: begin and end of the audio that sounded, in samples of the telephone, which began at
    began_ms. asked: the requests that followed the caller's words."""
    sounded, before = _sounded(runs, began_ms, asked), 0
    texts = {reply["number"]: reply["text"] for reply in replies}
    found: list[ContextCut] = []
    for request in asked:
        kept = _kept(request["before"])
        number = int(named[1]) if (named := re.match(r"Tale (\d+)\.", " ".join(kept))) else before
        # The reply that began the call has no request that names the caller.
        heard_ms = sounded.get(number if before else 0, 0.0)
        if number in texts and number in (before or number,):
            heard = sum(middle <= heard_ms for middle in _middles(texts[number], spoken))
            unlike = kept != texts[number].split()[: len(kept)]
            found.append(ContextCut(call, number, len(kept), heard, heard_ms, unlike))
        before = request["number"]
    return found


def _users_words(before: Sequence[Sequence[str]]) -> str:
    """What the user has said since the agent's last words."""
    roles = [role for role, _ in before]
    since = len(roles) - roles[::-1].index("assistant") if "assistant" in roles else 0
    return " ".join(text for role, text in before[since:] if role == "user")


def _kept(before: Sequence[Sequence[str]]) -> list[str]:
    """The agent's words directly before the user's last ones."""
    texts = [text for role, text in before]
    roles = [role for role, _ in before]
    if "assistant" not in roles:
        return []
    last = len(roles) - 1 - roles[::-1].index("assistant")
    return texts[last].split()


def _sounded(runs: Sequence[Sequence[int]], began_ms: float, asked: Sequence[dict[str, Any]]) -> dict[int, float]:
    """How long each reply sounded, ms, by its number. 0: the reply that began the call."""
    found: dict[int, float] = {}
    for begin, end in runs:
        at_ms = began_ms + begin * 1000 / RATE
        number = next((r["number"] for r in reversed(asked) if r["at_ms"] + REACTS_MS <= at_ms), 0)
        found[number] = found.get(number, 0.0) + (end - begin) * 1000 / RATE
    return found


def _middles(text: str, spoken: Sequence[dict[str, Any]]) -> list[float]:
    """Where in the reply's audio each word's middle is, ms, for all words that were spoken."""
    found: list[float] = []
    rest, base = text.strip(), 0.0
    while rest:
        parts = [p for p in spoken if p["text"].strip() and rest.startswith(p["text"].strip())]
        if not parts:
            return found
        part = max(parts, key=lambda p: len(p["text"].strip()))
        starts = [m.start() for m in re.finditer(r"\S+", part["text"])]
        for n, start in enumerate(starts):
            until = starts[n + 1] if n + 1 < len(starts) else len(part["text"])
            times = [(a, b) for begin, a, b in part["words"] if start <= begin < until]
            if times:
                found.append(base + (times[0][0] + times[-1][1]) / 2)
        base += part["ms"]
        rest = rest[len(part["text"].strip()) :].strip()
    return found


def show_cuts(console: Console, found: dict[tuple[str, bool], list[ContextCut]]) -> None:
    """A row for each bot."""
    table = Table(title="context after a cut", caption=machine(), title_justify="left", caption_justify="left")
    names = (
        "",
        "cuts",
        "within one word",
        "exact",
        "words in the context, less those heard: p5, p50, p95",
        "other words",
    )
    for name in names:
        table.add_column(name, justify="right" if name else "left")
    for (bot, timed), cuts in found.items():
        name = f"{bot}, {'with' if timed else 'without'} times of words"
        if not cuts:
            table.add_row(name, "0")
            continue
        apart = [cut.apart for cut in cuts]
        near = sum(abs(n) <= MOST_APART for n in apart)
        p5, p50, p95 = np.percentile(apart, [5, 50, 95])
        table.add_row(
            name,
            str(len(cuts)),
            f"{100 * near / len(cuts):.1f} %",
            f"{100 * apart.count(0) / len(cuts):.1f} %",
            f"{p5:+.0f}, {p50:+.0f}, {p95:+.0f} ({min(apart):+d} to {max(apart):+d})",
            str(sum(cut.unlike for cut in cuts)),
        )
    console.print(table)


def measure(console: Console, *, quick: bool = False, only: str = "", lines: Path | None = None) -> None:
    """Cut the replies of each framework's bot, 200 in each (quick: 20), and show the table."""
    calls, cuts = (5, 4) if quick else (10, 20)
    found: dict[tuple[str, bool], list[ContextCut]] = {}
    for bot in (b for b in BOTS if b.example and only.casefold() in b.name.casefold()):
        for timed in (True, False):
            with console.status(f"{bot.name}: its replies are cut"):
                found[bot.name, timed] = asyncio.run(cuts_of(bot, calls, cuts, timed=timed))
    if lines is not None:
        with lines.open("a") as out:
            for (name, timed), every in found.items():
                out.writelines(json.dumps({"bot": name, "timed": timed, "cut": asdict(cut)}) + "\n" for cut in every)
    show_cuts(console, found)
