"""The script of a simulated caller, from WAV files and JSON.

    [{"at_ms": 1500, "say": "wait.wav"}, {"after_agent_ms": 800, "say": "stop.wav"},
     {"at_ms": 9000, "key": "5"}, {"at_ms": 12000, "hang_up": true}]

at_ms counts from the begin of the stream. after_agent_ms counts from the moment at which the agent begins to speak, for
the first time after the step before.
"""

from __future__ import annotations

import json
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bargein.audio.levels import onset_sample
from bargein.audio.pcm import Pcm, Samples
from bargein.audio.resample import resample
from bargein.errors import UsageError
from bargein_bench.callers.caller_audio import EndCallStep, PressKey, SayLine, Step
from bargein_bench.callers.telephone import RATE

KEYS = set("0123456789*#ABCD")


def wav(path: Path) -> Samples:
    """The audio of a WAV file (mono, 16-bit, any rate) at 8000 Hz. Raises UsageError."""
    try:
        with wave.open(str(path), "rb") as file:
            if file.getnchannels() != 1 or file.getsampwidth() != 2:
                raise UsageError(f"{path} is not 16-bit mono", advice="Convert it, with sox for instance")
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)
            return resample(Pcm(samples, file.getframerate()), RATE).samples
    except (OSError, EOFError, wave.Error) as error:
        raise UsageError(f"{path} cannot be read: {error}", advice="Give a WAV file") from None


def say(at_ms: float, samples: Samples, name: str, *, after_agent: bool = False) -> SayLine:
    """Speech whose onset is found by its level. Raises UsageError for silence."""
    onset = onset_sample(samples, RATE)
    if onset is None:
        raise UsageError(f"There is no sound in {name}", advice="Give a file with speech in it")
    return SayLine(at_ms, samples, onset, after_agent, name)


def every(
    samples: Sequence[tuple[str, Samples]], first_ms: float, every_ms: float, lasts_ms: float, offset: int
) -> list[Step]:
    """The clips in turns, one every every_ms, until shortly before the end. offset: of the first clip."""
    steps: list[Step] = []
    at = first_ms
    while at < lasts_ms - 2_500:
        name, clip = samples[(len(steps) + offset) % len(samples)]
        steps.append(say(at, clip, name))
        at += every_ms
    return steps


def read(path: Path) -> list[Step]:
    """The steps of a script. Raises UsageError, which names the wrong step."""
    try:
        raw = json.loads(path.read_text())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}", advice="Give a JSON list of steps") from None
    if not isinstance(raw, list):
        raise UsageError(f"{path} is no list", advice="Give a JSON list of steps")
    return [_step(path, number, step) for number, step in enumerate(raw, 1)]


def _step(path: Path, number: int, step: object) -> Step:
    match step:
        case {"at_ms": int() | float() as at, "say": str(file)}:
            return say(float(at), wav(path.parent / file), file)
        case {"after_agent_ms": int() | float() as at, "say": str(file)}:
            return say(float(at), wav(path.parent / file), file, after_agent=True)
        case {"at_ms": int() | float() as at, "key": str(key)} if key in KEYS:
            return PressKey(float(at), key)
        case {"at_ms": int() | float() as at, "hang_up": True}:
            return EndCallStep(float(at))
        case _:
            advice = "Write at_ms or after_agent_ms with say, or at_ms with key or hang_up"
            raise UsageError(f"Step {number} of {path} is wrong: {str(step)[:80]}", advice=advice)
