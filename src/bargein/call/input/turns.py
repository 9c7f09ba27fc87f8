"""The user's turns: where in the sound they lie, what was typed into them, what they were said over."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field

from bargein.audio.pcm import Pcm
from bargein.audio.resample import resample
from bargein.call.input.stt_stream import STTStream
from bargein.call.input.user_audio import UserAudio
from bargein.errors import BargeinError
from bargein.protocols import BatchSTT, SaidOver

log = logging.getLogger(__name__)

LEAD_IN_MS = 150  # a reader wants a little sound before the first word, and no room noise before that
LOOK_DEADLINE_MS = 900  # a look that comes later than every rule that waits for it is of no use
TURN_DEADLINE_MS = 2_500  # past this an answer without the words is better than none


@dataclass(slots=True)
class Turn:
    """from_ms: first sample, pre-roll included; over: what it was said over; typed: input that came as text."""

    id: int
    from_ms: float
    over: SaidOver | None
    typed: list[str] = field(default_factory=list)
    unread: bool = False  # its answer was dropped before its words stood in the conversation


class Turns:
    """The newest turn of a call, and the reading of its words. reader: None when nobody can read; ears: None when
    nobody listens as the user speaks; slow: their words come when the turn is over, too late for a look."""

    def __init__(
        self, reader: BatchSTT | None, hearing: UserAudio, ears: STTStream | None = None, *, slow: bool = False
    ) -> None:
        self._reader = reader
        self._slow = slow
        self._hearing = hearing
        self._ears = ears
        self.newest: Turn | None = None
        self._glimpsed: tuple[float, str] | None = None

    @property
    def can_read(self) -> bool:
        return self._reader is not None or (self._ears is not None and self._ears.up and not self._slow)

    @property
    def tells_ends(self) -> bool:
        """Whether somebody says when a turn is over."""
        return self._ears is not None and self._ears.up and self._ears.turns

    @property
    def deaf(self) -> bool:
        """Whether words should be read here, but nobody can at the moment."""
        return self._ears is not None and self._reader is None

    def listen(self, turn: int, from_ms: float, over: SaidOver | None) -> None:
        """The sound from from_ms on belongs to the turn, which may have been open before."""
        before = self.newest
        if before is None or (before.id != turn and not before.unread):
            self.newest = Turn(turn, from_ms, over)
        elif before.id != turn:
            # Words that nobody has read yet must not be lost: they are the beginning of this turn.
            self.newest = Turn(turn, before.from_ms, before.over or over, before.typed)
        elif over is not None and before.over is None:
            before.over = over
        if self.newest is not None:
            self._hearing.keep_from_ms = self.newest.from_ms

    def closed(self) -> None:
        """No turn is open: older sound may go."""
        self._hearing.keep_from_ms = None

    async def look(self, from_ms: float) -> str | None:
        """The words since from_ms; None when they could not be read in time."""
        if self._ears is not None and self._ears.up and not self._slow:
            return await self._ears.look(from_ms, self._hearing.heard_ms, LOOK_DEADLINE_MS / 1000)
        text = await self._read(from_ms, LOOK_DEADLINE_MS)
        if text:
            self._glimpsed = (from_ms, text)
        return text

    async def words(self, turn: Turn, *, spoken: bool) -> str | None:
        """All words of the turn so far; None when nobody could read them, "" when there were none.

        spoken: there was speech in it, so that there is something to read."""
        parts = list(turn.typed)
        read: str | None = ""
        if self._ears is not None and (heard := self._ears.words(turn.id, turn.from_ms)) and self._ears.up:
            return " ".join([heard, *parts])
        if spoken:
            read = await self._late_words(turn)
            if not read and self._glimpsed is not None and self._glimpsed[0] >= turn.from_ms:
                read = self._glimpsed[1]  # a look at a part of it read more than the whole did
            if read:
                parts.insert(0, read)
        return " ".join(parts) if parts else read

    def known(self, turn: Turn, until_ms: float = math.inf) -> str:
        """The words of the turn so far, without waiting for any. until_ms: it was over then."""
        heard = self._ears.words(turn.id, turn.from_ms, until_ms) if self._ears is not None else ""
        return " ".join([heard, *turn.typed] if heard else turn.typed)

    def sound(self, turn: Turn) -> Pcm:
        """The turn's sound so far, pre-roll included."""
        return self._hearing.since(turn.from_ms)

    async def _late_words(self, turn: Turn) -> str | None:
        """Words that are not there yet: the vendor's if it is only slow, else the reader's."""
        ears = self._ears
        if ears is None:
            return await self._read(turn.from_ms, TURN_DEADLINE_MS)
        until_ms = self._hearing.heard_ms
        if not ears.gone and (ears.up or self._reader is None):
            heard = await ears.wait_words(turn.id, turn.from_ms, TURN_DEADLINE_MS / 1000)
            if heard or (ears.up and ears.listened_ms >= until_ms):
                return heard or ""
        return await self._read(turn.from_ms, TURN_DEADLINE_MS)

    async def _read(self, from_ms: float, deadline_ms: float) -> str | None:
        if self._reader is None:
            return None
        pcm = resample(self._hearing.since(from_ms), self._reader.rate)
        try:
            return (await self._reader.read(pcm, deadline_ms=deadline_ms)).text.strip()
        except BargeinError as error:
            log.info("No words: %s", error)
            return None
