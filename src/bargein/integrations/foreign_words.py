"""The words behind the verdicts of a guest floor: an STT of ours reads them when the floor asks, or the framework's own
STT tells them when it will.

An STT never says that a sound has no words. So this is learnt: how long after an onset the STT usually has the first
words. Where they do not come in that time, the sound is read as nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from bargein import floor as f
from bargein.call.context import CallContext
from bargein.call.input.turns import Turns
from bargein.protocols import BatchSTT

LEAD_IN_MS = 150  # an STT wants a little audio before the first word
FOREIGN_WORDS_MS = 200.0  # for newer words of the framework's STT, when the floor asks for them
MARGIN_MS = 100.0  # past the STT's usual time
FORGETS = 0.8  # of the longest time, with each onset
TOO_LATE_MS = 1_000.0  # an STT that has words only then decides nothing


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
        self._lag_ms = 0.0  # from an onset to the first words: the longest, of late
        self._asked: tuple[int, float, float] | None = None  # a reading, its onset, and when it is to be answered

    def announce(self) -> None:
        """Tell the floor what there is."""
        small = getattr(self._stt, "small", False)
        self._feed(f.STTChanged(self._now_ms(), words=self.known, turns=self.turns_known, small=small))

    def expect(self) -> None:
        """The framework has an STT, which has told nothing yet."""
        if not self.known:
            self.known = True
            self.announce()

    def know_turns(self) -> None:
        """The framework tells of a turn."""
        if not self.turns_known:
            self.turns_known = True
            self.announce()

    def read(self, text: str, *, held: bool) -> None:
        """The framework's STT has read words: all of the running speech. held: a reply waits for the verdict."""
        floor, now_ms = self._floor, self._now_ms()
        at_ms = floor.speech.onset_ms if held or floor.talking else now_ms
        onset_ms = floor.speech.onset_ms
        if self._newest[0] < onset_ms:
            self._lag_ms = max(now_ms - onset_ms, self._lag_ms * FORGETS)
        self._newest = now_ms, text
        if self.known is not (self._stt is not None or self._lag_ms < TOO_LATE_MS):
            self.known = not self.known
            self.announce()
        # They answer the floor's question for words, if it has one.
        self._feed(f.Words(at_ms, text, floor.onset.reading if floor.onset.awaiting_words else None))

    def ask(self, reading: int, from_ms: float, context: CallContext | None, turns: Turns | None) -> None:
        """The floor wants to know the words since from_ms."""
        onset_ms = from_ms + self._floor.policy.endpointing.pre_roll_ms
        if self._stt is None:
            p = self._floor.policy.verdict
            patience_ms = max(p.confirm_ms, p.look_ms) + p.words_wait_ms - MARGIN_MS / 2  # then the floor cuts
            usual_ms = max(self._now_ms() + FOREIGN_WORDS_MS, onset_ms + self._lag_ms + MARGIN_MS)
            self._asked = reading, onset_ms, min(usual_ms, max(onset_ms + patience_ms, self._now_ms()))
        elif context is not None and turns is not None:
            context.spawn(self._look(context, turns, reading, onset_ms), f"look {reading}")

    def tick(self, now_ms: float) -> None:
        """The framework's STT has had its time: the words that came since the onset are all there are."""
        if self._asked is None or now_ms < self._asked[2]:
            return
        (reading, onset_ms, _), (came_ms, text) = self._asked, self._newest
        self._asked = None
        floor = self._floor
        if reading != floor.onset.reading or not floor.onset.awaiting_words:
            return
        if came_ms >= onset_ms:
            self._feed(f.Words(onset_ms, text, reading))
        elif floor.talking:  # after the speech, the policy's verdict_timeout_ms waits for words
            self._feed(f.Words(onset_ms, "", reading))

    async def _look(self, context: CallContext, turns: Turns, reading: int, onset_ms: float) -> None:
        text = await turns.words_since(onset_ms - LEAD_IN_MS)
        context.journal.note(self._now_ms(), "look", look=reading, text=text)
        self._feed(f.Words(onset_ms, text, reading))
