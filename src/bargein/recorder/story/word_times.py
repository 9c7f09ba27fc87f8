"""Places words on the call's clock."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bargein.recorder.story.call_story import StoryWord
from bargein.units import spans

MS_PER_CHAR = 65.0  # of words that never sounded
JOINED_MS = 300.0  # a shorter quiet is within a stretch of speech
LEAST_MS = 60.0  # of speech: a single window is none

Stretch = tuple[float, float]


@dataclass(frozen=True, slots=True)
class ReplyPause:
    """A hold in a reply that went on after it."""

    from_ms: float
    until_ms: float


class SpeechStretches:
    """Where the user speaks, window by window."""

    def __init__(self) -> None:
        self.stretches: list[Stretch] = []

    def add(self, from_ms: float, until_ms: float) -> None:
        """A window of speech. Windows come in order."""
        if self.stretches and from_ms - self.stretches[-1][1] <= JOINED_MS:
            self.stretches[-1] = (self.stretches[-1][0], max(until_ms, self.stretches[-1][1]))
            return
        if self.stretches and self.stretches[-1][1] - self.stretches[-1][0] < LEAST_MS:
            self.stretches.pop()
        self.stretches.append((from_ms, until_ms))

    def between(self, from_ms: float, until_ms: float) -> list[Stretch]:
        """The stretches, as far as they lie between two moments."""
        first = bisect_right(self.stretches, from_ms, key=lambda stretch: stretch[1])
        last = bisect_left(self.stretches, until_ms, key=lambda stretch: stretch[0])
        inside = [(max(a, from_ms), min(b, until_ms)) for a, b in self.stretches[first:last]]
        return [(a, b) for a, b in inside if b > a]


def pieces(text: str) -> list[str]:
    """A text's words, each with the spaces and signs after it."""
    here = spans(text)
    if not here:
        return [text] if text.strip() else []
    begins = [0, *(first for first, _ in here[1:])]
    return [text[a:b] for a, b in zip(begins, [*begins[1:], len(text)], strict=True)]


def sounding(started_ms: float, ended_ms: float, pauses: Iterable[ReplyPause]) -> list[Stretch]:
    """The stretches of a reply that sounded."""
    stretches, at_ms = [], started_ms
    for pause in pauses:
        if pause.from_ms > at_ms:
            stretches.append((at_ms, min(pause.from_ms, ended_ms)))
        at_ms = max(at_ms, pause.until_ms)
    if ended_ms > at_ms:
        stretches.append((at_ms, ended_ms))
    return stretches


def placed(
    texts: Sequence[str], times: Sequence[float], heard: int, started_ms: float, pauses: Sequence[ReplyPause]
) -> tuple[StoryWord, ...]:
    """The words of a reply. times: start and end of each, ms from the reply's first sample; heard: how many were."""

    def on_the_clock(ms: float, *, end: bool) -> float:
        at_ms = started_ms + ms
        for pause in pauses:
            # A word that ends where the hold begins ended before it; one that begins there begins after it.
            if at_ms > pause.from_ms or (at_ms == pause.from_ms and not end):
                at_ms += pause.until_ms - pause.from_ms
        return at_ms

    return tuple(
        StoryWord(text, on_the_clock(start, end=False), on_the_clock(end, end=True), at < heard)
        for at, (text, start, end) in enumerate(zip(texts, times[::2], times[1::2], strict=False))
        if text
    )


def spread(text: str, stretches: Sequence[Stretch]) -> tuple[StoryWord, ...]:
    """The words of a text over the stretches in which it was said, by their lengths: an estimate."""
    words = pieces(text)
    whole = sum(map(len, words))
    total = sum(b - a for a, b in stretches)
    if not words or not stretches:
        return ()
    made: list[StoryWord] = []
    chars = 0
    for word in words:
        start, end = total * chars / whole, total * (chars + len(word)) / whole
        chars += len(word)
        made.append(StoryWord(word, _at(stretches, start, end=False), _at(stretches, end, end=True)))
    return tuple(made)


def after(text: str, from_ms: float) -> tuple[StoryWord, ...]:
    """The words that were not heard any more, where they would have sounded."""
    made: list[StoryWord] = []
    for word in pieces(text):
        until_ms = from_ms + MS_PER_CHAR * len(word)
        made.append(StoryWord(word, from_ms, until_ms, heard=False))
        from_ms = until_ms
    return tuple(made)


def _at(stretches: Sequence[Stretch], ms: float, *, end: bool) -> float:
    """The moment at which so much of the stretches is over."""
    for a, b in stretches:
        if ms < b - a or (end and ms <= b - a):
            return a + ms
        ms -= b - a
    return stretches[-1][1]
