"""The words behind the verdicts of a guest floor: an STT of ours reads them when the floor asks, or the framework's own
STT tells them when it will."""

from __future__ import annotations

from collections.abc import Callable

from bargein import floor as f
from bargein.call.context import CallContext
from bargein.call.input.turns import Turns
from bargein.protocols import BatchSTT

LEAD_IN_MS = 150  # an STT wants a little audio before the first word
FOREIGN_WORDS_MS = 200.0  # for newer words of the framework's STT, when the floor asks for them


class ForeignWords:
    """stt: ours, if there is one. feed: hands an event to the floor."""

    def __init__(
        self,
        floor: f.Floor,
        stt: BatchSTT | None,
        now_ms: Callable[[], float],
        feed: Callable[[f.Event], None],
    ) -> None:
        self.known = stt is not None
        """Whether anything reads the user's words."""
        self.turns_known = False
        """Whether the framework tells the user's turns."""
        self._floor, self._stt = floor, stt
        self._now_ms, self._feed = now_ms, feed
        self._newest = (-1.0, "")  # of the framework's STT, and when they came
        self._asked: tuple[int, float, float] | None = None  # a reading, its onset, and when it is to be answered

    def announce(self) -> None:
        """Tell the floor what there is."""
        self._feed(f.STTChanged(self._now_ms(), words=self.known, turns=self.turns_known))

    def know_turns(self) -> None:
        """The framework tells of a turn."""
        if not self.turns_known:
            self.turns_known = True
            self.announce()

    def read(self, text: str, *, held: bool) -> None:
        """The framework's STT has read words: all of the running speech. held: a reply waits for the verdict."""
        if not self.known:
            self.known = True
            self.announce()
        floor = self._floor
        self._newest = self._now_ms(), text
        at_ms = floor.speech.onset_ms if held or floor.talking else self._now_ms()
        # They answer the floor's question for words, if it has one.
        self._feed(f.Words(at_ms, text, floor.onset.reading if floor.onset.awaiting_words else None))

    def ask(self, reading: int, from_ms: float, context: CallContext | None, turns: Turns | None) -> None:
        """The floor wants to know the words since from_ms."""
        onset_ms = from_ms + self._floor.policy.endpointing.pre_roll_ms
        if self._stt is None:
            self._asked = reading, onset_ms, self._now_ms() + FOREIGN_WORDS_MS
        elif context is not None and turns is not None:
            context.spawn(self._look(context, turns, reading, onset_ms), f"look {reading}")

    def tick(self, now_ms: float) -> None:
        """The framework's STT has had its time: the words that came since the onset are all there are."""
        if self._asked is not None and now_ms >= self._asked[2]:
            (reading, onset_ms, _), (came_ms, text) = self._asked, self._newest
            self._asked = None
            onset = self._floor.onset
            if came_ms >= onset_ms and reading == onset.reading and onset.awaiting_words:
                self._feed(f.Words(onset_ms, text, reading))

    async def _look(self, context: CallContext, turns: Turns, reading: int, onset_ms: float) -> None:
        text = await turns.words_since(onset_ms - LEAD_IN_MS)
        context.journal.note(self._now_ms(), "look", look=reading, text=text)
        self._feed(f.Words(onset_ms, text, reading))
