"""How the agent of a call yielded, from what the caller heard and when the caller spoke. Pure.

An interruption begins at its first speech sample, while the agent is audible. The agent's stop is the last audible
sample before a silence that lasts: 300 ms at least, and until the caller has finished, so that pauses within the
agent's speech are no stops. No stop within two seconds is a miss.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from bargein.audio.pcm import Samples
from bargein_bench.callers.caller_audio import SpokenLine
from bargein_bench.callers.result import Result
from bargein_bench.callers.telephone import RATE

BLOCK = RATE // 1000  # levels are those of 1 ms
AUDIBLE_DBFS = -55.0
AUDIBLE_SHARE = 0.01  # of the agent's own peak: 40 dB below it there is no speech
LASTING_MS = 300
MISS_MS = 2_000
BEFORE_MS = 250  # the agent speaks at an onset if it was audible so shortly before


@dataclass(frozen=True, slots=True)
class Yield:
    """What became of one interruption."""

    name: str
    onset_ms: float
    stop_ms: float | None
    """From the onset to the last audible sample. None: a miss."""
    answer_ms: float | None
    """From the end of the interruption to the agent's next audio. None: none came."""


@dataclass(frozen=True, slots=True)
class Score:
    """The numbers of one call."""

    yields: list[Yield]
    not_speaking: int
    """Steps that were spoken while the agent was silent: no interruptions."""
    first_audio_ms: float | None
    """From the begin of the stream to the agent's first audio."""
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
    """Which milliseconds of a signal are audible."""
    blocks = np.abs(signal[: len(signal) // BLOCK * BLOCK].astype(np.int32)).reshape(-1, BLOCK).max(axis=1)
    peak = int(blocks.max()) if len(blocks) else 0
    threshold = max(32768 * 10 ** (AUDIBLE_DBFS / 20), peak * AUDIBLE_SHARE)
    heard: NDArray[np.bool_] = blocks >= threshold
    return heard


def score(result: Result) -> Score:
    """The numbers of a call."""
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
    """What became of a step. None: the agent was silent at the onset, or the outcome is unknown."""
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
        return None  # the reply, or the call, had ended by itself
    answer = None if following is None else float(following - (end - onset))
    return Yield(spoken.step.name, float(onset), float(stop) if stop <= MISS_MS else None, answer)


def gaps(signal: Samples, reference: Samples) -> list[tuple[int, int]]:
    """The parts of a known signal that were heard, in order: first sample of the reference, and length.

    For audio in which every place has samples of its own.
    """
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
