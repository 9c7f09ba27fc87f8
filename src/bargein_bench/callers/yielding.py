"""How a call went, measured at the ear: from what the telephone played, and when its caller spoke. Pure.

By these definitions. An interruption begins at its first speech sample, while the agent sounds. The agent's stop is the
last audible sample before a silence that lasts: at least 300 ms, and until the caller has finished, so that the pauses
within the agent's speech count for nothing. No stop within two seconds is a miss.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from bargein.audio.pcm import Samples
from bargein_bench.callers.caller import Result
from bargein_bench.callers.caller_audio import SpokenLine
from bargein_bench.callers.telephone import RATE

BLOCK = RATE // 1000  # levels are looked at in stretches of 1 ms
AUDIBLE_DBFS = -55.0
AUDIBLE_SHARE = 0.01  # of the agent's own peak: what lies 40 dB below it is no speech of its
LASTING_MS = 300
MISS_MS = 2_000
BEFORE_MS = 250  # the agent sounds at an onset if it did so shortly before it


@dataclass(frozen=True, slots=True)
class Yield:
    """What became of one interruption. stop_ms: from its onset to the last audible sample; None: a miss.
    answer_ms: from its end to the agent's next sound; None: none came."""

    name: str
    onset_ms: float
    stop_ms: float | None
    answer_ms: float | None


@dataclass(frozen=True, slots=True)
class Score:
    """One call's. first_audio_ms: from the stream's start to the agent's first sound."""

    yields: list[Yield]
    not_speaking: int  # things said while the agent did not sound: no interruptions
    first_audio_ms: float | None
    frames: int
    late: int
    gap_ms: float
    stale_ms: float
    most_queued_ms: float
    clears: int
    sent_bytes: int
    got_bytes: int
    closed_by: str
    faults: dict[str, int]

    def facts(self) -> dict[str, object]:
        return asdict(self)


def audible(signal: Samples) -> NDArray[np.bool_]:
    """Which milliseconds of a signal can be heard."""
    blocks = np.abs(signal[: len(signal) // BLOCK * BLOCK].astype(np.int32)).reshape(-1, BLOCK).max(axis=1)
    peak = int(blocks.max()) if len(blocks) else 0
    threshold = max(32768 * 10 ** (AUDIBLE_DBFS / 20), peak * AUDIBLE_SHARE)
    heard: NDArray[np.bool_] = blocks >= threshold
    return heard


def score(result: Result) -> Score:
    """What a call's telephone heard, in numbers."""
    telephone = result.telephone
    loud = audible(telephone.signal()[: result.lasted])
    yields, silent = [], 0
    for spoken in result.spoken:
        found = _yield(spoken, loud)
        if found is None:
            silent += 1
        else:
            yields.append(found)
    first = int(np.argmax(loud)) if loud.any() else None
    return Score(
        yields,
        silent,
        None if first is None else float(first),
        telephone.frames,
        telephone.late,
        telephone.gap_ms,
        telephone.stale_ms,
        telephone.most_queued_ms,
        telephone.clears,
        result.sent_bytes,
        result.got_bytes,
        result.closed_by,
        dict(result.faults),
    )


def _yield(spoken: SpokenLine, loud: NDArray[np.bool_]) -> Yield | None:
    """None: the agent did not sound as it was said, or nobody can tell what became of it."""
    onset, end = spoken.onset * 1000 // RATE, spoken.end * 1000 // RATE
    if not loud[max(0, onset - BEFORE_MS) : onset].any():
        return None
    stop, following = 0, None
    for at in np.flatnonzero(loud[onset:]).tolist():
        if at - stop > max(LASTING_MS, min(end - onset, MISS_MS) - stop):
            following = at
            break
        stop = at + 1
    cut_short = following is None and stop <= MISS_MS and len(loud) - onset - stop < LASTING_MS
    if stop == 0 or cut_short:
        return None  # it had come to its end by itself; or the call did, before anybody could tell
    answer = None if following is None else float(following - (end - onset))
    return Yield(spoken.step.name, float(onset), float(stop) if stop <= MISS_MS else None, answer)


def gaps(signal: Samples, reference: Samples) -> list[tuple[int, int]]:
    """Stretches of a known sound as they were heard: (first sample of the reference, how many), in order. For voices
    whose samples tell where they stand."""
    found: list[tuple[int, int]] = []
    at, probe = 0, 16
    while at + probe <= len(signal):
        if not signal[at : at + probe].any():
            at += probe
            continue
        places = np.flatnonzero(reference[: len(reference) - probe] == signal[at])
        match = next(
            (int(p) for p in places if np.array_equal(reference[p : p + probe], signal[at : at + probe])), None
        )
        if match is None:
            at += 1
            continue
        size = min(len(signal) - at, len(reference) - match)
        same = signal[at : at + size] == reference[match : match + size]
        length = size if same.all() else int(np.argmin(same))
        found.append((match, length))
        at += length
    return found
