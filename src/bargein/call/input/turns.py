"""The user's turns: where in the audio they lie, their words, and what they were said over."""

from __future__ import annotations

import asyncio
import logging
import math
from dataclasses import dataclass, field

from bargein.audio.pcm import Pcm
from bargein.audio.resample import resample
from bargein.call.context import CallContext
from bargein.call.input.stt_stream import STTStream
from bargein.call.input.user_audio import UserAudio
from bargein.errors import BargeinError
from bargein.floor import STTChanged
from bargein.protocols import BatchSTT, SaidOver
from bargein.units import joined

log = logging.getLogger(__name__)

LOOK_DEADLINE_MS = 900  # for words of a sound; later every rule that waits for them has decided without
TURN_DEADLINE_MS = 2_500  # for words of a turn; later an answer without the words is better than none


@dataclass(slots=True)
class Turn:
    """One turn of the user, as the floor counts them."""

    id: int
    from_ms: float
    """Its first sample, pre-roll included."""
    over: SaidOver | None
    """What it was said over. None: the agent was silent."""
    typed: list[str] = field(default_factory=list)
    """Keys and typed words in it. Keys in a row are one entry."""
    keys: str = ""
    """The newest entry of `typed`, where it is keys."""
    keys_whole: bool = False
    """No key belongs to `keys` any more."""
    unread: bool = False
    """Its answer was discarded before its words entered the conversation."""
    spoken_until_ms: float = math.inf
    """Where the user's clear speech ended when a part looked at the turn last."""

    def type(self, text: str) -> None:
        """Add typed words."""
        self.typed.append(text)
        self.keys, self.keys_whole = "", False

    def key(self, keys: str, *, whole: bool) -> None:
        """Set the keys of the running input, all of them. whole: no key follows."""
        if self.keys and not self.keys_whole:
            self.typed[-1] = keys
        else:
            self.typed.append(keys)
        self.keys, self.keys_whole = keys, whole


@dataclass(slots=True)
class _PauseReading:
    """The words of a turn, as they were read in a pause."""

    turn: int
    until_ms: float
    """How far the audio reached that is read. The reading holds until the user goes on."""
    done: asyncio.Event = field(default_factory=asyncio.Event)
    text: str | None = None
    """None: it is not done, or could not be read."""


class Turns:
    """The newest turn of a call, and the reading of its words.

    batch_stt: None: only streaming. stt_stream: None: only batch. slow: the stream's words come when the turn is over,
    too late for a verdict. judges_sound: some part judges by the sound of a turn whether it is over.
    """

    def __init__(
        self,
        context: CallContext,
        batch_stt: BatchSTT | None,
        user_audio: UserAudio,
        stt_stream: STTStream | None = None,
        *,
        slow: bool = False,
        judges_sound: bool = False,
    ) -> None:
        self._context = context
        self._batch_stt = batch_stt
        self._user_audio = user_audio
        self._stt_stream = stt_stream
        self._slow = slow
        self._judges_sound = judges_sound
        self.newest: Turn | None = None
        self._read_before: tuple[float, str] | None = None  # from_ms and words of the last batch reading for a verdict
        self._pause: _PauseReading | None = None

    @property
    def expects_words(self) -> bool:
        """Whether a turn without words means that the STT is away."""
        return self._stt_stream is not None and self._batch_stt is None

    @property
    def _listening(self) -> STTStream | None:
        """The stream, where its words come in time for a look."""
        stream = self._stt_stream
        return stream if stream is not None and stream.connected and not self._slow else None

    def announce(self) -> None:
        """Tell the floor what the STT can do from now on."""
        stream = self._stt_stream if self._stt_stream is not None and self._stt_stream.connected else None
        words = self._batch_stt is not None or (stream is not None and not self._slow)
        streams = stream is not None and not self._slow
        small = not streams and getattr(self._batch_stt, "small", False)
        turns = stream is not None and stream.turns
        self._context.feed(STTChanged(self._context.now_ms(), words, turns, small, words or self._judges_sound))

    def open(self, turn: int, from_ms: float, over: SaidOver | None) -> Turn:
        """Audio from from_ms on belongs to the turn, which may have been open before."""
        newest = self.newest
        if newest is None or (newest.id != turn and not newest.unread):
            newest = Turn(turn, from_ms, over)
        elif newest.id != turn:
            # Words that are not read yet must not be lost: they are the beginning of this turn.
            newest = Turn(turn, newest.from_ms, newest.over or over, newest.typed, newest.keys, newest.keys_whole)
        elif over is not None and newest.over is None:
            newest.over = over
        self.newest = newest
        self._user_audio.keep_from_ms = newest.from_ms
        return newest

    def close(self) -> None:
        """No turn is open: older audio may go."""
        self._user_audio.keep_from_ms = None

    async def words_since(self, from_ms: float) -> str | None:
        """The words since from_ms, for a verdict. None: they could not be read in time."""
        if (stream := self._listening) is not None:
            return await stream.wait_words_since(from_ms, self._user_audio.newest_ms, LOOK_DEADLINE_MS / 1000)
        text = await self._read(from_ms, LOOK_DEADLINE_MS)
        if text:
            self._read_before = (from_ms, text)
        return text

    async def words_so_far(self, turn: Turn) -> str | None:
        """All words of the turn so far, in a pause of the user. None: they could not be read in time. A batch STT's
        words serve the answer, too, if the user does not go on."""
        if (stream := self._listening) is not None:
            said = await stream.wait_words_until(turn.id, turn.from_ms, turn.spoken_until_ms, LOOK_DEADLINE_MS / 1000)
            return None if said is None else joined([said, *turn.typed] if said else turn.typed)
        if self._batch_stt is None:
            return None
        pause = self._pause = _PauseReading(turn.id, self._user_audio.newest_ms)
        try:
            pause.text = await self._read(turn.from_ms, TURN_DEADLINE_MS)
        finally:
            pause.done.set()
        return pause.text

    async def words(self, turn: Turn, *, spoken: bool) -> str | None:
        """All words of the turn so far. None: they could not be read; "": there were none.

        spoken: there was speech in the turn, so that there is something to read.
        """
        parts = list(turn.typed)
        text: str | None = ""
        stream = self._stt_stream
        if stream is not None and (known := stream.words(turn.id, turn.from_ms)) and stream.connected:
            return joined([known, *parts])
        if spoken:
            text = await self._late_words(turn)
            if not text and self._read_before is not None and self._read_before[0] >= turn.from_ms:
                text = self._read_before[1]  # a part of the turn was read, and the whole was not
            if text:
                parts.insert(0, text)
        return joined(parts) if parts else text

    def known(self, turn: Turn, until_ms: float = math.inf) -> str:
        """The words of the turn so far, without waiting. until_ms: the turn was over then."""
        stream = self._stt_stream
        words = stream.words(turn.id, turn.from_ms, until_ms) if stream is not None else ""
        if not words and not self._slow and self._holds(turn) and self._pause is not None:
            words = self._pause.text or ""
        return joined([words, *turn.typed] if words else turn.typed)

    def audio(self, turn: Turn) -> Pcm:
        """The turn's audio so far, pre-roll included."""
        return self._user_audio.since(turn.from_ms)

    async def _late_words(self, turn: Turn) -> str | None:
        """Words that are not there yet: the stream's if it is only slow, else the batch STT's."""
        stream = self._stt_stream
        if stream is None:
            return await self._read_whole(turn)
        until_ms = self._user_audio.newest_ms
        if not stream.gone and (stream.connected or self._batch_stt is None):
            text = await stream.wait_words(turn.id, turn.from_ms, TURN_DEADLINE_MS / 1000)
            if text or (stream.connected and stream.listened_ms >= until_ms):
                return text or ""
        return await self._read_whole(turn)

    def _holds(self, turn: Turn) -> bool:
        """Whether nothing was said since the turn was read in a pause."""
        pause = self._pause
        return pause is not None and pause.turn == turn.id and turn.spoken_until_ms <= pause.until_ms

    async def _read_whole(self, turn: Turn) -> str | None:
        """The batch STT's words of the turn: those of the pause, unless the user went on."""
        pause = self._pause
        if pause is not None and self._holds(turn):
            await pause.done.wait()
            if pause.text is not None:
                return pause.text
        return await self._read(turn.from_ms, TURN_DEADLINE_MS)

    async def _read(self, from_ms: float, deadline_ms: float) -> str | None:
        if self._batch_stt is None:
            return None
        pcm = resample(self._user_audio.since(from_ms), self._batch_stt.rate)
        asked_ms = self._context.now_ms()
        try:
            text = (await self._batch_stt.read(pcm, deadline_ms=deadline_ms)).text.strip()
        except BargeinError as error:
            log.info("Call %s: no words: %s", self._context.call_id, error)
            self._note_read(asked_ms, 0, error.message)
            return None
        except Exception as error:  # a stranger's STT fails in its own way: the call goes on without these words
            log.exception("Call %s: the STT %s failed", self._context.call_id, self._batch_stt.name)
            self._note_read(asked_ms, 0, type(error).__name__)
            return None
        self._note_read(asked_ms, len(text), None)
        return text

    def _note_read(self, asked_ms: float, chars: int, why: str | None) -> None:
        context = self._context
        name = "" if self._batch_stt is None else self._batch_stt.name
        facts = {"part": "stt", "name": name, "asked_ms": asked_ms, "chars": chars, "why": why}
        context.journal.note(context.now_ms(), "vendor", **facts)
