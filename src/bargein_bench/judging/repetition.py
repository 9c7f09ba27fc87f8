"""Whether an answer says again what the caller had heard before the cut: by the words where the wire tells them, or
else by the audio.

Windows of the answer's first seconds are searched in the audio that was heard of the cut reply. Two windows in a row
that are found, at places as far apart as themselves, are a repetition. The audio can tell only where the TTS speaks a
text alike each time: `tells` finds that out from two undisturbed openings. Of other agents nothing is said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from bargein.audio.pcm import Samples
from bargein_bench.judging.resumption import ANEW, LIKE, QUIET, found
from bargein_bench.record import RATE

FIRST = RATE * 25 // 10  # of the answer
HEARD = RATE * 30  # of the reply, before the cut
STEP = ANEW // 2
APART = RATE // 10  # by which the distance between two windows may differ from that of their places
RUN = 3  # words: two are alike in many sentences
FIRST_WORDS = 8
WORD_MS = 330.0  # of speech
SOUND = 0.5  # share of a window that must not be quiet: pauses are like each other


def said_again_ms(heard: Samples, answer: Samples) -> float:
    """How much of an answer's begin is in what was heard."""
    heard, answer = heard[-HEARD:], answer[:FIRST]
    places = [_place(answer[at : at + ANEW], heard) for at in range(0, len(answer) - ANEW + 1, STEP)]
    again = [False] * len(places)
    for n in range(1, len(places)):
        before, here = places[n - 1], places[n]
        if before is not None and here is not None and abs(here - before - STEP) <= APART:
            again[n - 1] = again[n] = True
    runs = sum(b and not a for a, b in zip([False, *again], again, strict=False))
    return (sum(again) * STEP + runs * (ANEW - STEP)) * 1000 / RATE


def words_again_ms(heard: str, answer: str) -> float:
    """The same by words: runs of RUN words and more that are in both, as the time that they take."""
    before, after = (re.findall(r"\w+", text.casefold()) for text in (heard, answer))
    after = after[:FIRST_WORDS]
    runs = {tuple(before[n : n + RUN]) for n in range(len(before) - RUN + 1)}
    again = {n + k for n in range(len(after) - RUN + 1) if tuple(after[n : n + RUN]) in runs for k in range(RUN)}
    return len(again) * WORD_MS


def tells(openings: Sequence[Samples]) -> bool:
    """Whether the agent's TTS speaks a text alike each time."""
    for one, other in combinations(openings[:2], 2):
        loud = np.flatnonzero(np.abs(one.astype(np.int32)) > QUIET)
        if len(loud) and len(part := one[loud[0] : loud[0] + 2 * ANEW]) == 2 * ANEW:
            return found(part, other)[1] >= LIKE
    return False


def _place(window: Samples, heard: Samples) -> int | None:
    if np.mean(np.abs(window.astype(np.int32)) > QUIET) < SOUND:
        return None
    at, like = found(window, heard)
    return at if like >= LIKE else None
