"""The word clock: which words of a reply were heard after so many milliseconds of its audio.

A word was heard if its END lies at or before that moment; a word cut in its middle was not. Where a voice gives no
times, a text's words are spread over its audio by their characters, and everything told from that says so.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

from bargein.contracts import Spoken, Word

MS_PER_CHAR = 65.0  # a brisk speaker's: a text still growing is taken to last at least this long for each character
_TOKEN = re.compile(r"\S+\s*")


@dataclass(frozen=True, slots=True)
class HeardText:
    """What was heard. text: up to the last heard word; end: so many characters of the reply's text; exact: by the
    voice's own times; next_word: the first that was not heard, if it is known."""

    text: str
    end: int
    exact: bool
    next_word: Word | None


class WordClock:
    """Collects one reply's words. Times in ms from the first sample of the reply's audio."""

    def __init__(self) -> None:
        self.text = ""
        self._words: list[Word] = []
        self._ends: list[float] = []
        self._exact = True
        self._ms = 0.0
        # the text whose times are being estimated: where it begins, in characters and in ms; None: no such text
        self._open: tuple[int, float] | None = None

    @property
    def words(self) -> tuple[Word, ...]:
        """All words placed so far, an estimate of those still growing included."""
        return (*self._words, *self._estimate())

    def add(self, spoken: Spoken) -> tuple[Word, ...]:
        """Take the next stretch; the words that have their final times by it."""
        placed: tuple[Word, ...] = ()
        if spoken.text:
            placed = self._close()
            if spoken.words is None:
                self._open = (len(self.text), self._ms)
                self._exact = False
            self.text += spoken.text
        if spoken.words:
            placed += spoken.words
            self._place(spoken.words)
        self._ms += spoken.pcm.ms
        return placed

    def finish(self) -> tuple[Word, ...]:
        """No more comes; the words that got their times only now."""
        return self._close()

    def heard(self, ms: float) -> HeardText:
        """What had been heard when ms of the reply's audio had sounded."""
        words, ends = (self._words, self._ends) if self._open is None else (list(self.words), [])
        if not ends:
            ends = [w.end_ms for w in words]
        n = bisect_right(ends, ms)
        end = words[n - 1].end if n else 0
        return HeardText(self.text[:end].strip(), end, self._exact, words[n] if n < len(words) else None)

    def sounding(self, ms: float) -> Word | None:
        """The word that sounds at ms, or was the last to begin before it."""
        last = None
        for word in self.words:
            if word.start_ms > ms:
                break
            last = word
        return last

    def between(self, from_ms: float, until_ms: float) -> str:
        """The words that sounded, at least in part, in this stretch."""
        inside = [w for w in self.words if w.end_ms > from_ms and w.start_ms < until_ms]
        return self.text[inside[0].begin : inside[-1].end] if inside else ""

    def _place(self, words: tuple[Word, ...]) -> None:
        for word in words:
            # A word that is told to end before its forerunner would make "heard" jump back: times only grow.
            last = self._ends[-1] if self._ends else 0.0
            if word.end_ms < last:
                word = Word(min(word.start_ms, last), last, word.begin, word.end)
            self._words.append(word)
            self._ends.append(word.end_ms)

    def _estimate(self) -> tuple[Word, ...]:
        if self._open is None:
            return ()
        begin, from_ms = self._open
        text = self.text[begin:]
        return self._spread(text, begin, from_ms, max(self._ms - from_ms, len(text) * MS_PER_CHAR))

    def _close(self) -> tuple[Word, ...]:
        if self._open is None:
            return ()
        begin, from_ms = self._open
        words = self._spread(self.text[begin:], begin, from_ms, self._ms - from_ms)
        self._open = None
        self._place(words)
        return words

    @staticmethod
    def _spread(text: str, begin: int, from_ms: float, ms: float) -> tuple[Word, ...]:
        per_char = ms / len(text) if text else 0.0
        return tuple(
            Word(
                from_ms + m.start() * per_char,
                from_ms + m.end() * per_char,
                begin + m.start(),
                begin + m.start() + len(m.group().rstrip()),
            )
            for m in _TOKEN.finditer(text)
        )
