"""What was heard: of the reply that sounds, of the one that was cut, and what the user's words were said over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from bargein import notices as n
from bargein import protocols as c
from bargein.call.output.track import Position, Track
from bargein.call.record.conversation import Conversation

log = logging.getLogger(__name__)

ACK_MS = 250  # how long a cut waits for the far end's word on what was heard, before it goes by its own count
OVER_WORDS = 12  # how much of the agent's sentence is told with what was said over it
OWN_BEFORE_MS = 1000  # an echo comes after what it repeats


@dataclass(slots=True)
class _Ending:
    """A reply that was cut, until the far end has told what was heard of it."""

    track: Track
    text: str
    until_ms: float
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Ledger:
    """track: the newest reply's, also when it is over; heard_ms: how much of it was heard, once it is over. Times in ms
    on the call's clock."""

    def __init__(
        self,
        conversation: Conversation,
        journal: c.Journal,
        notify: Callable[[n.Notice], None],
        now_ms: Callable[[], float],
    ) -> None:
        self._conversation = conversation
        self._journal = journal
        self._notify = notify
        self._now_ms = now_ms
        self._over_ms = 0.0
        self._ending: _Ending | None = None
        self.track: Track | None = None
        self.heard_ms = 0.0

    def begins(self, track: Track | None) -> None:
        """A reply begins to sound."""
        self.track = track
        self._over_ms = float("inf")
        if track is not None:
            self._conversation.agent_begins(track.reply)

    def of(self, reply: int) -> Track | None:
        """The newest track, if it is this reply's."""
        return self.track if self.track is not None and self.track.reply == reply else None

    def heard_end(self, now_ms: float) -> int:
        """So many characters of the reply that sounds have been heard."""
        return 0 if self.track is None else self.track.words.heard(self.track.position(now_ms).ms).end

    # ------------------------------------------------------------------------------------------------- endings

    def cut(self, track: Track, text: str, position: Position, *, told: bool) -> None:
        """The reply was cut here, as far as we know; told: the far end will say where it really was."""
        self._over_ms = self._now_ms()
        self._heard(track, text, "cut", position)
        if self._ending is not None:
            self._ending.done.set()  # whoever waits for the one before: nobody is told more of it
        if told:
            self._ending = _Ending(track, text, self._now_ms() + ACK_MS)

    def flushed(self, now_ms: float, told: c.Flushed) -> None:
        """The far end's last word on a cut reply: so much of it was heard."""
        ending = self._ending
        if ending is None or ending.track.reply != told.reply or ending.done.is_set():
            return
        track = ending.track
        samples = track.reach(told.samples)
        track.at(now_ms, samples, playing=False, bound_ms=told.bound_ms, surely=True)
        self._heard(track, ending.text, "cut", Position(samples, samples * 1000 / track.rate, told.bound_ms))
        ending.done.set()

    def over(self, track: Track, text: str, ended: Literal["completed", "failed"]) -> None:
        """The reply was heard to its end, or to where it failed."""
        self._over_ms = self._now_ms()
        self._heard(track, text, ended, Position(track.made, float("inf"), 0.0))

    async def settled(self) -> None:
        """Wait until it is known what was heard of a reply that was cut."""
        if (ending := self._ending) is not None:
            await ending.done.wait()
            if self._ending is ending:
                self._ending = None

    def tick(self, now_ms: float) -> None:
        """The call's: the far end may have waited too long with its word."""
        if self._ending is not None and now_ms >= self._ending.until_ms and not self._ending.done.is_set():
            log.info("No word from the far end on what was heard; going by our own count")
            self._ending.done.set()

    def _heard(self, track: Track, text: str, ended: Literal["completed", "cut", "failed"], at: Position) -> None:
        self.heard_ms = min(at.ms, track.made * 1000 / track.rate)
        heard = track.words.heard(at.ms)
        said = text[: heard.end].strip() if ended != "completed" else text.strip()
        unheard = text[heard.end :].strip() if ended != "completed" else ""
        exact = ended == "completed" or (heard.exact and self._same_words(track, at))
        if self._conversation.agent_heard(track.reply, said, unheard, ended, exact=exact) is not None:
            self._notify(n.Transcript("agent", said, final=exact, reply_id=track.reply, unheard=unheard))
            self._journal.note(
                self._now_ms(), "heard", reply=track.reply, ended=ended, text=said, unheard=unheard, exact=exact
            )

    @staticmethod
    def _same_words(track: Track, at: Position) -> bool:
        """Whether the words are the same wherever the far end was within the bound."""
        if at.bound_ms == 0:
            return True
        words = track.words
        return words.heard(at.ms - at.bound_ms).end == words.heard(at.ms + at.bound_ms).end

    # --------------------------------------------------------------------------------------------- said over it

    def said_over(self, onset_ms: float) -> c.SaidOver | None:
        """What the agent was saying at a moment of the call."""
        track = self.track
        if track is None or onset_ms > self._over_ms:
            return None
        word = track.words.sounding(track.was_at_ms(onset_ms))
        if word is None:
            return None
        return c.SaidOver(track.reply, " ".join(track.words.text[: word.end].split()[-OVER_WORDS:]))

    def own_words(self, onset_ms: float, until_ms: float) -> str:
        """The agent's words that could come back as an echo in this stretch of the call."""
        track = self.track
        if track is None or onset_ms > self._over_ms:
            return ""
        return track.words.between(track.was_at_ms(onset_ms) - OWN_BEFORE_MS, track.was_at_ms(until_ms))
