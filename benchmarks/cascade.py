"""The cascade on the telephone, against simulated vendors whose own delays are known and subtracted.

Callers, vendors and server are processes of one machine, and share its monotonic clock. Every turn has words of its
own, by which it is found in the vendors' records and in the call's journal.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import urllib.request
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bargein.audio.pcm import Samples
from bargein.floor import Answer, ReplyStarted, SpeechWindow
from bargein.recorder.reading import Happened, Noted, Ordered, read
from bargein_bench.callers.call_script import every
from bargein_bench.callers.crowd import CallPlan, CallRun, run
from benchmarks import cascade_agent, vendors
from benchmarks.phone import at_eight, pin
from benchmarks.process import pid_of, served, server
from benchmarks.sounds import VoiceClip
from benchmarks.table import Check, SpreadRow

FIRST_MS, EVERY_MS = 2_500.0, 6_000.0
RATE_MS = 8  # samples of a telephone in a millisecond


@dataclass(frozen=True, slots=True)
class MeasuredTurn:
    """One answered turn of a call. Times on the call's clock."""

    text: str
    answer_ms: float
    """When the answer was ordered."""
    first_audio_ms: float
    """When the answer began to sound."""
    quiet_ms: float
    """When the user's speech ended."""


@dataclass(frozen=True, slots=True)
class CascadeRun:
    """A run of many calls."""

    run: CallRun
    """Of the callers."""
    turns: dict[str, list[MeasuredTurn]]
    """By stream."""
    records: dict[str, Any]
    """Of the vendors."""


@asynccontextmanager
async def vendor(module: str) -> AsyncIterator[str]:
    """The address of the vendors that a module serves, in a process of their own."""
    # Callers have priority: a vendor's time is subtracted, a caller's is not.
    async with served("nice", sys.executable, "-m", module) as url:
        yield url


async def calls(sounds: Sequence[tuple[str, Samples]], number: int, seconds: float, **env: str) -> CascadeRun:
    """A run of `number` callers at once, each of whom speaks every six seconds."""
    with TemporaryDirectory(prefix="bargein-bench-") as folder:
        async with vendor(vendors.__name__) as url:
            settings: Mapping[str, str] = {
                "BARGEIN_MAX_CALLS": str(number + 2),
                "BARGEIN_BENCH_VENDORS": url,
                **env,
            }
            where = f"{Path(cascade_agent.__file__)}:AGENT"
            async with server("--record", folder, name=where, env=settings) as address:
                pid = pid_of(address)
                pin(pid)
                lasts = seconds * 1000

                def script(n: int) -> list:  # type: ignore[type-arg]
                    return list(every(list(sounds), FIRST_MS + n * 137 % 2000, EVERY_MS, lasts, n))

                usual = os.getpriority(os.PRIO_PROCESS, 0)
                with suppress(PermissionError):
                    os.setpriority(os.PRIO_PROCESS, 0, -10)  # the callers' clocks are read
                try:
                    done = await run(CallPlan(f"ws://{address}/twilio/media", number, lasts, script), pid)
                finally:
                    os.setpriority(os.PRIO_PROCESS, 0, usual)
            answer = await asyncio.to_thread(lambda: urllib.request.urlopen(f"{url}/records").read())  # noqa: S310
        turns = dict(_turns(record) for record in Path(folder).iterdir())  # noqa: ASYNC240  # every process has ended
        return CascadeRun(done, turns, json.loads(answer))


def _turns(record: Path) -> tuple[str, list[MeasuredTurn]]:
    """The id of the stream, and its turns."""
    stream, found = "", []
    answer_ms = quiet_ms = ended_ms = 0.0
    text = ""
    for entry in read(record).entries:
        match entry:
            case Noted(kind="call", facts=facts):
                stream = str(facts.get("stream"))
            case Noted(kind="user", facts=facts):
                text = str(facts["text"])
            case Happened(event=SpeechWindow() as window) if window.speech >= 0.5:
                quiet_ms = window.until_ms
            case Ordered(at_ms=at_ms, action=Answer()):
                answer_ms, ended_ms, text = at_ms, quiet_ms, ""
            case Happened(event=ReplyStarted() as started) if text:
                found.append(MeasuredTurn(text, answer_ms, started.at_ms, ended_ms))
                text = ""
            case _:
                pass
    return stream, found


def beyond(done: CascadeRun) -> list[float]:
    """Of each turn: from the arrival of its end to the first audio, less the vendors' own times.

    Those are the LLM's time to its first whole clause, and the TTS's time to its first audio.
    """
    chats = {str(text): (came, first) for came, first, text in done.records["chats"]}
    found = []
    for turns in done.turns.values():
        for turn in turns:
            chat = chats.get(turn.text)
            spoken_reply = next((v for v in done.records["voices"] if turn.text in str(v[2])), None)
            if chat is None or spoken_reply is None or None in (*chat, *spoken_reply):
                continue
            own = (float(chat[1]) - float(chat[0]) + float(spoken_reply[1]) - float(spoken_reply[0])) * 1000
            found.append(turn.first_audio_ms - turn.answer_ms - own)
    return found


def gaps(done: CascadeRun) -> list[float]:
    """From the end of the user's speech to the first audio of the answer."""
    return [turn.first_audio_ms - turn.quiet_ms for turns in done.turns.values() for turn in turns]


def flushes(done: CascadeRun) -> list[float]:
    """From a start of turn that leaves Flux to the clear of the caller's telephone."""
    starts: dict[str, list[float]] = {}  # by the number of the STT connection
    for connection in done.records["lines"]:
        numbers = [words[3] for _, _, text in connection if len(words := text.split()) > 3]
        if numbers:
            starts[numbers[0]] = [at_s * 1000 for at_s, event, _ in connection if event == "StartOfTurn"]
    found = []
    for result in done.run.results:
        turns = done.turns.get(result.stream)
        began = starts.get(turns[0].text.split()[3], []) if turns else []
        for start_ms in (at_ms - result.began_ms for at_ms in began):
            clear_ms = next((at / RATE_MS for at in result.clears if at / RATE_MS >= start_ms - 1), None)
            if clear_ms is not None and clear_ms - start_ms < 500:  # else there was nothing to clear
                found.append(clear_ms - start_ms)
    return found


def measure(sounds: list[VoiceClip], *, number: int = 50, seconds: float = 45) -> list[SpreadRow | Check]:
    """All rows of the cascade."""
    spoken = at_eight(sounds)
    plain = asyncio.run(calls(spoken, number, seconds))
    ahead = asyncio.run(calls(spoken, number, seconds, BARGEIN_BENCH_GUESSES="1"))
    alone = asyncio.run(calls(spoken, number, seconds, BARGEIN_BENCH_FLUX_ALONE="1"))
    own = vendors.TOKEN_MS + vendors.AUDIO_MS
    rows: list[SpreadRow | Check] = [
        SpreadRow(f"cascade, {number} calls: end of turn to first audio, beyond the vendors' own", tuple(beyond(plain)),
            "p50 <= 15, p99 <= 40"),
        SpreadRow(f"  the user's last speech to first audio (LLM and TTS: {own:.0f} ms)", tuple(gaps(plain))),
        SpreadRow("  the same, with replies prepared ahead", tuple(gaps(ahead)), "200 ms less"),
        SpreadRow("  start of turn leaves Flux, to the telephone cleared", tuple(flushes(alone)), "p99 <= 5"),
        SpreadRow("  onset to silence at the ear", tuple(ahead.run.stops), ""),
        Check("  interruptions yielded to", len(ahead.run.stops), len(ahead.run.stops) + ahead.run.misses),
    ]  # fmt: skip
    if ahead.run.usage is not None:
        rows.append(SpreadRow("  processor for each call, ms/s", (1000 * ahead.run.usage.cores / number,)))
    return rows
