"""Word times for speech without word times: the stops of the text are aligned with the pauses of the audio, and the
letters between two stops are spread by their lengths.

Against espeak's true times, on four texts of 40 to 60 words with dates, prices and times of day: the number of words is
exact at three of four random positions, and off by one at most at 98 to 100 of a hundred. By letters alone, 40 to
71 of a hundred are exact, and 82 to 99 are off by one at most. This needs the whole text and all of its audio. Speech
that has only begun is aligned from its beginning on, by the pace of whole speech before.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from bargein.audio.envelope import Envelope
from bargein.audio.lengths import added, lasts
from bargein.protocols import Word
from bargein.units import spans

QUIET = 0.05  # of the loud parts' level (their 95th percentile): lower levels are silence
NEAR = 4  # stops, or pauses, in a row that may stay unpaired as long as another alignment exists
PAUSE_MS = 140  # shorter pauses lie inside words
UNMARKED = 0.3  # cost of a stop without a pause
UNWRITTEN, LONGEST_MS = 0.5, 600  # cost of a pause of this length without a stop
STOPS = frozenset(".,!?;:…。！？；：、，।។။၊")
PACE = 62.0  # ms a letter, of a usual speaker
NEAR_MS, NEAR_SHARE = 120.0, 0.3  # of a pause from the time at which its stop is due, growing with the audio
FAR_MS, FAR = 1_500, 0.12  # a pause pairs with a stop within this, or this share of the audio, of the stop's due time


@dataclass(frozen=True, slots=True)
class _Phrase:
    """Tokens first to last (exclusive) are spoken from start_ms to end_ms."""

    first: int
    last: int
    start_ms: float
    end_ms: float


@dataclass(frozen=True, slots=True)
class Aligned:
    """Words with their times."""

    words: tuple[Word, ...]
    """In order. Empty for a text without words, or for silence."""
    pace: float
    """ms for each letter, without pauses."""


def align(text: str, sound: Envelope) -> Aligned:
    """The words of a text with their times, in ms from the first sample. sound: all of it."""
    tokens = spans(text)
    span = _speech_span(sound)
    if not tokens or span is None:
        return Aligned((), PACE)
    begins, ends, pauses = span
    words: list[Word] = []
    for phrase in _phrases(text, tokens, begins, ends, pauses):
        words += _spread(text, tokens[phrase.first : phrase.last], phrase.start_ms, phrase.end_ms)
    silent = sum(until - since for since, until in pauses)
    return Aligned(tuple(words), (ends - begins - silent) / max(_letters(text)[-1], 1.0))


def align_begun(text: str, sound: Envelope, pace: float) -> tuple[Word, ...]:
    """As `align`, for speech whose audio is still coming, behind the text. pace: ms for each letter, as an estimate.

    Each stop takes the pause next to its due time, if there is one. The words after the stop begin at that pause."""
    tokens = spans(text)
    span = _speech_span(sound)
    if not tokens or span is None:
        return ()
    at_ms, ends, pauses = span
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
        # No pause follows the last sign of the rest: the next words have not begun.
        length = sum(map(lasts, text[rest[0][0] : rest[-1][1]].rstrip("".join(STOPS))))
        words += _spread(text, rest, at_ms, at_ms + length * pace)
    return tuple(words)


def _letters(text: str) -> list[float]:
    """The length of each beginning of the text, in letters. A stop has no length: its pause is in the audio."""
    return added(0.0 if char in STOPS else lasts(char) for char in text)


def _speech_span(sound: Envelope) -> tuple[float, float, list[tuple[float, float]]] | None:
    """Begin and end of the speech, and its pauses, in ms. None: silence."""
    levels, block_ms = sound.levels(), sound.block_ms
    if len(levels) < 2:
        return None
    loud = np.flatnonzero(levels > max(QUIET * float(np.percentile(levels, 95)), 1.0))
    if not len(loud):
        return None
    gaps = np.flatnonzero(np.diff(loud) > PAUSE_MS / block_ms)
    pauses = [(float(loud[g] + 1) * block_ms, float(loud[g + 1]) * block_ms) for g in gaps]
    return float(loud[0]) * block_ms, float(loud[-1] + 1) * block_ms, pauses


def _phrases(
    text: str, tokens: list[tuple[int, int]], begins: float, ends: float, pauses: list[tuple[float, float]]
) -> list[_Phrase]:
    """The cheapest alignment of stops with pauses, in order. Some stops and pauses may stay unpaired.

    The cost grows with the difference of each phrase's length from its letters' length, and with unpaired items."""
    spoken = _letters(text)
    stops = [k for k, (_, end) in enumerate(tokens[:-1]) if text[end - 1] in STOPS]
    due = [0.0, *(spoken[tokens[k][1]] for k in stops), spoken[-1]]
    # Node 0 is the beginning of text and audio, the last node is the end.
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
    """The words of a phrase, by the lengths of their letters. A stop inside the phrase includes its pause."""
    first = tokens[0][0]
    phrase = re.sub(r"[^\w%$€£]+$", "", text[first : tokens[-1][1]])
    until = added(map(lasts, phrase))
    pace, most = (end_ms - start_ms) / max(until[-1], 1.0), len(phrase)
    return [
        Word(
            start_ms + pace * until[min(begin - first, most)],
            start_ms + pace * until[min(end - first, most)],
            begin,
            end,
        )
        for begin, end in tokens
    ]
