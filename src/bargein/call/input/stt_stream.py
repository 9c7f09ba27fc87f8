"""The call's streaming STT: its events on the call's clock, as the floor's events; and the words of each turn."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from bargein import floor as f
from bargein import protocols as c
from bargein.audio.pcm import Samples
from bargein.call.context import CallContext
from bargein.call.output.text_streams import closing
from bargein.call.record.outages import Outages
from bargein.errors import BargeinError
from bargein.notices import Problem
from bargein.units import after_units, joined, spans

log = logging.getLogger(__name__)

KEPT = 16  # utterances; a turn of the call seldom has more than two
SURELY_MS = 250  # an STT that has listened so far beyond a sound without a word has found none in it
DISMISSED = -1  # in place of a turn: words of a backchannel belong to no turn


@dataclass(slots=True)
class RecognizedUtterance:
    """One turn as the STT counts them. A turn of the call may end before or after it. Times on the call's clock."""

    turn: int
    """The STT's own count."""
    from_ms: float
    """Where its first word begins."""
    until_ms: float
    """How far the STT had listened when its words changed last."""
    since_ms: float
    """The same, for the change before that."""
    text: str = ""
    over: bool = False
    """The STT has announced its end."""
    assigned: dict[int, int] = field(default_factory=dict)
    """Turn of the call -> how many of the first words that turn has used up."""

    def words(self, turn: int) -> str:
        """The words that no other turn of the call has."""
        return after_units(self.text, max((n for t, n in self.assigned.items() if t != turn), default=0))

    def assign(self, turn: int) -> None:
        """All words so far belong to this turn of the call."""
        self.assigned[turn] = len(spans(self.text))


class STTStream:
    """One call's connection to a streaming STT, or to a realtime model that transcribes.

    name: the vendor's. rate: Hz of the audio it gets. turns: it announces ends of turns. at_ms: when a sample of the
    user's audio was spoken. is_own: whether words between two moments are the agent's own speech.
    """

    def __init__(
        self,
        context: CallContext,
        connection: c.STTConnection,
        *,
        name: str,
        rate: int,
        turns: bool,
        at_ms: Callable[[int], float],
        is_own: Callable[[str, float, float], bool],
        outages: Outages | None = None,
    ) -> None:
        self.name = name
        self.turns = turns
        self.connected = True
        """The vendor listens, as far as we know."""
        self.gone = False
        """The vendor is away for good."""
        self.listened_ms = 0.0
        """How far the vendor has listened."""
        self.on_words: Callable[[], None] | None = None
        """Called when words have come."""
        self.on_connected: Callable[[], None] | None = None
        """Called when the vendor went away or came back."""
        self._context = context
        self._connection = connection
        self._rate = rate
        self._at_ms = at_ms
        self._is_own = is_own
        self._outages = outages or Outages(context)
        self._pushed = 0
        self._anchors: deque[tuple[int, int]] = deque([(0, 0)], maxlen=64)  # samples pushed, their position
        self._utterances: deque[RecognizedUtterance] = deque(maxlen=KEPT)
        self._news = asyncio.Event()

    def release(self) -> None:
        """The call is over: no part is told of words."""
        self.on_words = self.on_connected = None

    # ------------------------------------------------------------------------------------------------- audio in

    def push_audio(self, position: int, samples: Samples) -> None:
        """The user's audio; position: of its first sample in the call's stream. Never waits."""
        pushed, at = self._anchors[-1]
        if at + self._pushed - pushed != position:
            self._anchors.append((self._pushed, position))  # after a gap too long to be filled with silence
        self._pushed += len(samples)
        self._connection.push_audio(samples)

    async def run(self) -> None:
        """As long as the call lasts. Raises nothing for a vendor's fault: the call goes on without these words."""
        try:
            async with closing(self._connection.events()) as events:
                async for event in events:
                    self._on_event(event)
            lost = c.STTLost(f"{self.name} ended", "Look at the STT vendor's status")
        except BargeinError as error:
            lost = c.STTLost(error.message, error.advice)
        except Exception as error:
            log.exception("Call %s: the STT %s failed", self._context.call_id, self.name)
            lost = c.STTLost(f"{type(error).__name__} in {self.name}", "Look into the server's log")
        self.connected, self.gone = False, True
        self._changed(lost)
        self._wake()

    # ------------------------------------------------------------------------------------------------ words out

    def words(self, turn: int, from_ms: float, until_ms: float = math.inf) -> str:
        """The words so far of a turn of the call that began (pre-roll included) at from_ms.

        until_ms: utterances that begin later belong to another turn.
        """
        parts: list[str] = []
        for utterance in self._utterances:
            if utterance.until_ms > from_ms and utterance.from_ms < until_ms:
                parts.append(utterance.words(turn))
                utterance.assign(turn)
        return joined(part for part in parts if part)

    async def wait_words(self, turn: int, from_ms: float, most_s: float) -> str | None:
        """`words`, waiting for them while there are none or the vendor is away. None: they did not come."""
        try:
            async with asyncio.timeout(most_s):
                while not self.gone:
                    if self.connected and self._has_words(turn, from_ms):
                        break
                    await self._news.wait()
        except TimeoutError:
            log.info("Call %s: no words from %s in time", self._context.call_id, self.name)
        return self.words(turn, from_ms) or None

    async def wait_words_since(self, from_ms: float, now_ms: float, most_s: float) -> str | None:
        """The words since from_ms, as soon as there are some; "" once the STT has surely found none until now_ms.
        None: it could not say in time."""
        try:
            async with asyncio.timeout(most_s):
                while self.connected:
                    for utterance in self._utterances:
                        here = utterance.until_ms > from_ms and utterance.from_ms < now_ms
                        if here and (words := utterance.words(DISMISSED)):
                            return words
                    if self.listened_ms >= now_ms + SURELY_MS:
                        return ""
                    await self._news.wait()
        except TimeoutError:
            log.info("Call %s: no word on a sound from %s in time", self._context.call_id, self.name)
        return None

    async def wait_words_until(self, turn: int, from_ms: float, until_ms: float, most_s: float) -> str | None:
        """The words of the turn, once the STT has listened until until_ms. None: it has not in time."""
        try:
            async with asyncio.timeout(most_s):
                while self.connected and self.listened_ms < until_ms:
                    await self._news.wait()
        except TimeoutError:
            log.info("Call %s: %s has not heard the end of the turn in time", self._context.call_id, self.name)
            return None
        return self.words(turn, from_ms) if self.connected else None

    def dismiss(self, until_ms: float) -> None:
        """Speech until then was no turn: its words belong to none."""
        for utterance in self._utterances:
            if utterance.from_ms < until_ms:
                utterance.assign(DISMISSED)

    # ---------------------------------------------------------------------------------------------- from the STT

    def _on_event(self, event: c.STTEvent) -> None:
        match event:
            case c.STTLost():
                self.connected = False
                self._changed(event)
            case c.STTRestored():
                self.connected = True
                self._changed(None)
            case c.TurnUpdate():
                self._on_update(event)
        self._wake()

    def _changed(self, lost: c.STTLost | None) -> None:
        context = self._context
        context.journal.note(context.now_ms(), "stt", lost=lost.why if lost else None, for_good=self.gone)
        if lost is None:
            self._outages.restored("ears_lost")
        else:
            self._outages.lost("ears_lost", f"{lost.why}. {lost.advice}")
            context.meter.count("vendor_errors", cause="ears_lost")
            context.notify(Problem("ears_lost", lost.why, lost.advice))
        if self.on_connected is not None:
            self.on_connected()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _on_update(self, update: c.TurnUpdate) -> None:
        until_ms = self._call_ms(update.until_ms)
        self.listened_ms = max(self.listened_ms, until_ms)
        if update.kind == "progress" and not update.text:
            return
        utterance = self._utterance(update, until_ms)
        if update.text != utterance.text:
            utterance.text, utterance.since_ms, utterance.until_ms = update.text, utterance.until_ms, until_ms
            if self.on_words is not None:
                self.on_words()
        utterance.over = update.kind == "ended"
        self._tell_floor(update.kind, utterance, until_ms)

    def _utterance(self, update: c.TurnUpdate, until_ms: float) -> RecognizedUtterance:
        for utterance in reversed(self._utterances):
            if utterance.turn == update.turn:
                return utterance
        from_ms = self._call_ms(update.from_ms)
        utterance = RecognizedUtterance(update.turn, from_ms, until_ms, from_ms)
        self._utterances.append(utterance)
        return utterance

    def _tell_floor(self, kind: c.TurnUpdateKind, utterance: RecognizedUtterance, until_ms: float) -> None:
        if kind == "progress":
            return  # words that come too late to be evidence
        feed, assigned = self._context.feed, utterance.assigned
        text = after_units(utterance.text, max(assigned.values(), default=0))
        # An utterance that a turn was answered with has old words: what is new in it began after those.
        at_ms = max(utterance.from_ms, utterance.since_ms) if assigned else utterance.from_ms
        if text and self._is_own(text, at_ms, until_ms):
            feed(f.Judged(at_ms, interrupts=False, confidence=0.9, why=f"the agent's own words, {text!r}"))
            return
        match kind:
            case "started":
                feed(f.TurnStarted(at_ms, text))
            case "words":
                if text:
                    feed(f.Words(at_ms, text))
            case "eager_end":
                feed(f.TurnEnding(utterance.until_ms, text))
            case "resumed":
                feed(f.TurnResumed(until_ms))
            case "ended":
                feed(f.TurnEnded(utterance.until_ms, text))

    def _has_words(self, turn: int, from_ms: float) -> bool:
        """Whether there are words of this turn, and no more to come soon."""
        here = [utterance for utterance in self._utterances if utterance.until_ms > from_ms]
        return any(u.words(turn) for u in here) and all(u.over or u.text for u in here)

    def _call_ms(self, stream_ms: float) -> float:
        """From ms of the audio that the STT got to the call's clock."""
        pushed = int(stream_ms * self._rate / 1000)
        since, position = next((a for a in reversed(self._anchors) if a[0] <= pushed), self._anchors[0])
        return self._at_ms(position + pushed - since)
