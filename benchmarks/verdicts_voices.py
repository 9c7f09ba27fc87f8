"""Whose voice: how often what another person says is told from the caller, and how often the caller is mistaken.

Looks as the floor asks for them, at 300, 600 and 1000 ms of a stretch of speech, in the calls of voice_calls.py. A
sound counts with the most signs of its looks. "Soft" is the floor's level rule at half of `far_db`, counted as a sign.
Where a model of voices is installed or named, all is measured with it, too.
"""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from bargein.audio.dvector import Floats, SpeakerModel, find_folder
from bargein.audio.pcm import Pcm
from bargein.audio.silero import CONTEXT, STATE, WINDOW, SileroModel
from bargein.audio.voice_encoder import SETTING
from bargein.call.input.voice_watch import VoiceWatch
from bargein.floor import Other, Policy, SpeechWindow
from benchmarks.rows import Row, row
from benchmarks.voice_calls import VoiceCall, calls

LINES = ((8000, "telephone"), (16000, "wide band"))
LOOKS_MS = (300.0, 600.0, 990.0)
BATCH = 32  # calls in one run of the VAD's model
ANSWERED_MS = 700.0  # after a turn's end
PREROLL_MS = 60.0
DEADLINE_MS = 1_000.0
VERDICT_MS = 700.0  # of what the caller says over a reply, until the floor is the caller's
BEGUN_MS = 300.0  # of what the caller says: a stretch that begins later is not the one that is judged
JOINED = 0.35  # share of the newest 600 ms in which the caller must be heard
SOFTER_DB = 20.0  # below the caller's level: a pause


@dataclass(frozen=True, slots=True)
class Sound:
    """A stretch of speech over a reply, and the most that its looks found."""

    what: str
    """The call's."""
    whose: str
    """ "caller" or "other"."""
    first: bool
    below_db: float
    signs: frozenset[Other]
    soft: bool
    softer_db: float | None
    """How much softer than the caller's turns it is at its first look, by the loudest windows. None: no turn before."""

    @property
    def count(self) -> int:
        return len(self.signs) + self.soft


def rows(folder: Path | None) -> list[Row]:
    """The table, for the telephone and for wide band."""
    found: list[Row] = []
    model = voice_model()
    with asyncio.Runner() as runner:
        for rate, line in LINES:
            found += table(list(sounds(folder, rate)), line)
            if model is not None:
                asked = AskedModel(model, runner)
                found += table(list(sounds(folder, rate, model=asked)), f"{line}, with a model of voices")
    return found


def voice_model() -> SpeakerModel | None:
    """The one that a call would use."""
    named = os.environ.get(SETTING)
    place = Path(named) if named else find_folder()
    return None if place is None else SpeakerModel(place)


class AskedModel:
    """A model of voices without a worker: the looks of a benchmark wait for it. runner: runs what calls await."""

    def __init__(self, model: SpeakerModel, runner: asyncio.Runner) -> None:
        self._model = model
        self.run = runner.run

    async def embed(self, pcm: Pcm, *, deadline_ms: float) -> Floats | None:
        return self._model.embed(pcm)


def table(heard: Sequence[Sound], line: str) -> list[Row]:
    """Rows of one kind of line."""
    found = []
    own = [s for s in heard if s.whose == "caller"]
    for name, part in (
        ("the caller, no other speech", [s for s in own if s.what == "quiet"]),
        ("the caller, after hums of their own", [s for s in own if s.what == "hums"]),
        ("the caller, television on", [s for s in own if s.what == "television"]),
    ):
        found.append(row(f"{line}: {name}, a sign", sum(bool(s.signs) for s in part), len(part), "at most 3 %"))
        found.append(row(f"{line}: {name}, two", sum(_two(s) for s in part), len(part), "at most 0.5 %"))
    for below in sorted({s.below_db for s in heard if s.below_db}):
        for first in (False, True):
            part = [s for s in heard if s.whose == "other" and s.below_db == below and s.first is first]
            name = f"{line}: television at {below:.0f} dB{', before the first turn' if first else ''}"
            found.append(row(f"{name}, a sign", sum(bool(s.signs) for s in part), len(part)))
            if not first:
                found.append(row(f"{name}, two", sum(_two(s) for s in part), len(part), "resumes"))
    part = [s for s in heard if s.what == "colleague" and s.whose == "other"]
    found.append(row(f"{line}: another person, not heard before, a sign", sum(bool(s.signs) for s in part), len(part)))
    return found


def _two(sound: Sound) -> bool:
    return sound.count >= 2


def sounds(folder: Path | None, rate: int, *, every: int = 1, model: AskedModel | None = None) -> Iterator[Sound]:
    """What was heard in all calls of a folder at a rate."""
    vad = SileroModel()
    todo = calls(folder, rate, every=every)
    while batch := list(islice(todo, BATCH)):
        for call, speech in zip(batch, _scores(vad, batch), strict=True):
            yield from judged(call, speech, model)


def _scores(model: SileroModel, batch: Sequence[VoiceCall]) -> list[list[float]]:
    """The VAD's, of calls of one rate."""
    rate = batch[0].rate
    size, context = WINDOW[rate], CONTEXT[rate]
    most = max(len(call.samples) for call in batch) // size
    audio = np.zeros((len(batch), context + most * size), np.float32)
    for line, call in zip(audio, batch, strict=True):
        part = call.samples[: most * size]
        line[context : context + len(part)] = part / np.float32(32768)
    state = np.zeros((2, len(batch), STATE), np.float32)
    found = np.zeros((len(batch), most), np.float32)
    for n in range(most):
        found[:, n], state = model.run(audio[:, n * size : n * size + context + size], state, rate)
    return [found[k, : len(call.samples) // size].tolist() for k, call in enumerate(batch)]


def judged(call: VoiceCall, speech: Iterable[float], model: AskedModel | None = None) -> Iterator[Sound]:
    """The stretches of speech over replies of one call."""
    policy = Policy.balanced()
    size, rate = WINDOW[call.rate], call.rate
    now = 0

    def since(from_ms: float) -> Pcm:
        return Pcm(call.samples[max(0, int(from_ms * rate / 1000)) : now], rate)

    watch = VoiceWatch(since, model)
    over: set[int] = set()
    own_db: float | None = None
    turn_db = run_db = -100.0
    run: tuple[float, float] | None = None
    found: dict[tuple[str, float], list[tuple[frozenset[Other], float | None]]] = defaultdict(list)
    left: list[float] = []
    for n, p in enumerate(speech):
        now = (n + 1) * size
        at_ms, until_ms = n * 32.0, n * 32.0 + 32
        square = np.square(call.samples[now - size : now].astype(np.float64)).mean()
        db = float(10 * np.log10(max(square, 107.0) / 32768**2))
        turn = any(begin + 200 <= at_ms <= end + ANSWERED_MS for begin, end in call.turns)
        cut = call.said is not None and call.said[0] + VERDICT_MS <= at_ms <= call.said[1] + ANSWERED_MS
        watch.window(SpeechWindow(at_ms, until_ms, p, level_db=db), own=turn or cut)
        for k, (begin, end) in enumerate(call.turns):
            if at_ms > end + ANSWERED_MS and k not in over:
                over.add(k)
                watch.turn_over(since(begin - 200))
                own_db, turn_db = max(turn_db, (own_db or -100.0) - 6), -100.0
        if turn:
            turn_db, run = max(turn_db, db), None
            continue
        if run is None:
            if p < policy.hold.hold_threshold:
                continue
            run, run_db, left = (at_ms, until_ms), db, list(LOOKS_MS)
        elif p >= policy.hold.hold_threshold - 0.15:
            run, run_db = (run[0], until_ms), max(run_db, db)
        elif until_ms - run[1] >= policy.hold.speech_gap_ms:
            run = None
            continue
        whose = _whose(call, run[0], n)
        if not left or run[1] - run[0] < left[0] or run[1] != until_ms:
            continue
        left.pop(0)
        if whose and len(over) == len(call.turns):
            pcm = since(run[0] - PREROLL_MS)
            if model is not None:
                model.run(watch.listen(pcm, run[0], until_ms, deadline_ms=DEADLINE_MS))
            signs = watch.signs(pcm, run[0], until_ms)
            softer = None if own_db is None else own_db - run_db
            found[whose, call.said[0] if whose == "caller" and call.said else run[0]].append((frozenset(signs), softer))
    for (whose, _), looks in found.items():
        marks = [softer is not None and softer >= policy.verdict.far_db / 2 for _, softer in looks]
        most = max(range(len(looks)), key=lambda k: len(looks[k][0]) + marks[k] + bool(looks[k][0]) / 2)
        first = not call.turns
        yield Sound(call.what, whose, first, call.below_db, looks[most][0], marks[most], looks[0][1])


def _whose(call: VoiceCall, onset_ms: float, n: int) -> str:
    """Who is heard now, in a stretch since onset_ms. "": both, one after the other, or it is not to be told."""
    at_ms = n * 32.0
    heard = call.power > 10 ** ((call.own_db - SOFTER_DB) / 10) * 32768**2
    if call.said is not None and call.said[0] < at_ms < call.said[1] + 100:
        if onset_ms > call.said[0] + BEGUN_MS:
            return ""  # the verdict was due before
        return "caller" if heard[max(int(onset_ms // 32), n - 18) : n + 1].mean() >= JOINED else ""
    if call.other is not None:
        return "other" if call.other[0] - 100 < onset_ms < call.other[1] else ""
    if call.what != "television" or heard[int(onset_ms // 32) : n + 1].any():
        return ""
    return "other" if call.said is None or not call.said[0] <= at_ms <= call.said[1] + 1_500 else ""
