"""Calls with more than one voice: a caller, and a television or another person in the room, as scripts with labels.

A caller is a speaker of a folder of recordings with enough speech on one line. In each call the caller has two turns,
and then speaks over a reply: as loud as before, softer, or turned away. The television is recorded conversation or
reading, in a room, so much softer than the caller's turns. It speaks all the time, or not at all.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bargein.audio.mulaw import from_mulaw, to_mulaw
from bargein.audio.pcm import Pcm, Samples
from bargein.audio.resample import resample
from bargein.errors import BargeinError
from bargein_bench.scenarios import readers
from bargein_bench.scenarios.clips import RATE, Clip, read_samples

Audio = NDArray[np.float64]
Span = tuple[float, float]

ROOM_DBFS = -66.0
CALLER_DB = (-30.0, -20.0)  # level of a caller's turns
CALL_MS, FIRST_CALL_MS = 36_000, 11_000
TURNS_MS = (8_000.0, 18_000.0)
LEAST_MS = 3_200.0  # of one caller's speech
TURN_MS, SAID_MS = 2_500.0, 2_500.0
TELEVISION_DB = (-15.0, -10.0, -6.0)  # against the caller's turns
READERS = 9  # voices of a television that reads
MANNERS = ((0.0, False), (-3.0, False), (-6.0, False), (-9.0, False), (-4.0, True))  # gain (dB), turned away
HUMS = ((21_500.0, 400), (22_800.0, 450), (24_300.0, 500))  # of the caller, over the reply: begin, length (ms)


@dataclass(frozen=True, slots=True)
class Voice:
    """A speaker, and what was said on one line."""

    name: str
    phrases: tuple[Audio, ...]


@dataclass(frozen=True, slots=True)
class VoiceCall:
    """A call of `rate` Hz. Times in ms."""

    what: str
    """ "quiet", "hums", "television" or "colleague"."""
    samples: Samples
    rate: int
    turns: tuple[Span, ...]
    """Of the caller. None: the first words are said over the greeting."""
    said: Span | None
    """What the caller says over a reply."""
    other: Span | None
    """When another person speaks, who was not heard before."""
    power: NDArray[np.float64]
    """Of the caller's own audio, in each VAD window."""
    own_db: float
    """Level of what the caller says over the reply."""
    below_db: float
    """How much softer than the caller's turns the television is, as a level below 0. 0: there is none."""


def level(x: Audio) -> float:
    """Of the louder parts, dB of full scale."""
    blocks = x[: len(x) // 512 * 512].reshape(-1, 512)
    power = np.percentile(np.square(blocks).mean(axis=1), 85) if len(blocks) else 0.0
    return float(10 * np.log10(max(float(power), 1e-3) / 32768**2))


def at_level(x: Audio, db: float) -> Audio:
    return np.asarray(x * 10 ** ((db - level(x)) / 20))


def entries(folder: Path) -> list[dict[str, object]]:
    """The labels of a folder. Other files than lists of sounds have none."""
    found = json.loads((folder / "manifest.json").read_text())
    return [each for each in found if isinstance(each, dict) and "file" in each]


def voices(folder: Path | None, rate: int) -> list[Voice]:
    """The callers: of the folder, as far as they were recorded at the rate or above, or the readers of a package."""
    spoken: dict[tuple[str, str], list[Audio]] = defaultdict(list)
    if folder is None:
        for clip in _readers():
            spoken[clip.name, ""].append(_active(clip.samples, clip.onset_ms, clip.end_ms))
    else:
        for entry in entries(folder):
            recorded = float(str(entry.get("rate", RATE)))
            said = entry.get("kind") in ("speech", "interruption") and isinstance(entry.get("speaker"), str)
            if said and recorded >= rate:
                line = re.search(r"calls/(\d+)", str(entry.get("source", "")))
                begin, end = _span(entry)
                audio = _active(read_samples(folder / str(entry["file"])), begin, end)
                spoken[str(entry["speaker"]), line[1] if line else ""].append(audio)
    found = []
    for (name, _), phrases in spoken.items():
        whole = sum(map(len, phrases)) * 1000 / RATE
        if whole >= LEAST_MS:
            parts = phrases if len(phrases) > 2 else np.array_split(np.concatenate(phrases), 3)
            found.append(Voice(name, tuple(parts)))
    return found


def _readers() -> list[Clip]:
    try:
        return readers.interruptions()
    except BargeinError:
        return []


def televisions(folder: Path | None, callers: list[Voice], rng: np.random.Generator) -> list[Voice]:
    """Conversations of the folder, and readings of several callers each. A name holds those of all who speak."""
    found = []
    for entry in entries(folder) if folder is not None else []:
        if entry.get("kind") == "conversation" and float(str(entry.get("ms", 0))) > 10_000:
            audio = read_samples(folder / str(entry["file"])).astype(np.float64) if folder is not None else None
            if audio is not None:
                found.append(Voice(f"{entry.get('speaker')}", (audio,)))
    for first in range(0, len(callers) - READERS // 2, READERS):
        parts: list[Audio] = []
        for voice in callers[first : first + READERS]:
            parts += (at_level(np.concatenate(voice.phrases), -25), np.zeros(int(rng.uniform(0.1, 0.8) * RATE)))
        found.append(Voice(", ".join(v.name for v in callers[first : first + READERS]), (np.concatenate(parts),)))
    return found


def rooms(folder: Path | None) -> list[Audio | None]:
    """Impulse responses. None: no room."""
    found: list[Audio | None] = [None]
    for entry in entries(folder) if folder is not None else []:
        if entry.get("kind") == "rir" and folder is not None:
            answer = read_samples(folder / str(entry["file"])).astype(np.float64)
            found.append(answer / np.sqrt(np.square(answer).sum()))
    return found


def calls(folder: Path | None, rate: int, *, every: int = 1, seed: int = 1) -> Iterator[VoiceCall]:
    """All calls of a folder at a rate. every: takes each caller, or each second one, and so on."""
    rng = np.random.default_rng(seed)
    callers = voices(folder, rate)
    screens, around = televisions(folder, callers, rng), rooms(folder)
    for number, caller in enumerate(callers[::every]):
        others = [each for each in callers if each.name != caller.name]
        apart = [each for each in screens if not _speaks_in(caller.name, each.name)]
        if not others or not apart:
            continue
        for first in (False, True):
            manner = MANNERS[(number + first) % len(MANNERS)]
            yield _call(rng, rate, caller, manner, "quiet", first=first)
            for below in TELEVISION_DB:
                manner = MANNERS[int(rng.integers(len(MANNERS)))]
                screen = _on_screen(apart[int(rng.integers(len(apart)))], around[int(rng.integers(len(around)))], rng)
                yield _call(rng, rate, caller, manner, "television", screen, below, first=first)
        yield _call(rng, rate, caller, MANNERS[number % len(MANNERS)], "hums")
        yield _call(rng, rate, caller, MANNERS[0], "colleague", others[int(rng.integers(len(others)))].phrases[0])


def _speaks_in(name: str, names: str) -> bool:
    return any(part in names for part in (name, name.rpartition("-")[2]))


def _on_screen(screen: Voice, room: Audio | None, rng: np.random.Generator) -> Audio:
    audio = screen.phrases[0]
    audio = np.resize(np.roll(audio, -int(rng.integers(len(audio)))), CALL_MS * RATE // 1000)
    if room is not None:
        size = len(audio) + len(room)
        audio = np.fft.irfft(np.fft.rfft(audio, size) * np.fft.rfft(room, size), size)[: len(audio)]
    return np.asarray(audio)


def _call(
    rng: np.random.Generator,
    rate: int,
    caller: Voice,
    manner: tuple[float, bool],
    what: str,
    other: Audio | None = None,
    below: float = 0.0,
    *,
    first: bool = False,
) -> VoiceCall:
    """first: the caller's first words, over the greeting."""
    count = (FIRST_CALL_MS if first else CALL_MS) * RATE // 1000
    base = float(rng.uniform(*CALLER_DB))
    own = np.zeros(count)
    order = rng.permutation(len(caller.phrases))
    said = caller.phrases[int(order[0])][: _at(SAID_MS)]
    rest = np.concatenate([at_level(caller.phrases[int(i)], base + float(rng.uniform(-2, 2))) for i in order[1:]])
    turns: list[Span] = []
    if not first:
        for at_ms, part in zip(TURNS_MS, np.array_split(rest[: _at(2 * TURN_MS)], 2), strict=True):
            _place(own, at_ms, part)
            turns.append((at_ms, at_ms + len(part) * 1000 / RATE))
    if what == "hums":
        for at_ms, length in HUMS:
            _place(own, at_ms, at_level(rest[: _at(length)], base - 6))
    gain, away = manner
    said = at_level(said, base + gain)
    begin = float(rng.uniform(4_000, 8_000) if first else rng.uniform(26_000, 29_000))
    span: Span | None = None
    if what != "colleague":
        _place(own, begin, _dulled(said) if away else said)
        span = (begin, min(begin + len(said) * 1000 / RATE, count * 1000 / RATE))
    total = rng.normal(0, 32768 * 10 ** (ROOM_DBFS / 20), count) + own
    talked: Span | None = None
    if what == "television" and other is not None:
        total += at_level(np.clip(other / np.abs(other).max() * 20_000, -32768, 32767), base + below)[:count]
    elif what == "colleague" and other is not None:
        part = at_level(other[: _at(SAID_MS)], base + float(rng.uniform(-12, 0)))
        _place(total, begin, part)
        talked = (begin, begin + len(part) * 1000 / RATE)
    samples = resample(Pcm(_rounded(total), RATE), rate).samples
    if rate == 8000:
        samples = from_mulaw(to_mulaw(samples))
    window = _at(32)
    power = np.square(own[: count // window * window].reshape(-1, window)).mean(axis=1)
    return VoiceCall(what, samples, rate, tuple(turns), span, talked, power, base + gain, below)


def _place(into: Audio, at_ms: float, part: Audio) -> None:
    begin = _at(at_ms)
    into[begin : begin + len(part)] += part[: max(0, len(into) - begin)]


def _dulled(x: Audio) -> Audio:
    """As from the side or from behind: 6 dB an octave above 1500 Hz."""
    spectrum, hz = np.fft.rfft(x), np.fft.rfftfreq(len(x), 1 / RATE)
    return np.asarray(np.fft.irfft(spectrum * 1500 / np.maximum(hz, 1500), len(x)))


def _active(samples: Samples, begin: float, end: float) -> Audio:
    return samples[_at(begin) : _at(end)].astype(np.float64)


def _span(entry: dict[str, object]) -> Span:
    if "onset_ms" in entry:
        return float(str(entry["onset_ms"])), float(str(entry.get("end_ms", entry["ms"])))
    spans = entry.get("speech_ms") or entry.get("active_ms")
    if isinstance(spans, list) and spans:
        return float(spans[0][0]), float(spans[-1][1])
    return 0.0, float(str(entry["ms"]))


def _rounded(x: Audio) -> Samples:
    return np.clip(np.rint(x), -32768, 32767).astype(np.int16)


def _at(ms: float) -> int:
    return int(ms * RATE / 1000)
