"""The word clock: which words of a reply were heard once a number of milliseconds of its audio had sounded.

A word was heard if its END lies at or before that moment. A word that was cut in its middle was not heard. Where a TTS
gives no word times, the words of a text are spread over its audio by the lengths of their characters, and `exact` is
False for results made of such estimates.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

from bargein.audio.lengths import LASTS, TOKEN
from bargein.errors import UsageError
from bargein.protocols import SpeechChunk, Word

MS_PER_CHAR = 65.0  # a brisk speaker's: text whose audio still comes lasts at least as long, for each letter
# Positions are counted in samples at the client's rate, and word times in samples at the TTS's rate. Rounding may put
# the two one sample at 8 kHz apart: without this margin, the last word of a reply heard to its end would count as cut.
ROUNDING_MS = 0.125


@dataclass(frozen=True, slots=True)
class HeardText:
    """The part of a reply's text that was heard."""

    text: str
    """Up to the last heard word, and the signs that follow the word."""
    end: int
    """Length of that part in the reply's text, in characters."""
    exact: bool
    """The words have the TTS's own times. False: estimates."""
    next_word: Word | None
    """The first word that was not heard. None: not known yet, or there is none."""


class WordClock:
    """The words of one reply, in the order in which they sound. Times are ms from the first sample of its audio."""

    def __init__(self) -> None:
        self.text = ""
        self.ms_per_char = MS_PER_CHAR  # a better value may be set
        self._words: list[Word] = []
        self._ends: list[float] = []  # end_ms of each of _words, never falling
        self._exact: list[bool] = []  # of each of _words
        self._samples, self._rate = 0, 1
        self._open: tuple[int, float] | None = None  # (character, ms) where the text begins whose words are estimated
        self._finished = False

    @property
    def words(self) -> tuple[Word, ...]:
        """All words so far, with an estimate of those whose audio still comes."""
        return (*self._words, *self._growing())

    @property
    def ms(self) -> float:
        """Length of the audio so far."""
        return self._samples * 1000 / self._rate

    def add(self, spoken: SpeechChunk) -> tuple[Word, ...]:
        """Take the reply's next chunk. Returns the words that now have their final times.

        Raises UsageError after `finish`.
        """
        if self._finished:
            raise UsageError("The reply has ended", advice="Make a WordClock for each reply")
        placed: tuple[Word, ...] = ()
        if spoken.text:
            placed = self._text(spoken.text, timed=spoken.words is not None, ahead=spoken.ahead)
        elif spoken.words:
            self._open = None  # the TTS gives its times late, and they replace the estimate
        if spoken.words:
            placed += self._place(spoken.words, exact=spoken.exact)
            if spoken.ahead:
                self._go_on()
        if len(spoken.pcm):
            self._samples += len(spoken.pcm)
            self._rate = spoken.pcm.rate
        return placed

    def guess(self, words: tuple[Word, ...]) -> None:
        """Estimates better than by characters, for words whose times have not come. Final times stay."""
        if self._finished:
            return
        last = self._words[-1].end if self._words else 0
        words = tuple(word for word in words if word.begin >= last and word.end <= len(self.text))
        if words:
            self._open = None
            self._place(words, exact=False)
            self._go_on()

    def _go_on(self) -> None:
        """The text behind the last word with times is estimated from that word's end on."""
        last = self._words[-1]
        if any(char.isalnum() for char in self.text[last.end :]):
            self._open = (last.end, last.end_ms)

    def grow(self, samples: int, rate: int) -> None:
        """Count audio that did not come through `add`."""
        self._samples += samples
        self._rate = rate

    def finish(self) -> tuple[Word, ...]:
        """The reply has ended. Returns the words that get their final times only now."""
        self._finished = True
        return self._close()

    def heard(self, ms: float) -> HeardText:
        """The part of the text that was heard once `ms` of the reply's audio had sounded."""
        growing = self._growing()
        words = [*self._words, *growing]
        ends = [*self._ends, *(w.end_ms for w in growing)]
        n = bisect_right(ends, ms + ROUNDING_MS) if ms > 0 else 0
        if self._finished and 0 < max([*ends[-1:], self.ms]) <= ms + ROUNDING_MS:
            return HeardText(self.text.strip(), len(self.text), exact=True, next_word=None)
        end = self._end_of(words[n - 1], words[n] if n < len(words) else None) if n else 0
        exact = all(self._exact[: n + 1]) and (n < len(self._words) or not growing)
        return HeardText(self.text[:end].strip(), end, exact, words[n] if n < len(words) else None)

    def ends_between(self, from_ms: float, until_ms: float) -> bool:
        """A word with its final time ends in (from_ms, until_ms]."""
        n = bisect_right(self._ends, from_ms)
        return n < len(self._ends) and self._ends[n] <= until_ms

    def sounding(self, ms: float) -> Word | None:
        """The word that sounds at `ms`, or the last word that began before."""
        last = None
        for word in self.words:
            if word.start_ms > ms:
                break
            last = word
        return last

    def between(self, from_ms: float, until_ms: float) -> str:
        """The words that sounded, at least in part, in this interval."""
        inside = [w for w in self.words if w.end_ms > from_ms and w.start_ms < until_ms]
        return self.text[inside[0].begin : inside[-1].end] if inside else ""

    # ------------------------------------------------------------------------------------------------- placing

    def _text(self, text: str, *, timed: bool, ahead: bool) -> tuple[Word, ...]:
        placed: tuple[Word, ...] = ()
        # Text that has had no audio yet goes on with the next text, and text of spaces only needs no time of its own.
        # Text that comes ahead of its audio does not say where the audio begins.
        goes_on = self._open is not None and (ahead or self._open[1] == self.ms or not text.strip())
        if timed or not goes_on:
            placed = self._close()
        if not timed and self._open is None and text.strip():
            self._open = (len(self.text), self.ms)
        self.text += text
        return placed

    def _place(self, words: tuple[Word, ...], *, exact: bool) -> tuple[Word, ...]:
        placed = []
        for word in words:
            # A word that ends before its predecessor, in time or in the text, would make the heard text shrink.
            last_ms = self._ends[-1] if self._ends else 0.0
            last = self._words[-1].end if self._words else 0
            if word.end_ms < last_ms or word.end < last:
                word = Word(min(word.start_ms, last_ms), max(word.end_ms, last_ms), word.begin, max(word.end, last))
            placed.append(word)
            self._words.append(word)
            self._ends.append(word.end_ms)
            self._exact.append(exact)
        return tuple(placed)

    def _growing(self) -> tuple[Word, ...]:
        if self._open is None:
            return ()
        begin, from_ms = self._open
        return self._spread(begin, from_ms, max(self.ms - from_ms, _letters(self.text[begin:])[-1] * self.ms_per_char))

    def _close(self) -> tuple[Word, ...]:
        if self._open is None:
            return ()
        begin, from_ms = self._open
        self._open = None
        return self._place(self._spread(begin, from_ms, self.ms - from_ms), exact=False)

    def _spread(self, begin: int, from_ms: float, ms: float) -> tuple[Word, ...]:
        text = self.text[begin:]
        lasts = _letters(text)
        scale = ms / lasts[-1]
        return tuple(
            Word(
                from_ms + scale * lasts[m.start()],
                from_ms + scale * lasts[m.end()],
                begin + m.start(),
                begin + m.start() + len(m.group().rstrip()),
            )
            for m in TOKEN.finditer(text)
        )

    def _end_of(self, word: Word, following: Word | None) -> int:
        """Where the word ends in the text, with the signs after the word, also those that the TTS did not count."""
        end, most = word.end, len(self.text) if following is None else following.begin
        while end < most and not self.text[end].isspace() and not self.text[end].isalnum():
            end += 1
        return end


def _letters(text: str) -> list[float]:
    """How long each beginning of the text takes, in letters, the empty one first."""
    return list(accumulate((LASTS.get(char, 1.0) for char in text), initial=0.0))
