"""Whether the same reply went on after a silence, or another began: by the audio, where the protocol does not say.

The audio after the silence is searched in what is known of the reply: what had been played, what was discarded with the
queue, and the agent's opening in a call without an interruption (for agents with a fixed greeting, or whose TTS speaks
a text alike each time). Where it is found within some seconds of the stop, the reply went on, and the distance is what
was lost or repeated, to the sample. Otherwise it counts as another reply. A TTS that never speaks alike, with a server
that keeps no queue, can resume undetected: docs/benchmarks.md says so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bargein.audio.pcm import Samples
from bargein_bench.record import RATE

PROBE = RATE * 24 // 100  # 240 ms: some two syllables, which are unlike any other place
SAME = 0.985  # normalised correlation of the same samples in any encoding
LIKE = 0.7  # of the same words, spoken again by the same voice: espeak had 0.73 to 0.97, other words 0.24 to 0.55
ANEW = RATE * 50 // 100  # words need more audio: two vowels of one voice are alike for a while
SHORTEST = RATE * 24 // 100  # of audio that is recognised by its words: 163 ms of another reply were once like it
LEAST = RATE * 6 // 100  # shorter audio is like many places
MOST_LOST = RATE * 2
MOST_REPEATED = RATE * 5  # agents may go back to the begin of a sentence
QUIET = 60  # of 32768
PLAYED = RATE * 6  # of the reply, before the silence


def found(probe: Samples, where: Samples) -> tuple[int, float]:
    """The place in `where` that is most like the probe, and how like, 0..1. (0, 0.0): one of them is too short."""
    if len(probe) < RATE // 50 or len(where) < len(probe):
        return 0, 0.0
    p = probe.astype(np.float64)
    p -= p.mean()
    w = where.astype(np.float64)
    size = 1 << (len(w) + len(p) - 1).bit_length()
    dots = np.fft.irfft(np.fft.rfft(w, size) * np.conj(np.fft.rfft(p, size)), size)[: len(w) - len(p) + 1]
    energy = np.concatenate(([0.0], np.cumsum(w * w)))
    norms = np.sqrt(np.maximum(energy[len(p) :] - energy[: -len(p)], 1.0) * max(float(p @ p), 1.0))
    like: NDArray[np.float64] = dots / norms
    at = int(np.argmax(like))
    return at, float(like[at])


def audible_from(signal: Samples, begin: int, end: int) -> int | None:
    """The first place of [begin, end) that is not quiet."""
    loud = np.abs(signal[begin:end].astype(np.int32)) > QUIET
    return begin + int(np.argmax(loud)) if loud.any() else None


def moved_samples(
    agent: Samples, stops: int, resumes: int, until: int, discarded: Samples, openings: Sequence[Samples] = ()
) -> int | None:
    """How many samples of the reply were lost (above 0) or repeated (below 0) at a silence. None: another reply began.

    agent: what the caller heard, by place. stops: where the reply stopped. resumes, until: where audio sounds again,
    and how far at least. discarded: what had been sent and did not sound. openings: what the agent says without an
    interruption.
    """
    played = agent[max(0, stops - PLAYED) : stops]
    size = min(len(discarded), PROBE, until - resumes) if len(discarded) >= LEAST else min(PROBE, until - resumes)
    same = agent[resumes : resumes + size]
    if size >= LEAST and audible_from(same, 0, size) is not None:
        at, like = found(same, np.concatenate((played, discarded)))
        if like >= SAME:
            return at - len(played)
    return _synthesized_again(agent, stops, resumes, until, openings)


def _synthesized_again(agent: Samples, stops: int, resumes: int, until: int, openings: Sequence[Samples]) -> int | None:
    """The same, by the openings: where in them the reply stopped, and where it resumed."""
    first = audible_from(agent, resumes, until)
    last = _audible_to(agent, max(0, stops - PLAYED), stops)
    if first is None or last is None or until - first < SHORTEST:
        return None
    after, before = agent[first : min(first + ANEW, until)], agent[max(0, last - ANEW) : last]
    for opening in openings:
        stopped, like_before = found(before, opening)
        nearby = max(0, stopped + len(before) - MOST_REPEATED)
        resumed_at, like_after = found(after, opening[nearby : stopped + len(before) + MOST_LOST + len(after)])
        resumed_at += nearby
        if min(like_before, like_after) < LIKE:
            continue
        moved = (resumed_at - (first - resumes)) - (stopped + len(before) + stops - last)
        if -MOST_REPEATED <= moved <= MOST_LOST:
            return moved
    return None


def _audible_to(signal: Samples, begin: int, end: int) -> int | None:
    """The place after the last of [begin, end) that is not quiet."""
    loud = np.abs(signal[begin:end].astype(np.int32)) > QUIET
    return end - int(np.argmax(loud[::-1])) if loud.any() else None
