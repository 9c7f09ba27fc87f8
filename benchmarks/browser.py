"""The whole way, in a real Chromium: from the first speech sample in its microphone to the last audible sample.

The page's worklets record both, block by block on the audio clock. The numbers hold no timer and no network but those
that the audio itself waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bargein.audio.pcm import Pcm
from bargein.audio.words import WordClock
from bargein.protocols import SpeechChunk, Word
from benchmarks.chromium import PageRecording, page, recording, spoken
from benchmarks.process import server
from benchmarks.sounds import RATE, VoiceClip, script
from benchmarks.table import Check, SpreadRow

FIRST_MS, EVERY_MS = 4_000.0, 5_200.0
LOUD = 10 ** (-50 / 20)  # the room lies at -66 dBFS
QUIET = 1e-4  # the output is silent below this
SILENCE_MS = 290.0  # longer than any pause that the voice makes by itself
ROOM_MS = 1_500.0  # quiet in the microphone that separates two interruptions
AGENT_RATE = 24_000


@dataclass(frozen=True, slots=True)
class Stop:
    """One interruption."""

    onset_ms: float
    after_ms: float
    """From the onset to the last audible sample."""


def stops(heard: PageRecording) -> tuple[list[Stop], int]:
    """The interruptions that found the agent speaking, and the number of all interruptions."""
    onsets: list[float] = []
    last_loud = -1e9
    for at, peak in heard.microphone:
        if peak > LOUD:
            if at - last_loud > ROOM_MS:
                onsets.append(at)
            last_loud = at
    found = []
    sounding = [(at, at + heard.block_ms) for at, peak in heard.output if peak > QUIET]
    for onset in onsets:
        if not any(onset - 60 <= end <= onset + heard.block_ms for _, end in sounding):
            continue  # the agent made a pause just then
        last = onset
        for begin, end in sounding:
            if end < onset:
                continue
            if begin - last > SILENCE_MS:
                break
            last = end
        found.append(Stop(onset, last - onset))
    return found, len(onsets)


def exact_contexts(messages: list[Mapping[str, object]], reports: list[Mapping[str, object]]) -> tuple[int, int]:
    """How many cut replies the server knows to the word, by the page's own count; and of how many."""
    clocks: dict[int, WordClock] = {}
    transcripts: dict[int, str] = {}
    for m in messages:
        if m["type"] == "words":
            reply = int(str(m["reply_id"]))
            words = tuple(Word(*w) for w in m["words"])  # type: ignore[attr-defined]
            clocks.setdefault(reply, WordClock()).add(SpeechChunk(Pcm.silence(0, RATE), str(m["text"]), words))
        elif m["type"] == "transcript" and m["role"] == "agent":
            transcripts[int(str(m["reply_id"]))] = str(m["text"])
    flushed = {int(str(r["reply_id"])): int(str(r["played"])) for r in reports if r["type"] == "flushed"}
    right = sum(
        transcripts.get(r) == clocks[r].heard(n * 1000 / AGENT_RATE).text for r, n in flushed.items() if r in clocks
    )
    return right, len(flushed)


async def interrupted(
    sounds: list[VoiceClip],
    times: int,
    *,
    page_holds: bool = True,
    serve: Sequence[str] = (),
    name: str | None = None,
    query: str = "",
) -> PageRecording:
    """One call in which the microphone interrupts `times` times.

    serve, name: options of the server, and its agent. query: more of the page's address.
    """
    spoken_script = script(sounds, first_ms=FIRST_MS, every_ms=EVERY_MS, times=times)
    with TemporaryDirectory(prefix="bargein-bench-") as folder:
        wav = spoken(Path(folder) / "microphone.wav", spoken_script.samples)
        started = server(*serve) if name is None else server(*serve, name=name)
        async with started as address, page(wav) as shown:
            await shown.goto(f"http://{address}/?record=1&localhold={int(page_holds)}{query}")
            await shown.click("#main")
            await shown.wait_for_function("() => bargein.state === 'speaking'")
            await asyncio.sleep(len(spoken_script.samples) / RATE + 1)  # the microphone's own time
            return await recording(shown)


async def run(sounds: list[VoiceClip], times: int) -> list[SpreadRow | Check]:
    rows: list[SpreadRow | Check] = []
    for page_holds, what, goal in (
        (False, "browser, the server's VAD: first speech sample to last sound", "p50 <= 60, p99 <= 110"),
        (True, "browser, the page's own hold: first speech sample to last sound", "p50 <= 25"),
    ):
        heard = await interrupted(sounds, times, page_holds=page_holds)
        found, of = stops(heard)
        rows.append(SpreadRow(what, tuple(s.after_ms for s in found), goal))
        right, cut = exact_contexts(heard.messages, heard.reports)
        rows.append(
            Check(f"  of {of} interruptions, {len(found)} while it sounded; contexts exact to the word", right, cut)
        )
    return rows
