"""Echo of a loudspeaker in a room, offline and seeded: does the agent's own audio interrupt it, and can a caller still?

A trial is six seconds of an agent's speech in a room of `echo_rooms`, once alone and once with a caller over it. The
real detector judges it window by window, and the policy's rules say what is an onset. Two unexplained windows in a row
are a hold longer than 60 ms. "before" is the page without an echo test.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from bargein.audio.mulaw import mulaw_codes
from bargein.audio.pcm import Samples
from bargein.audio.resample import resample
from bargein.audio.silero import SileroModel
from bargein.call.input.user_audio import UserAudio
from bargein.floor import Policy, SpeechWindow
from bargein.protocols import AudioIn
from bargein.vendors.local.espeak import say
from bargein_bench.agent import SENTENCES
from bargein_bench.scenarios.clips import read_folder
from benchmarks.echo_rooms import (
    CALLER_DB,
    GAINS_DB,
    RATE,
    ROOMS,
    Room,
    Signal,
    at_level,
    echo_of,
    noise,
    recorded_responses,
    suppressed,
)
from benchmarks.echo_trials import Detector
from benchmarks.rows import Row, row, show_rows
from benchmarks.sounds import clips

FRAME, LEAD, SECONDS = 256, RATE // 2, 6
AGENT_DB = -20.0
HELD_MS = 150.0


@dataclass(frozen=True, slots=True)
class RoomTrial:
    """One room, once."""

    sent: Samples
    alone: Samples
    """The microphone without a caller."""
    spoken: Samples
    """The microphone with one."""
    at: int
    """The caller's first sample."""


@dataclass(frozen=True, slots=True)
class RoomResult:
    """What was decided in one room."""

    quiet: bool
    """Echo alone made no hold longer than 60 ms."""
    onsets: int
    """Windows of echo alone that counted as an onset."""
    held_ms: float
    """From the caller's first sample to the window that holds."""


def trials(
    room: Room, count: int, rng: np.random.Generator, agents: Sequence[Signal], folder: Path | None
) -> list[RoomTrial]:
    """So many places of one kind. Of five the fifth has a measured response, where the folder has some."""
    people = [clip.samples.astype(float) for clip in clips(folder)]
    measured = [] if folder is None else recorded_responses(folder / "rir")
    made = []
    for i in range(count):
        agent = agents[i % len(agents)]
        begin = int(rng.integers(0, len(agent) - SECONDS * RATE))
        sent = _clipped(np.concatenate((np.zeros(LEAD), agent[begin : begin + SECONDS * RATE])))
        path = measured[i % len(measured)] if measured and i % 5 == 4 else None
        echo = echo_of(room, sent.astype(float), CALLER_DB + rng.uniform(*GAINS_DB), rng, path)
        if room.residue_db is not None:
            echo = suppressed(echo, room, rng)
        alone = echo + noise(room, len(echo), rng)
        at = LEAD + int(rng.uniform(2, SECONDS - 1.5) * RATE)
        spoken = alone.copy()
        caller = at_level(people[i % len(people)][: 2 * RATE], CALLER_DB)
        over = spoken[at:][: len(caller)]
        over += caller[: len(over)]
        made.append(RoomTrial(sent, _clipped(alone), _clipped(spoken), at))
    return made


def onsets(model: SileroModel, sent: Samples, heard: Samples, *, told: bool) -> list[tuple[float, bool]]:
    """Of each window after the agent begins: where it ends (ms), and whether it counts as an onset. told: the client
    tells what its loudspeaker plays."""
    policy, found, now = Policy.balanced(), [], 0.0

    def window(w: SpeechWindow) -> None:
        loud = w.speech >= policy.hold.loud_threshold and w.rise_db >= policy.hold.loud_rise_db
        speech = w.speech >= policy.hold.hold_threshold or loud
        if w.until_ms > LEAD * 1000 / RATE:
            found.append((w.until_ms, speech and w.echo < policy.echo.echo_threshold))

    audio = UserAudio(RATE, Detector(model, RATE), lambda: now, window)
    for first in range(0, len(heard) - FRAME, FRAME):
        now = (first + FRAME) * 1000 / RATE
        played = sent[first : first + FRAME]
        sounds = told and bool(played.any())
        audio.push_audio(AudioIn(heard[first : first + FRAME], first, mulaw_codes(played) if sounds else None))
    return found


def judge(model: SileroModel, trial: RoomTrial, *, told: bool) -> RoomResult:
    """One trial, alone and with its caller."""
    alone = [on for _, on in onsets(model, trial.sent, trial.alone, told=told)]
    began = trial.at * 1000 / RATE
    spoken = onsets(model, trial.sent, trial.spoken, told=told)
    held = min((ms - began for ms, on in spoken if on and ms > began), default=2000.0)
    quiet = not any(a and b for a, b in pairwise(alone))
    return RoomResult(quiet, sum(alone), held)


def rows(folder: Path | None, count: int = 40, seed: int = 3) -> list[Row]:
    """`count` trials in each room, before and after. folder: recordings; its conversations are a second agent's voice,
    and its `rir` are rooms. None: what the packages bring."""
    model, rng = SileroModel(), np.random.default_rng(seed)
    agents, table = _agents(folder), list[Row]()
    for room in ROOMS:
        made = trials(room, count, rng, agents, folder)
        for name, told in (("before", False), ("after", True)):
            got = [judge(model, trial, told=told) for trial in made]
            held = [r.held_ms for r in got]
            soon, p50 = sum(ms <= HELD_MS for ms in held), float(np.median(held))
            note = f"{np.mean([r.onsets for r in got]):.2f} windows a trial hold"
            table += [
                row(f"{room.name}, {name}: echo alone holds <= 60 ms", sum(r.quiet for r in got), count, note),
                row(f"{room.name}, {name}: a caller over it is held <= 150 ms", soon, count, f"p50 {p50:.0f} ms"),
            ]
    return table


def _agents(folder: Path | None) -> list[Signal]:
    """What the agent says: espeak's voice, and people's."""
    spoken = resample(asyncio.run(say(" ".join(SENTENCES * 2)))[0], RATE).samples.astype(float)
    agents = [at_level(spoken, AGENT_DB)]
    if folder is not None:
        people = [clip.samples for clip in read_folder(folder) if clip.kind == "television"]
        if people:
            agents.append(at_level(np.concatenate(people).astype(float), AGENT_DB))
    return agents


def _clipped(x: Signal) -> Samples:
    return np.clip(np.rint(x), -32768, 32767).astype(np.int16)


if __name__ == "__main__":
    import sys

    from rich.console import Console

    place = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    show_rows(Console(width=140), "The agent's own echo", rows(place, int(sys.argv[1])))
