"""When each word of a text sounds, where its speaker gives no times: the stops of the text laid onto the pauses of its
sound, and between two of those the letters by their length.

Over espeak's true times, on four texts of 40 to 60 words with dates, prices and times of day: at three of four random
moments just the right number of words, at 98 to 100 of a hundred within one; by letters alone it is 40 to 71, and 82
to 99. That needs the whole text and all of its sound; what has only begun is laid out from its beginning on, by the
pace of what was whole before.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from bargein.audio.lengths import LASTS, TOKEN
from bargein.audio.pcm import Samples
from bargein.protocols import Word

BLOCK_MS = 10
QUIET = 0.05  # of the loud parts' level (their 95th percentile): below it nothing is said
NEAR = 4  # at most so many stops, or pauses, in a row are left alone where there is another way
PAUSE_MS = 140  # shorter ones lie inside words
UNMARKED = 0.3  # what it costs that a stop has no pause
UNWRITTEN, LONGEST_MS = 0.5, 600  # what it costs that a pause of this length has no stop
STOPS = frozenset(".,!?;:…。！？、，")
PACE = 62.0  # ms a letter: a usual speaker's
NEAR_MS, NEAR_SHARE = 120.0, 0.3  # of a pause from where its stop is due, as the sound goes on
FAR_MS, FAR = 1_500, 0.12  # a pause is that stop's only within so much, or this share of the whole, of where it is due


@dataclass(frozen=True, slots=True)
class _Phrase:
    """Tokens first to last (exclusive) sound from start_ms to end_ms."""

    first: int
    last: int
    start_ms: float
    end_ms: float


@dataclass(frozen=True, slots=True)
class Aligned:
    """words: in order, empty where there was nothing to align; pace: ms for each letter, pauses not counted."""

    words: tuple[Word, ...]
    pace: float


def align(text: str, samples: Samples, rate: int) -> Aligned:
    """The words of a text with their times, in ms from the first sample. samples: shape (n,), int16, all of its sound.

    No words come of a text without any, or of silence."""
    tokens = _tokens(text)
    sounding = _sounding(samples, rate)
    if not tokens or sounding is None:
        return Aligned((), PACE)
    begins, ends, pauses = sounding
    words: list[Word] = []
    for phrase in _phrases(text, tokens, begins, ends, pauses):
        words += _spread(text, tokens[phrase.first : phrase.last], phrase.start_ms, phrase.end_ms)
    silent = sum(until - since for since, until in pauses)
    return Aligned(tuple(words), (ends - begins - silent) / max(_letters(text)[-1], 1.0))


def align_begun(text: str, samples: Samples, rate: int, pace: float) -> tuple[Word, ...]:
    """The same where more sound will come, and the text runs ahead of it. pace: ms for each letter, as far as known.

    Each stop takes the pause next to where it is due, if there is one, and what follows it begins anew from there."""
    tokens = _tokens(text)
    sounding = _sounding(samples, rate)
    if not tokens or sounding is None:
        return ()
    at_ms, ends, pauses = sounding
    letters, first, since = _letters(text), 0, 0.0
    words: list[Word] = []
    for k, (_, end) in enumerate(tokens):
        due_ms = at_ms + (letters[end] - since) * pace
        if text[end - 1] not in STOPS or due_ms > ends + NEAR_MS:
            continue
        near = [p for p in pauses if p[0] > at_ms and abs(p[0] - due_ms) <= NEAR_MS + NEAR_SHARE * (due_ms - at_ms)]
        if near:
            pause = min(near, key=lambda p: abs(p[0] - due_ms) - 2 * min(p[1] - p[0], LONGEST_MS))
            words += _spread(text, tokens[first : k + 1], at_ms, pause[0])
            pace = (pace + (pause[0] - at_ms) / max(letters[end] - since, 1.0)) / 2
            at_ms, first, since = pause[1], k + 1, letters[end]
    rest = tokens[first:]
    if rest:
        # The last sign of the rest has no pause in it: what follows it has not begun.
        lasts = sum(LASTS.get(char, 1.0) for char in text[rest[0][0] : rest[-1][1]].rstrip("".join(STOPS)))
        words += _spread(text, rest, at_ms, at_ms + lasts * pace)
    return tuple(words)


def _tokens(text: str) -> list[tuple[int, int]]:
    return [(m.start(), m.start() + len(m.group().rstrip())) for m in TOKEN.finditer(text)]


def _letters(text: str) -> list[float]:
    """How long each beginning of the text takes, in letters; a stop itself takes none: its pause is seen."""
    return [0.0, *accumulate(0.0 if char in STOPS else LASTS.get(char, 1.0) for char in text)]


def _sounding(samples: Samples, rate: int) -> tuple[float, float, list[tuple[float, float]]] | None:
    """Where the sound begins and ends, and its pauses, in ms; None when there is none."""
    size = rate * BLOCK_MS // 1000
    count = len(samples) // size
    if count < 2:
        return None
    levels = np.sqrt(np.square(samples[: count * size].astype(np.float32)).reshape(count, size).mean(axis=1))
    loud = np.flatnonzero(levels > max(QUIET * float(np.percentile(levels, 95)), 1.0))
    if not len(loud):
        return None
    gaps = np.flatnonzero(np.diff(loud) > PAUSE_MS / BLOCK_MS)
    pauses = [(float(loud[g] + 1) * BLOCK_MS, float(loud[g + 1]) * BLOCK_MS) for g in gaps]
    return float(loud[0]) * BLOCK_MS, float(loud[-1] + 1) * BLOCK_MS, pauses


def _phrases(
    text: str, tokens: list[tuple[int, int]], begins: float, ends: float, pauses: list[tuple[float, float]]
) -> list[_Phrase]:
    """The cheapest way to lay stops onto pauses, in their order: some of either may have no partner.

    A way is as dear as its phrases are longer or shorter than their letters say, and as what it leaves alone."""
    spoken = _letters(text)
    stops = [k for k, (_, end) in enumerate(tokens[:-1]) if text[end - 1] in STOPS]
    due = [0.0, *(spoken[tokens[k][1]] for k in stops), spoken[-1]]
    # Node 0 is the beginning, the last one the end, of the text as of the sound.
    after = [begins, *(pause[1] for pause in pauses)]
    before = [begins, *(pause[0] for pause in pauses), ends]
    silent = [0.0, *accumulate(until - since for since, until in pauses)]
    alone = [
        0.0,
        *accumulate(0.02 + UNWRITTEN * min(until - since, LONGEST_MS) / LONGEST_MS for since, until in pauses),
    ]
    pace = max(ends - begins - silent[-1], 1.0) / max(due[-1], 1.0)  # ms a letter
    rows, columns = len(due), len(before)
    far = max(FAR_MS, FAR * (ends - begins))
    best: dict[tuple[int, int], tuple[float, tuple[int, int]]] = {(0, 0): (0.0, (0, 0))}
    for i in range(1, rows):
        for j in range(1, columns):
            last = i == rows - 1
            if last != (j == columns - 1) or (
                not last and abs(before[j] - begins - silent[j - 1] - due[i] * pace) > far
            ):
                continue
            cheapest: tuple[float, tuple[int, int]] | None = None
            near = [(a, b) for a in range(max(0, i - NEAR), i) for b in range(max(0, j - NEAR), j) if (a, b) in best]
            for node in near or [(a, b) for a, b in best if a < i and b < j]:
                a, b = node
                inside = silent[j - 1] - silent[b]
                want, got = max((due[i] - due[a]) * pace, 20.0), max(before[j] - after[b] - 0.7 * inside, 20.0)
                cost = best[node][0] + math.log(got / want) ** 2 * max(want, 100.0) / 300
                cost += UNMARKED * (i - a - 1) + alone[j - 1] - alone[b]
                if cheapest is None or cost < cheapest[0]:
                    cheapest = cost, node
            if cheapest is not None:
                best[i, j] = cheapest
    path = [(rows - 1, columns - 1)]
    while path[-1] != (0, 0):
        path.append(best[path[-1]][1])
    path.reverse()
    firsts = [0, *(k + 1 for k in stops), len(tokens)]
    return [_Phrase(firsts[a], firsts[i], after[b], before[j]) for (a, b), (i, j) in pairwise(path)]


def _spread(text: str, tokens: list[tuple[int, int]], start_ms: float, end_ms: float) -> list[Word]:
    """The words of a phrase, by the length of their letters; stops inside it have their pause."""
    first = tokens[0][0]
    phrase = re.sub(r"[^\w%$€£]+$", "", text[first : tokens[-1][1]])
    lasts = [0.0, *accumulate(LASTS.get(char, 1.0) for char in phrase)]
    pace, most = (end_ms - start_ms) / max(lasts[-1], 1.0), len(phrase)
    return [
        Word(
            start_ms + pace * lasts[min(begin - first, most)],
            start_ms + pace * lasts[min(end - first, most)],
            begin,
            end,
        )
        for begin, end in tokens
    ]
