"""The call's streaming ears: what a transcriber hears, on the call's clock, as the floor's events; and its words."""

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
from bargein.call.output.text_streams import closing
from bargein.errors import BargeinError

log = logging.getLogger(__name__)

KEPT = 16  # utterances; a turn of the call has seldom more than two
SURELY_MS = 250  # a transcriber that has listened so far beyond a sound, and told no word, has heard none in it
SETTLED = -1  # taken by no turn: a backchannel


@dataclass(slots=True)
class RecognizedUtterance:
    """One turn as the transcriber counts them. from_ms: its first word; until_ms: how far it had listened when its
    words changed last; since_ms: the same, the time before that. taken: how many of its words each of the call's
    turns has, since a turn of the call may end before, or after, the transcriber's."""

    turn: int
    from_ms: float
    until_ms: float
    since_ms: float
    text: str = ""
    over: bool = False
    taken: dict[int, int] = field(default_factory=dict)

    def words(self, turn: int) -> list[str]:
        """Those that no other turn of the call has."""
        return self.text.split()[max((n for t, n in self.taken.items() if t != turn), default=0) :]

    def take(self, turn: int) -> None:
        self.taken[turn] = len(self.text.split())


class STTStream:
    """line: to who listens, of that name; rate: Hz of what it is fed; turns: it announces ends of turns.

    feed: the floor's; at_ms: when a sample of the hearing's stream was spoken; own: whether words are the agent's
    own, come back; changed: told when the vendor goes away (why, advice, whether for good) and when it is back (None).
    """

    def __init__(
        self,
        name: str,
        line: c.STTConnection,
        rate: int,
        *,
        turns: bool,
        feed: Callable[[f.Event], None],
        at_ms: Callable[[int], float],
        own: Callable[[str, float, float], bool],
        changed: Callable[[c.STTLost | None, bool], None],
    ) -> None:
        self.name = name
        self.turns = turns
        self.up = True
        self.gone = False  # for good
        self._line = line
        self.on_words: Callable[[], None] | None = None  # told that words have come
        self._rate = rate
        self._feed, self._at_ms, self._own, self._changed = feed, at_ms, own, changed
        self._fed = 0
        self._anchors: deque[tuple[int, int]] = deque([(0, 0)], maxlen=64)  # samples fed, their position in the stream
        self._said: deque[RecognizedUtterance] = deque(maxlen=KEPT)
        self._news = asyncio.Event()
        self.listened_ms = 0.0

    # ------------------------------------------------------------------------------------------------- sound in

    def sound(self, position: int, samples: Samples) -> None:
        """The user's sound; position: of its first sample in the hearing's stream. Never waits."""
        fed, at = self._anchors[-1]
        if at + self._fed - fed != position:
            self._anchors.append((self._fed, position))  # after a long gap, whose silence was not filled up
        self._fed += len(samples)
        self._line.push_audio(samples)

    async def run(self) -> None:
        """As long as the call lasts. Raises nothing for a vendor's fault: the call goes on without these words."""
        try:
            async with closing(self._line.events()) as heard:
                async for item in heard:
                    self._take(item)
            lost = c.STTLost(f"{self.name} ended", "Look at the transcriber")
        except BargeinError as error:
            lost = c.STTLost(error.message, error.advice)
        except Exception as error:
            log.exception("The transcriber %s failed", self.name)
            lost = c.STTLost(f"{type(error).__name__} in {self.name}", "Look into the server's log")
        self.up, self.gone = False, True
        self._changed(lost, True)
        self._wake()

    # ------------------------------------------------------------------------------------------------ words out

    def words(self, turn: int, from_ms: float, until_ms: float = math.inf) -> str:
        """The words of a turn of the call that began (pre-roll included) at from_ms, as far as they are known.
        until_ms: what begins later belongs to another."""
        parts: list[str] = []
        for said in self._said:
            if said.until_ms > from_ms and said.from_ms < until_ms:
                parts += said.words(turn)
                said.take(turn)
        return " ".join(parts)

    async def wait_words(self, turn: int, from_ms: float, most_s: float) -> str | None:
        """The same; while there are none, or the vendor is away, wait for them. None: they did not come."""
        try:
            async with asyncio.timeout(most_s):
                while not self.gone:
                    if self.up and self._hears(turn, from_ms):
                        break
                    await self._news.wait()
        except TimeoutError:
            log.info("No words from %s in time", self.name)
        return self.words(turn, from_ms) or None

    async def look(self, from_ms: float, now_ms: float, most_s: float) -> str | None:
        """The words since from_ms: as soon as there are some, or "" once it has surely heard none until now_ms."""
        try:
            async with asyncio.timeout(most_s):
                while self.up:
                    for said in self._said:
                        if said.until_ms > from_ms and said.from_ms < now_ms and (words := said.words(SETTLED)):
                            return " ".join(words)
                    if self.listened_ms >= now_ms + SURELY_MS:
                        return ""
                    await self._news.wait()
        except TimeoutError:
            log.info("No look from %s in time", self.name)
        return None

    def dismiss(self, until_ms: float) -> None:
        """What was said until then was no turn: its words belong to none."""
        for said in self._said:
            if said.from_ms < until_ms:
                said.take(SETTLED)

    # -------------------------------------------------------------------------------------------------- hearing

    def _take(self, item: c.STTEvent) -> None:
        match item:
            case c.STTLost():
                self.up = False
                self._changed(item, False)
            case c.STTRestored():
                self.up = True
                self._changed(None, False)
            case c.TurnUpdate():
                self._heard(item)
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _heard(self, item: c.TurnUpdate) -> None:
        until_ms = self._ms(item.until_ms)
        self.listened_ms = max(self.listened_ms, until_ms)
        if item.kind == "progress" and not item.text:
            return
        said = next((said for said in reversed(self._said) if said.turn == item.turn), None)
        if said is None:
            from_ms = self._ms(item.from_ms)
            said = RecognizedUtterance(item.turn, from_ms, until_ms, from_ms)
            self._said.append(said)
        if item.text != said.text:
            said.text, said.since_ms, said.until_ms = item.text, said.until_ms, until_ms
            if self.on_words is not None:
                self.on_words()
        said.over = item.kind == "ended"
        if item.kind == "progress":
            return  # words that come too late to be evidence
        words = said.words(SETTLED) if not said.taken else said.text.split()[max(said.taken.values()) :]
        # Words of an utterance that a turn was answered with are old: what is new in it began after those.
        at_ms = said.from_ms if not said.taken else max(said.from_ms, said.since_ms)
        text = " ".join(words)
        if text and self._own(text, at_ms, until_ms):
            self._feed(f.Judged(at_ms, interrupts=False, confidence=0.9, why=f"the agent's own words, {text!r}"))
            return
        match item.kind:
            case "started":
                self._feed(f.TurnStarted(at_ms, text))
            case "words":
                if text:
                    self._feed(f.Words(at_ms, text))
            case "eager_end":
                self._feed(f.TurnEnding(said.until_ms, text))
            case "resumed":
                self._feed(f.TurnResumed(until_ms))
            case "ended":
                self._feed(f.TurnEnded(said.until_ms, text))

    def _hears(self, turn: int, from_ms: float) -> bool:
        """Whether there are words of this turn, and no more to come soon."""
        here = [said for said in self._said if said.until_ms > from_ms]
        return any(said.words(turn) for said in here) and all(said.over or said.text for said in here)

    def _ms(self, fed_ms: float) -> float:
        """From the line's clock to the call's."""
        fed = int(fed_ms * self._rate / 1000)
        since, position = next((a for a in reversed(self._anchors) if a[0] <= fed), self._anchors[0])
        return self._at_ms(position + fed - since)
