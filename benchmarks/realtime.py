"""OpenAI Realtime against its simulator: by telephone, and in a real Chromium by WebRTC.

On the telephone it is measured at the caller's ear and on the vendor's wire. What a caller has heard of a reply is
known to the sample: the model's mu-law goes through unchanged, so what the telephone played is compared with what the
model had said.
"""

from __future__ import annotations

import asyncio
import json
import urllib.request
from base64 import b64decode
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bargein.audio.pcm import Samples
from bargein.floor import Cut, Resume
from bargein.recorder.reading import Noted, Ordered, read
from bargein_bench.callers.call_script import every
from bargein_bench.callers.crowd import CallPlan, CallRun, run
from bargein_bench.callers.result import Result
from bargein_bench.callers.telephone import FRAME, RATE
from benchmarks import realtime_agent, realtime_vendor
from benchmarks.browser import interrupted, stops
from benchmarks.cascade import vendor
from benchmarks.phone import at_eight, pin
from benchmarks.process import pid_of, server
from benchmarks.sounds import VoiceClip
from benchmarks.table import Check, SpreadRow

FIRST_MS, EVERY_MS = 2_500.0, 6_000.0
PER_MS = 8  # samples of a telephone in a millisecond
ALIKE = 1_600  # samples by which the begin of a reply is recognised
GAP_MOST = RATE  # samples of the longest silence within a reply
CROSSING = ("response.cancel", "conversation.item.truncate")
ON_ITS_WAY_MS = 500.0  # a later cancel does not belong to the cut


@dataclass(frozen=True, slots=True)
class MeasuredReply:
    """A reply that was cut and had not been resumed before."""

    reply: int
    recorded: str
    """What our record says the caller heard."""
    text: str
    """Begin of the whole reply."""


@dataclass(frozen=True, slots=True)
class MeasuredCall:
    """One call's record."""

    session: str
    """Number that the vendor gave its session."""
    cuts_ms: list[float]
    """Verdicts, on the machine's clock."""
    replies: list[MeasuredReply]


@dataclass(frozen=True, slots=True)
class RealtimeRun:
    """A run of many calls."""

    run: CallRun
    calls: dict[str, MeasuredCall]
    """By stream."""
    records: dict[str, Mapping[str, Any]]
    """Of the vendor, by session."""
    left: list[float]
    """When cancels left our process."""


async def calls(sounds: Sequence[tuple[str, Samples]], number: int, seconds: float) -> RealtimeRun:
    """A run of `number` callers at once, each of whom speaks every six seconds."""
    with TemporaryDirectory(prefix="bargein-bench-") as folder:
        async with vendor(realtime_vendor.__name__) as url:
            left = Path(folder) / "left.txt"
            settings = {
                "BARGEIN_MAX_CALLS": str(number + 2),
                "BARGEIN_BENCH_VENDORS": url,
                "BARGEIN_BENCH_LEFT": str(left),
            }
            where = f"{Path(realtime_agent.__file__)}:AGENT"
            async with server("--record", f"{folder}/calls", name=where, env=settings) as address:
                pid = pid_of(address)
                pin(pid)
                lasts = seconds * 1000

                def steps(n: int) -> list:  # type: ignore[type-arg]
                    return list(every(list(sounds), FIRST_MS + n * 137 % 2000, EVERY_MS, lasts, n))

                done = await run(CallPlan(f"ws://{address}/twilio/media", number, lasts, steps), pid)
            answer = await asyncio.to_thread(lambda: urllib.request.urlopen(f"{url}/records").read())  # noqa: S310
        made = dict(_call(record) for record in (Path(folder) / "calls").iterdir())  # every process has ended
        times = sorted(float(text) for text in left.read_text().split())
        return RealtimeRun(done, made, {record["line"]: record for record in json.loads(answer)}, times)


def _call(record: Path) -> tuple[str, MeasuredCall]:
    stream, session, began_ms = "", "", 0.0
    cuts: list[float] = []
    resumed: set[int] = set()
    recorded: dict[int, MeasuredReply] = {}
    for entry in read(record).entries:
        match entry:
            case Noted(kind="call", facts=facts):
                stream, began_ms = str(facts.get("stream")), float(str(facts["began_ms"]))
            case Noted(kind="user", facts=facts) if not session and len(str(facts["text"]).split()) > 3:
                session = str(facts["text"]).split()[3]
            case Noted(kind="heard", facts=facts) if facts["ended"] == "cut":
                number, heard = int(str(facts["reply"])), str(facts["text"])
                recorded[number] = MeasuredReply(number, heard, f"{heard} {facts['unheard']}".strip())
            case Ordered(action=Resume(reply=reply)):
                resumed.add(reply)
            case Ordered(at_ms=at_ms, action=Cut()):
                cuts.append(began_ms + at_ms)
            case _:
                pass
    return stream, MeasuredCall(session, cuts, [reply for number, reply in recorded.items() if number not in resumed])


def cancels(done: RealtimeRun) -> list[float]:
    """From each verdict to its cancel at the vendor, where a response was under way."""
    found = []
    for call in done.calls.values():
        came = [
            at_ms for at_ms, kind in done.records.get(call.session, {}).get("came", ()) if kind == "response.cancel"
        ]
        for cut_ms in call.cuts_ms:
            at_ms = next((at for at in came if at >= cut_ms - 1), None)
            if at_ms is not None and at_ms - cut_ms < ON_ITS_WAY_MS:
                found.append(at_ms - cut_ms)
    return found


def departures(done: RealtimeRun) -> list[float]:
    """From each verdict to its cancel leaving us, where a response was under way.

    Each cancel belongs to the last verdict before it.
    """
    cuts = sorted(cut_ms for call in done.calls.values() for cut_ms in call.cuts_ms)
    found = []
    for left_ms in done.left:
        before = bisect_right(cuts, left_ms)
        if before and left_ms - cuts[before - 1] < ON_ITS_WAY_MS:
            found.append(left_ms - cuts.pop(before - 1))
    return found


@dataclass(frozen=True, slots=True)
class HeardReply:
    """A reply that was cut."""

    off_ms: float
    """What the vendor was told was heard, less what the telephone played."""
    words: int
    """Words of our record beyond those that were heard."""
    vendor_words: int
    """Words of the vendor's record beyond those that were heard."""


def truths(done: RealtimeRun) -> list[HeardReply]:
    """The cut replies that are found on the callers' telephones."""
    found = []
    for result in done.run.results:
        call = done.calls.get(result.stream)
        if call is None:
            continue
        for cut in done.records.get(call.session, {}).get("cut", ()):
            # Texts that name their turn are known by forty characters.
            known = (reply.recorded for reply in call.replies if reply.recorded and reply.text[:40] == cut["text"][:40])
            ours = next(known, None)
            played = _played(result, np.frombuffer(b64decode(cut["sound"]), np.uint8))
            if ours is None or played is None:
                continue  # it was resumed, or not a word of it was heard
            ends = cut["ends"]
            true = sum(end_ms <= played / PER_MS for end_ms, _ in ends)
            counts = [sum(end <= len(words) for _, end in ends) - true for words in (ours, cut["heard"])]
            found.append(HeardReply(cut["told_ms"] - played / PER_MS, *counts))
    return found


def _played(result: Result, codes: NDArray[np.uint8]) -> int | None:
    """How many samples of a reply the caller's telephone has played, from the reply's begin on."""
    heard = result.telephone.heard[: result.lasted]
    for start in result.telephone.speech_starts:
        clear = next((at for at in result.clears if at >= start), len(heard))
        if np.array_equal(heard[start : start + ALIKE], codes[:ALIKE]) and len(codes) >= ALIKE:
            return sounded(heard[start:clear], codes)
    return None


def sounded(heard: NDArray[np.uint8], codes: NDArray[np.uint8]) -> int:
    """How many samples of codes sounded, one after another, in what was heard.

    Where the telephone had nothing to play, it was silent for a while and went on with the next sample.
    """
    at = done = 0
    while True:
        alike = heard[at : at + len(codes) - done] == codes[done : done + len(heard) - at]
        run = len(alike) if alike.all() else int(np.argmin(alike))
        at, done = at + run, done + run
        if run == len(alike):
            return done
        gaps = range(1, GAP_MOST)
        known = codes[done : done + FRAME]
        gap = next((n for n in gaps if np.array_equal(heard[at + n : at + n + FRAME], known)), None)
        if gap is None:
            return done
        at += gap


async def direct(sounds: list[VoiceClip], times: int) -> list[float]:
    """First speech sample to last sound, in a Chromium that talks with the model by WebRTC."""
    heard = await interrupted(sounds, times, serve=("--simulate",), name="openai-realtime", query="&direct=1")
    return [stop.after_ms for stop in stops(heard)[0]]


def measure(
    sounds: list[VoiceClip], *, number: int = 50, seconds: float = 60, times: int = 24
) -> list[SpreadRow | Check]:
    """All rows of the speech model."""
    by_page = asyncio.run(direct(sounds, times))
    done = asyncio.run(calls(at_eight(sounds), number, seconds))
    heard = truths(done)
    errors = [code for record in done.records.values() for code in record["errors"]]
    asked = sum(kind in CROSSING for record in done.records.values() for _, kind in record["came"])
    refused = f" ({', '.join(sorted(set(errors)))})" if errors else ""
    rows: list[SpreadRow | Check] = [
        SpreadRow("realtime by WebRTC, Chromium: first speech sample to last sound", tuple(by_page), "p50 <= 60"),
        SpreadRow(f"realtime on the telephone, {number} calls: onset to silence at the ear", tuple(done.run.stops), ""),
        Check("  interruptions yielded to", len(done.run.stops), len(done.run.stops) + done.run.misses),
        SpreadRow("  verdict to response.cancel on the wire", tuple(departures(done)), "p99 <= 5"),
        SpreadRow("  the same, to its being taken by the vendor's process", tuple(cancels(done)), ""),
        SpreadRow("  told to the vendor as heard, less what the telephone played", tuple(abs(h.off_ms) for h in heard),
            "99 % <= 40"),
        Check("    within 40 ms", sum(abs(h.off_ms) <= 40 for h in heard), len(heard)),
        Check("    our words are just those heard", sum(h.words == 0 for h in heard), len(heard)),
        Check("    within one word", sum(abs(h.words) <= 1 for h in heard), len(heard)),
        Check("    the vendor's, by its own times", sum(h.vendor_words == 0 for h in heard), len(heard)),
        Check(f"  cancels and truncations that crossed nothing{refused}", asked - len(errors), asked),
    ]  # fmt: skip
    if done.run.usage is not None:
        rows.append(SpreadRow("  processor for each call, ms/s", (1000 * done.run.usage.cores / number,), "<= 8"))
    return rows
