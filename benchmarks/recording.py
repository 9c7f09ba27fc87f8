"""What a call's recording costs: `python -m benchmarks.recording`.

The first rows are the recording alone, in moved time: processor of the event loop's part and of the disk's thread, for
each second of a call, and the size of the file. The others are telephones with and without `--record-audio on`, in
turns (`--calls 100`; without it, none): processor for each call, and onset to silence.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from bargein.audio.mulaw import mulaw_codes
from bargein.audio.pcm import Samples
from bargein.protocols import AudioOut, WireSamples
from bargein.recorder.audio_file import AUDIO_FILE
from bargein.recorder.audio_recorder import AudioRecorder
from bargein.recorder.journal import NullJournal
from benchmarks import phone
from benchmarks.sounds import clips
from benchmarks.table import Check, SpreadRow, show

GOAL = "<= 500"
TURN_S = 2.5  # of speech, then as much silence
RUNS = 5


class JobsKept:
    """DiskThread by shape: its jobs wait until they are asked for."""

    def __init__(self) -> None:
        self.jobs: list[Callable[[], object]] = []

    def put(self, job: Callable[[], object], size: int = 0) -> bool:
        self.jobs.append(job)
        return True

    def work(self) -> float:
        """Do all that waits. Returns the processor's time, in s."""
        began = time.thread_time()
        for job in self.jobs:
            job()
        self.jobs.clear()
        return time.thread_time() - began


def speech(seconds: int, rate: int, *, late_s: float, room: float) -> Samples:
    """Tones like a voice's, in turns with silence. late_s: of the first turn. room: the noise, which never stops."""
    t = np.arange(seconds * rate) / rate
    voice = np.zeros(len(t))
    for k, hz in enumerate((120, 240, 360, 480, 900, 1400, 2300), 1):
        voice += np.sin(2 * np.pi * hz * t * (1 + 0.01 * np.sin(6 * np.pi * t))) / k
    speaks = (t - late_s) % (2 * TURN_S) < TURN_S
    noise = np.random.default_rng(1).normal(0, room, len(t))
    samples: Samples = (voice * speaks * 3000 * np.abs(np.sin(8 * t)) + noise).astype(np.int16)
    return samples


def cost(rate: int, agent_rate: int, *, mulaw: bool, seconds: int) -> tuple[float, float, float]:
    """Of the loop's part and of the disk's, in ms for each second of a call; bytes for each second."""
    user = speech(seconds, rate, late_s=0, room=10)
    agent: WireSamples = speech(seconds, agent_rate, late_s=TURN_S, room=0)
    if mulaw:
        agent = mulaw_codes(agent.astype(np.int16))
    size, agent_size = rate // 50, agent_rate // 50
    disk, loop_s, disk_s = JobsKept(), 0.0, 0.0
    with TemporaryDirectory(prefix="bargein-recording-") as folder:
        recorder = AudioRecorder(
            Path(folder) / "call",
            NullJournal(),
            rate=rate,
            agent_rate=agent_rate,
            at=lambda sample: sample * 1000 / rate,
            disk=disk,  # type: ignore[arg-type]
        )
        reply = recorder.reply()
        frames = [
            AudioOut(1, i, i * agent_size, agent[i * agent_size : (i + 1) * agent_size], last=False)
            for i in range(seconds * 50)
        ]
        for second in range(seconds):
            began = time.thread_time()
            for i in range(second * 50, second * 50 + 50):
                recorder.user(i * size, user[i * size : (i + 1) * size])
                reply.sent(frames[i])
                if i % 5 == 4:
                    at_ms, heard = (i + 1) * 20.0, (i + 1) * agent_size
                    reply.at(at_ms, heard, playing=True, reported=True, final=False, paced=False)
                recorder.tick(i * 20.0)
            loop_s += time.thread_time() - began
            disk_s += disk.work()
        recorder.close(seconds * 1000.0)
        disk_s += disk.work()
        written = (Path(folder) / "call" / AUDIO_FILE).stat().st_size
    return loop_s * 1000 / seconds, disk_s * 1000 / seconds, written / seconds


def rows(quick: bool) -> list[SpreadRow | Check]:
    """The recording alone. quick: shorter calls."""
    found: list[SpreadRow | Check] = []
    for name, rate, agent_rate, mulaw in (("a page", 16_000, 24_000, False), ("a telephone", 8_000, 8_000, True)):
        runs = [cost(rate, agent_rate, mulaw=mulaw, seconds=20 if quick else 120) for _ in range(RUNS)]
        loop, disk, size = ([run[k] for run in runs] for k in range(3))
        whole = tuple(1000 * (a + b) for a, b in zip(loop, disk, strict=True))
        found += [
            SpreadRow(f"recording of {name}: processor, microseconds a second", whole, GOAL),
            SpreadRow("  of it the event loop's", tuple(1000 * each for each in loop)),
            SpreadRow("  size of the file, MB an hour", (median(size) * 3600 / 1e6,)),
        ]
    return found


def telephones(number: int, *, times: int, seconds: float) -> list[SpreadRow | Check]:
    """So many telephones at once, with and without a recording, in turns."""
    spoken = phone.at_eight(clips(None))
    found: list[SpreadRow | Check] = []
    for mode in ("off", "on"):
        runs = [asyncio.run(phone.calls(spoken, number, seconds, {"BARGEIN_RECORD_AUDIO": mode})) for _ in range(times)]
        costs = tuple(1000 * run.usage.cores / number for run in runs if run.usage is not None)
        found += [
            SpreadRow(f"{number} telephones, recording {mode}: processor for each call, ms/s", costs),
            SpreadRow("  onset to silence at the ear", tuple(stop for run in runs for stop in run.stops)),
            SpreadRow("  memory grown, MB", tuple(run.usage.grown_mb for run in runs if run.usage is not None)),
        ]
    return found


def main(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Shorter calls")] = False,
    calls: Annotated[int, typer.Option(help="Telephones at once; 0: none")] = 0,
    times: Annotated[int, typer.Option(help="Runs of each kind")] = 2,
    seconds: Annotated[float, typer.Option(help="Length of a telephone's call")] = 30,
) -> None:
    """Measure what a recording costs on this machine."""
    measured = rows(quick)
    if calls:
        measured += telephones(calls, times=times, seconds=seconds)
    show(Console(width=140), measured)


if __name__ == "__main__":
    typer.run(main)
