"""The word clock: the words of a reply that were heard up to a position (ms) in its audio.

A word was heard if its END lies at or before the position; a word cut in its middle was not. When the TTS gives no word
times, the words of a text are spread over its audio by the lengths of their characters, and results are not `exact`.
A word is a unit of `bargein.units`: a single character in Chinese, Japanese, Thai and the like.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from bargein.audio.lengths import added, lasts, syllables
from bargein.audio.text_map import TextMap
from bargein.errors import UsageError
from bargein.protocols import SpeechChunk, Word
from bargein.units import spans

MS_PER_CHAR = 65.0  # of a brisk speaker: a text whose audio still grows lasts at least this long for each letter
# Positions count samples at the client's rate and times at the TTS's rate. Without this tolerance (a sample at 8 kHz)
# the last word of a reply that was heard to its end would count as cut.
ROUNDING_MS = 0.125


@dataclass(frozen=True, slots=True)
class HeardText:
    """The text that was heard up to a position."""

    text: str
    """Up to the last heard word and the signs after it."""
    end: int
    """Position in the reply's text."""
    exact: bool
    """By the TTS's own times."""
    next_word: Word | None
    """The first word that was not heard. None: not known."""


class WordClock:
    """Collects one reply's words in the order of their audio. Times are in ms from the first sample of the reply.

    written: tells where the spoken text stands in the text that the LLM wrote. All results are positions in the written
    text. None: the text is spoken as it is written.
    """

    def __init__(self, written: TextMap | None = None) -> None:
        self._map = written
        self._text = ""  # as it is spoken
        self.ms_per_char = MS_PER_CHAR
        """Set this when the speaker's pace is known."""
        self._words: list[Word] = []
        self._ends: list[float] = []  # of _words, for bisection: never falling
        self._exact: list[bool] = []  # of _words
        self._samples, self._rate = 0, 1
        self._open: tuple[int, float] | None = None  # begin of the text with estimated times: char, ms
        self._finished = False

    @classmethod
    def restored(cls, text: str, words: tuple[Word, ...], ms: float, *, exact: bool, finished: bool) -> WordClock:
        """The words of a reply that another process has made. text: as it was written, like the words' places in it;
        ms: length of the audio so far; exact: the times were the TTS's own."""
        clock = cls()
        clock._text = text
        clock._place(words, exact=exact)
        clock._samples, clock._rate = round(ms), 1000
        clock._finished = finished
        return clock

    @property
    def exact(self) -> bool:
        """All word times so far are the TTS's own."""
        return all(self._exact) and self._open is None

    @property
    def words(self) -> tuple[Word, ...]:
        """All words so far, with estimated times for words whose times may still change."""
        return self._written((*self._words, *self._growing()))

    @property
    def settled(self) -> tuple[Word, ...]:
        """The words whose times do not change any more: the first of `words`."""
        return self._written(tuple(self._words))

    @property
    def text(self) -> str:
        """The written text, as far as the TTS has come with it."""
        if self._map is None or self._map.plain:
            return self._text
        whole = self._finished and len(self._text) >= len(self._map)
        return self._map.written if whole else self._map.written[: self._map.at(len(self._text))]

    @property
    def ms(self) -> float:
        """Length of the audio so far."""
        return self._samples * 1000 / self._rate

    def add(self, spoken: SpeechChunk) -> tuple[Word, ...]:
        """Take the next chunk. Returns the words that now have their final times. Raises UsageError after `finish`."""
        if self._finished:
            raise UsageError("The reply's words have ended", advice="Make a WordClock for each reply")
        placed: tuple[Word, ...] = ()
        if spoken.text:
            placed = self._add_text(spoken.text, timed=spoken.words is not None, ahead=spoken.ahead)
        elif spoken.words:
            self._open = None  # late times of the TTS are better than an estimate
        if spoken.words:
            placed += self._place(spoken.words, exact=spoken.exact)
            if spoken.ahead:
                self._go_on()
        if len(spoken.pcm):
            self._samples += len(spoken.pcm)
            self._rate = spoken.pcm.rate
        return self._written(placed)

    def guess(self, words: tuple[Word, ...]) -> None:
        """Better estimates for words without times. Words with final times keep them."""
        if self._finished:
            return
        last = self._words[-1].end if self._words else 0
        words = tuple(word for word in words if word.begin >= last and word.end <= len(self._text))
        if words:
            self._open = None
            self._place(words, exact=False)
            self._go_on()

    def _go_on(self) -> None:
        """The text after the last placed word has no times yet: it begins at that word's end."""
        last = self._words[-1]
        if any(char.isalnum() for char in self._text[last.end :]):
            self._open = (last.end, last.end_ms)

    def grow(self, samples: int, rate: int) -> None:
        """Count audio that the client gets from elsewhere."""
        self._samples += samples
        self._rate = rate

    def finish(self) -> tuple[Word, ...]:
        """No chunk follows. Returns the words that have their final times only now."""
        self._finished = True
        return self._written(self._close())

    def heard(self, ms: float) -> HeardText:
        """The text that was heard when `ms` of the reply's audio had played."""
        growing = self._growing()
        words = [*self._words, *growing]
        ends = [*self._ends, *(w.end_ms for w in growing)]
        n = bisect_right(ends, ms + ROUNDING_MS) if ms > 0 else 0
        if self._finished and 0 < max([*ends[-1:], self.ms]) <= ms + ROUNDING_MS:
            return HeardText(self.text.strip(), len(self.text), exact=True, next_word=None)
        following = words[n] if n < len(words) else None
        end = self._place_in_text(self._end_of(words[n - 1], following), last=following is None) if n else 0
        exact = all(self._exact[: n + 1]) and (n < len(self._words) or not growing)
        (next_word,) = self._written((following,)) if following is not None else (None,)
        return HeardText(self.text[:end].strip(), end, exact, next_word)

    def ends_between(self, from_ms: float, until_ms: float) -> bool:
        """Whether a word that has its final time ends in (from_ms, until_ms]."""
        n = bisect_right(self._ends, from_ms)
        return n < len(self._ends) and self._ends[n] <= until_ms

    def sounding(self, ms: float) -> Word | None:
        """The word at this position, or the last word that began before it."""
        last = None
        for word in self.words:
            if word.start_ms > ms:
                break
            last = word
        return last

    def between(self, from_ms: float, until_ms: float) -> str:
        """The spoken words that lie, at least in part, between two positions."""
        words = (*self._words, *self._growing())
        inside = [w for w in words if w.end_ms > from_ms and w.start_ms < until_ms]
        return self._text[inside[0].begin : inside[-1].end] if inside else ""

    # ------------------------------------------------------------------------------------------------- placing

    def _add_text(self, text: str, *, timed: bool, ahead: bool) -> tuple[Word, ...]:
        placed: tuple[Word, ...] = ()
        # A text without audio so far continues with the next text, and a text of spaces needs no time. A text
        # that comes ahead of its audio gives no time for its beginning.
        goes_on = self._open is not None and (ahead or self._open[1] == self.ms or not text.strip())
        if timed or not goes_on:
            placed = self._close()
        if not timed and self._open is None and text.strip():
            self._open = (len(self._text), self.ms)
        self._text += text
        return placed

    def _place(self, words: tuple[Word, ...], *, exact: bool) -> tuple[Word, ...]:
        placed = []
        for word in words:
            # A word that ends before the word before it would make `heard` go back, in time; or is told again.
            last_ms = self._ends[-1] if self._ends else 0.0
            last = self._words[-1].end if self._words else 0
            if word.end <= last:
                continue
            if word.end_ms < last_ms or word.begin < last:
                word = Word(word.start_ms, max(word.end_ms, last_ms), max(word.begin, last), word.end)
            placed.append(word)
            self._words.append(word)
            self._ends.append(word.end_ms)
            self._exact.append(exact)
        return tuple(placed)

    def _growing(self) -> tuple[Word, ...]:
        if self._open is None:
            return ()
        begin, from_ms = self._open
        least_ms = sum(map(syllables, self._text[begin:])) * self.ms_per_char
        return self._spread(begin, from_ms, max(self.ms - from_ms, least_ms))

    def _close(self) -> tuple[Word, ...]:
        if self._open is None:
            return ()
        begin, from_ms = self._open
        self._open = None
        return self._place(self._spread(begin, from_ms, self.ms - from_ms), exact=False)

    def _spread(self, begin: int, from_ms: float, ms: float) -> tuple[Word, ...]:
        text = self._text[begin:]
        until = added(map(lasts, text))
        scale = ms / until[-1]
        here = spans(text)
        # A word lasts until the next begins: the spaces and signs between them are its own.
        ends = [*(first for first, _ in here[1:]), len(text)]
        return tuple(
            Word(from_ms + scale * until[first], from_ms + scale * until[end], begin + first, begin + last)
            for (first, last), end in zip(here, ends, strict=True)
        )

    def _end_of(self, word: Word, following: Word | None) -> int:
        """The word's end in the spoken text, with the signs after the word, also signs that the TTS did not count."""
        end, most = word.end, len(self._text) if following is None else following.begin
        while end < most and not self._text[end].isspace() and not self._text[end].isalnum():
            end += 1
        return end

    # ----------------------------------------------------------------------------------------- the written text

    def _place_in_text(self, position: int, *, last: bool) -> int:
        """A position of the spoken text, in the written text. last: no word follows so far."""
        if self._map is None or self._map.plain:
            return position
        if last and not any(char.isalnum() for char in self._text[position:]):
            position = len(self._text)  # dropped signs after the last word were heard with it
        return self._map.at(position)

    def _written(self, words: tuple[Word, ...]) -> tuple[Word, ...]:
        if (at := self._map) is None or at.plain:
            return words
        return tuple(Word(w.start_ms, w.end_ms, at.at(w.begin), at.at(w.end)) for w in words)
