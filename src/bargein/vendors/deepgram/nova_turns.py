"""What Nova's results make of turns. No connection, no clock: results in, what was heard out.

Nova sends a stretch of sound's words again and again while it is unsure (interim), and once for good (final); the next
stretch begins where the final one ended. A pause ends the turn (speech_final); where noise hides the pause, the
distance between words does (UtteranceEnd). Three things are not as one might think, and each has its rule here:

- An UtteranceEnd may come when later words are known already: then it speaks of the past, and ends nothing.
- It may end a turn whose words were never made final. They come as final afterwards, and are no new turn: so words
  that lie before the last one told are dropped.
- None of the two may come at all: after a noise, or when the line broke between the words and the pause, since a new
  connection hears nothing but the pause. So a turn ends, too, when much more sound was listened to without a word.
"""

from __future__ import annotations

from dataclasses import dataclass

from bargein.protocols import TurnUpdate, TurnUpdateKind
from bargein.units import joined

KEPT_MS = 1_000.0  # of sound without a turn: the first word of the next may lie in it
SAME_MS = 20.0  # two times of the same word, rounded differently


@dataclass(frozen=True, slots=True)
class NovaWord:
    """start_ms, end_ms: from the first sample that was fed."""

    text: str
    start_ms: float
    end_ms: float


@dataclass(frozen=True, slots=True)
class NovaResult:
    """What was read in a stretch. from_ms, until_ms: from the first sample that was fed; words: may be missing where
    text is not; final: it will not be read again; over: a pause follows."""

    from_ms: float
    until_ms: float
    text: str
    words: tuple[NovaWord, ...]
    final: bool
    over: bool


class NovaTurns:
    """The turns of one call, over all its connections.

    over_ms: listening without a new word, after which a turn is over though Deepgram announced no end.
    answered_ms: audio before this position need not be sent again. listened_ms: audio that Deepgram has listened to.
    """

    def __init__(self, over_ms: float) -> None:
        self.over_ms = over_ms
        self.answered_ms = 0.0
        self.listened_ms = 0.0
        self._turn = -1
        self._open = False
        self._pieces: list[str] = []  # final ones of the open turn
        self._interim = ""
        self._text = ""  # as it was told last
        self._from_ms = 0.0
        self._last_ms = 0.0  # end of the last word
        self._told_ms = 0.0  # end of the last word that is final, or of a turn that is over

    def again(self, from_ms: float) -> None:
        """A new connection hears everything from there (before answered_ms) once more; an open turn goes on."""
        self.listened_ms = from_ms
        self._interim = ""

    def result(self, result: NovaResult) -> list[TurnUpdate]:
        """What there is to tell now, in order: one or two things."""
        self.listened_ms = result.until_ms
        text, words = self._new(result)
        if result.final:
            self._interim = ""
            if text:
                self._pieces.append(text)
                self._told_ms = max(self._told_ms, words[-1].end_ms if words else result.until_ms)
        else:
            self._interim = text
        heard: list[TurnUpdate] = []
        if text:
            self._last_ms = words[-1].end_ms if words else result.until_ms
            if not self._open:
                self._open = True
                self._turn += 1
                self._from_ms = words[0].start_ms if words else result.from_ms
                heard.append(self._tell("started"))
        if self._open and (result.over or self.listened_ms - self._last_ms >= self.over_ms):
            heard.append(self._end())
        elif not heard:
            heard.append(self._tell("words" if self._open and self._said() != self._text else "progress"))
        self._answered(result)
        return heard

    def utterance_end(self, last_word_ms: float | None) -> list[TurnUpdate]:
        """last_word_ms: end of the word after which there was none for long; None: not told."""
        if not self._open or (last_word_ms is not None and last_word_ms < self._last_ms - SAME_MS):
            return []
        return [self._end()]

    def _new(self, result: NovaResult) -> tuple[str, list[NovaWord]]:
        """The result without the words that were told already."""
        words = [word for word in result.words if (word.start_ms + word.end_ms) / 2 > self._told_ms]
        text = result.text if len(words) == len(result.words) else joined(word.text for word in words)
        return text.strip(), words

    def _answered(self, result: NovaResult) -> None:
        if not self._open:
            self.answered_ms = max(self.answered_ms, result.until_ms - KEPT_MS)
        elif result.final:
            self.answered_ms = max(self.answered_ms, result.until_ms)

    def _end(self) -> TurnUpdate:
        heard = self._tell("ended")
        self._open = False
        self._told_ms = max(self._told_ms, self._last_ms)
        self._pieces.clear()
        self._interim = self._text = ""
        return heard

    def _tell(self, kind: TurnUpdateKind) -> TurnUpdate:
        self._text = self._said()
        return TurnUpdate(kind, max(self._turn, 0), self._text, self._from_ms, self.listened_ms)

    def _said(self) -> str:
        return joined([*self._pieces, self._interim] if self._interim else self._pieces)
