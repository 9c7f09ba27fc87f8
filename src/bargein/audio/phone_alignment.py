"""Where the words of a text are in its sound: the kinds of sound that are written, in their order, are laid over the
level and the brightness of each 20 ms.

The best path is sought by Viterbi's rule, over sounds with lengths of their own. Only a beam around the best beginnings
is followed. The sound may break off: then the text ends where both fit best.

By espeak's true times and by recordings of readers; `python -m benchmarks --only words` measures it.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from bargein.audio.alignment import PACE, align, align_begun
from bargein.audio.envelope import Envelope
from bargein.audio.phones import phones
from bargein.protocols import Word
from bargein.units import spans

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FRAME = 2  # blocks of the envelope
LONGEST = 20  # frames of a sound
LOUD_SHARE = 90  # percentile of the levels to which levels are told
LEAST_DB, LEAST_LOUD_DB = -60.0, 10.0  # of a level; and of the loud ones, below which all is silence
VOICE_DB = -12.0  # louder frames tell the voice's own brightness
# Level (dB, mean and deviation) and brightness (octaves from the voice's own, mean and deviation) of each kind.
VOWEL_IS, SONORANT_IS, VOICED_IS = (-5, 6, 0.0, 0.7), (-10, 7, -0.3, 0.8), (-15, 9, 0.0, 1.1)
HISS_IS, STOP_IS, ANY_IS, PAUSE_IS = (-17, 8, 1.7, 1.0), (-24, 12, 0.8, 1.5), (-11, 11, 0.3, 1.3), (-42, 9, 0.8, 2.0)
KINDS = (VOWEL_IS, SONORANT_IS, VOICED_IS, HISS_IS, STOP_IS, ANY_IS, PAUSE_IS)  # as in phones.py, and a pause
MOST_LEVEL, MOST_BRIGHT = 16.0, 9.0  # of squared deviations: no single frame decides
TRUST = 0.5  # in a frame: neighbours tell nearly the same
SPREAD = 0.47  # deviation of a sound's length, as a logarithm
SOUND = 2.5  # for each sound: without this, fewer sounds would always fit better
STOPS = frozenset(".,!?;:…。！？；：、，।။၊—–")
# What a pause costs to begin and to leave out, behind a stop and behind another word; and each frame of it.
AT_STOP, NO_STOP, AT_WORD, NO_WORD, STAY = -1.0, -1.5, -5.0, -0.05, -0.02
AT_EDGE = -0.5
BEAM = 150.0
PACES = (0.75, 1.0, 1.3)  # where nothing is known of the voice
NEVER = -1e9
LEARNED, FEWEST, LONGEST_MS = 3, 4, 20_000.0  # texts, words of one, and its sound: an alignment costs some ms
AHEAD_MS = 6_000.0  # of sound behind a position tell all of the words before it
ROUNDING_MS = 0.125  # positions and times count samples at their own rates


@dataclass(frozen=True, slots=True)
class Placed:
    """Words with their times."""

    words: tuple[Word, ...]
    """In order. Empty for a text without words, and for silence. A word lasts from the end of the one before. Words
    that the sound has not reached come after its end."""
    pace: float
    """The lengths of the sounds beside a usual speaker's."""


class LearnedPace:
    """The pace of one voice, by the first sentences that it says."""

    def __init__(self) -> None:
        self.pace: float | None = None
        """As in `place`."""
        self._learned = 0

    def learn(self, text: str, sound: Envelope) -> None:
        """A text and all of its sound. A long one, or one of few words, tells nothing."""
        if self._learned == LEARNED or len(spans(text)) < FEWEST:
            return
        placed = place(text, sound, whole=True, pace=self.pace) if sound.ms < LONGEST_MS else None
        if placed is None or not placed.words:
            return
        self._learned += 1
        known = placed.pace if self.pace is None else self.pace
        self.pace = known + (placed.pace - known) / self._learned


class _Step(NamedTuple):
    """A sound, or a pause, on all paths: frame -> frame in which it began."""

    first: int
    began: Ints


def place(text: str, sound: Envelope, *, whole: bool, pace: float | None) -> Placed:
    """The words of a text in its sound. whole: the text ends with the sound; else the text may be ahead, and is as far
    as the sound tells. pace: of the voice; None: not known."""
    tokens = spans(text)
    likely = _likely(sound)
    if not tokens or likely is None:
        return Placed((), pace or 1.0)
    frame_ms = sound.block_ms * FRAME
    paces: Sequence[float] = PACES if pace is None else (pace,)
    paths = [_Path(text, tokens, likely, frame_ms, each, whole=whole) for each in paces]
    best = max(paths, key=lambda path: path.score)
    return best.placed() if best.score > NEVER / 2 else Placed((), pace or 1.0)


def heard_of(text: str, sound: Envelope, ms: float, *, whole: bool, pace: float | None) -> int:
    """Where in the text the words end that were heard when `ms` of the sound had played. The rest is as in `place`."""
    if whole and ms >= sound.ms:
        return len(text)
    if whole and sound.ms > ms + AHEAD_MS:
        sound, whole = sound.until(ms + AHEAD_MS), False
    words = place(text, sound, whole=whole, pace=pace).words
    if not words:  # silence, or nothing like the text
        words = align(text, sound).words if whole else align_begun(text, sound, PACE * (pace or 1.0))
    n = bisect_right(words, ms + ROUNDING_MS, key=lambda word: word.end_ms)
    return words[n - 1].end if n else 0


def _likely(sound: Envelope) -> Floats | None:
    """How likely each kind is in each frame, as a logarithm beside the likeliest. None: silence."""
    powers = sound.powers()
    count = powers.shape[1] // FRAME
    if count < 2:
        return None
    power, steep = powers[:, : count * FRAME].reshape(2, count, FRAME).mean(axis=2, dtype=np.float64)
    levels = 10 * np.log10(power + 1)
    loud_db = float(np.percentile(levels, LOUD_SHARE))
    if loud_db < LEAST_LOUD_DB:
        return None
    levels = np.maximum(levels - loud_db, LEAST_DB)
    bright = np.log2((steep + 0.5) / (power + 0.5)) / 2
    bright = np.clip(bright - np.median(bright[levels > VOICE_DB]), -3.0, 4.0)
    mean_db, wide_db, mean, wide = (column[:, None] for column in np.array(KINDS).T)
    off = (levels - mean_db) / wide_db
    off[-1] = np.maximum(off[-1], 0.0)  # no silence is too silent
    likely = np.minimum(np.square(off), MOST_LEVEL) + np.minimum(np.square((bright - mean) / wide), MOST_BRIGHT)
    likely = -0.5 * likely - np.log(wide_db) - np.log(wide)
    likely = TRUST * (likely - likely.max(axis=0))
    return np.asarray(likely, np.float64)


class _Path:
    """The best way through one text at one pace."""

    def __init__(
        self, text: str, tokens: list[tuple[int, int]], likely: Floats, frame_ms: float, pace: float, *, whole: bool
    ) -> None:
        self._tokens, self._frame_ms, self._pace = tokens, frame_ms, pace
        frames = likely.shape[1]
        self._sums = np.concatenate([np.zeros((len(likely), 1)), np.cumsum(likely, axis=1)], axis=1)
        self._silent = self._sums[-1] + STAY * np.arange(frames + 1)
        self._steps: list[_Step] = []
        self._sounds: list[tuple[int, float]] = []  # of each sound: its step, its usual length
        self._ends: list[int] = []  # of each word: steps up to its last sound
        self._lengths: dict[tuple[int, float], Floats] = {}
        self._scores, self._first = np.zeros(1), 0  # of the frames from _first on
        self.score, self._until, self._frames = NEVER, 0, frames
        """_until: steps on the best path."""
        self._pause(AT_EDGE, AT_EDGE)
        for begin, end in tokens:
            for kind, ms in phones(text[begin:end]):
                self._sound(kind, ms)
                if not whole:
                    self._may_end()
            self._ends.append(len(self._steps))
            stop = text[end - 1] in STOPS
            self._pause(*((AT_STOP, NO_STOP) if stop else (AT_WORD, NO_WORD)))
            if not whole:
                self._may_end()
        if whole:
            self._may_end()

    def placed(self) -> Placed:
        """The words on the best path."""
        ends, frame = {}, self._frames
        for n in range(self._until, 0, -1):
            ends[n] = frame
            frame = int(self._steps[n - 1].began[frame - self._steps[n - 1].first])
        words: list[Word] = []
        last_ms = 0.0
        for (begin, end), step in zip(self._tokens, self._ends, strict=True):
            if step in ends:
                end_ms = ends[step] * self._frame_ms
            else:
                end_ms = max(last_ms, self._frames * self._frame_ms) + self._frame_ms
            words.append(Word(last_ms, end_ms, begin, end))
            last_ms = end_ms
        sounds = [(step, ms) for step, ms in self._sounds if step in ends]
        lasted = sum(ends[step] - ends.get(step - 1, 0) for step, _ in sounds) * self._frame_ms
        return Placed(tuple(words), lasted / max(sum(ms for _, ms in sounds), 1.0))

    def _sound(self, kind: int, ms: float) -> None:
        sums, first = self._sums[kind], self._first
        end = min(first + len(self._scores) + LONGEST, self._frames + 1)  # exclusive
        before = np.full(end - first + LONGEST, NEVER)
        before[LONGEST : LONGEST + len(self._scores)] = self._scores - sums[first : first + len(self._scores)]
        ways = sliding_window_view(before, LONGEST)[: end - first] + self._length(kind, ms)
        back = ways.argmax(axis=1)
        frames = np.arange(first, end)
        self._take(ways[frames - first, back] + sums[first:end], first, frames - (LONGEST - back))
        self._sounds.append((len(self._steps), ms))

    def _pause(self, begin: float, skip: float) -> None:
        first, frames = self._first, np.arange(self._first, self._frames + 1)
        scores = np.full(len(frames), NEVER)
        scores[: len(self._scores)] = self._scores
        silent = self._silent[first:]
        since = scores - silent + begin
        best = np.maximum.accumulate(since)
        began = np.maximum.accumulate(np.where(since >= best, frames, 0))
        paused, skipped = best + silent, scores + skip
        self._take(np.maximum(paused, skipped), first, np.where(paused > skipped, began, frames))

    def _take(self, scores: Floats, first: int, began: Ints) -> None:
        """The next step, as far as it lies in the beam."""
        near = np.flatnonzero(scores > scores.max() - BEAM)
        low, high = int(near[0]), int(near[-1]) + 1
        self._steps.append(_Step(first + low, began[low:high]))
        self._scores, self._first = scores[low:high], first + low

    def _may_end(self) -> None:
        """The sound may end with the last step."""
        if self._first + len(self._scores) > self._frames and self._scores[-1] > self.score:
            self.score, self._until = float(self._scores[-1]), len(self._steps)

    def _length(self, kind: int, ms: float) -> Floats:
        """How likely each length is, the longest first."""
        if (known := self._lengths.get((kind, ms))) is None:
            frames = np.arange(LONGEST, 0, -1)
            usual = max(ms * self._pace / self._frame_ms, 0.75)
            known = -0.5 * np.square(np.log(frames / usual) / SPREAD)
            known += SOUND - math.log(float(np.exp(known).sum()))
            self._lengths[kind, ms] = known
        return known
