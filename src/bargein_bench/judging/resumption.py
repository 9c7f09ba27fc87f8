"""Did the same reply go on after a silence, or is this another? Told by its sound, where the wire does not tell.

What sounds after the silence is sought in what is known of the reply: what had been played of it and what was thrown
away with the queue, and the same agent's opening in a call without an interruption (agents with a fixed greeting, or
whose voice says the same text twice alike). Found within some seconds of where the reply stopped, it went on, and the
distance is what was lost or said again, to the sample. Not found, it is taken for another reply: a voice that never
says the same twice, and a server that keeps no queue, can resume without our knowing, and docs/benchmarks.md says so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bargein.audio.pcm import Samples
from bargein_bench.record import RATE

PROBE = RATE * 24 // 100  # 240 ms: some two syllables, which no other place has alike
SAME = 0.985  # normalised correlation of the same samples, however they were sent
LIKE = 0.7  # of the same words of the same voice, said anew: espeak's came to 0.73 to 0.97, other words to 0.24 to 0.55
ANEW = RATE * 50 // 100  # for that it takes more: two vowels of one voice are alike for a while
SHORTEST = RATE * 16 // 100  # of a stretch that is told by its words
LEAST = RATE * 6 // 100  # shorter sounds are found anywhere
MOST_LOST = RATE * 2
MOST_REPEATED = RATE * 5  # agents may go back to the beginning of a sentence
QUIET = 60  # of 32768
PLAYED = RATE * 6  # of the reply before the silence


def found(probe: Samples, where: Samples) -> tuple[int, float]:
    """The place in `where` that is most like the probe, and how like, 0..1. (0, 0.0) when either is too short."""
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
    """How many samples of the reply were lost (above 0) or said again (below 0) at a silence; None: another reply.

    agent: what sounded, by place; the reply stopped at `stops`, something sounds from `goes` and at least to `until`;
    thrown: what had been sent and did not sound; openings: what the agent says undisturbed.
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
    """By what the agent says undisturbed: where in that it stopped, and where it goes on."""
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
