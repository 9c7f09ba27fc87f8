"""Fillers: what is said while the caller waits for an answer, and its audio, made before it is wanted."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from bargein.audio.text_map import TextMap
from bargein.call.context import CallContext
from bargein.call.output.reply import Reply, ReplyContent, ReplySource, SpeechSource
from bargein.call.output.text_streams import closing, one
from bargein.floor import Floor
from bargein.protocols import TTS, SpeechChunk
from bargein.spoken_form import SpokenForm

log = logging.getLogger(__name__)

MOST_KEPT = 64  # texts of a process, all agents together
MOST_MS = 10_000  # of one filler; a longer one is made when it is said
BEFORE = 0.5  # of the wait has passed when its audio begins to be made: calls that are quick cost no TTS

Key = tuple[int, str, object]


@dataclass(frozen=True, slots=True)
class FillerAudio:
    """A filler that was spoken once."""

    tts: TTS
    """Kept, so that its id stays its own."""
    chunks: tuple[SpeechChunk, ...]
    written: TextMap | None


class FillerStore:
    """The fillers of all calls of a process, as audio. The ones that were used last are kept."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, FillerAudio] = OrderedDict()
        self._making: set[Key] = set()

    def get(self, key: Key) -> FillerAudio | None:
        """The audio. None: it is not there (yet)."""
        if (audio := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
        return audio

    async def make(self, key: Key, tts: TTS, text: str, form: SpokenForm) -> None:
        """Have the TTS speak the text, unless that is done already, or is being done for another call."""
        if key in self._kept or key in self._making:
            return
        self._making.add(key)
        try:
            draft, chunks, ms = Reply(0, "filler", 0.0), [], 0.0
            async with closing(tts.speak(draft.spoken(one(text), form))) as spoken:
                async for chunk in spoken:
                    chunks.append(chunk)
                    ms += chunk.pcm.ms
                    if ms > MOST_MS:
                        return
            if ms:
                self._kept[key] = FillerAudio(tts, tuple(chunks), draft.written)
                while len(self._kept) > MOST_KEPT:
                    self._kept.popitem(last=False)
        finally:
            self._making.discard(key)


class Fillers:
    """One call's fillers: never the same twice in a row, and none twice in a turn where there is only one.

    tts: speaks them. None: no fillers are said. as_said: how a text is said for which no audio is ready.
    """

    def __init__(
        self,
        context: CallContext,
        floor: Floor,
        texts: Sequence[str],
        tts: TTS | None,
        store: FillerStore,
        form: SpokenForm,
        as_said: Callable[[str], ReplySource],
    ) -> None:
        self._context = context
        self._floor = floor
        self._texts = tuple(dict.fromkeys(text.strip() for text in texts if text.strip())) if tts is not None else ()
        self._tts = tts
        self._store = store
        self._form = form
        self._as_said = as_said
        self._said = 0
        self._last_turn = 0
        self._prepared_for = 0  # the reply whose filler was prepared

    def next(self, turn: int) -> str:
        """What to say now. "": nothing. turn: the user's turn that is answered."""
        again = turn == self._last_turn and len(self._texts) == 1
        self._last_turn = turn
        if not self._texts or again:
            return ""
        text = self._texts[self._said % len(self._texts)]
        self._said += 1
        return text

    def source(self, text: str) -> ReplySource:
        """How the text is said: by the audio that is ready, or by the TTS."""

        audio = self._store.get(self._key(self._tts, text)) if text and self._tts is not None else None
        return self._as_said(text) if audio is None else _ready(text, audio)

    def waits(self, reply: Reply, now_ms: float) -> None:
        """The caller waits for this reply: have the next filler ready in time. Called every 20 ms."""
        filler_ms, tts = self._floor.policy.idle.filler_ms, self._tts
        if filler_ms is None or reply.id == self._prepared_for or not self._texts or tts is None:
            return
        if now_ms - reply.asked_ms < filler_ms * BEFORE:
            return
        self._prepared_for = reply.id
        text = self._texts[self._said % len(self._texts)]
        if self._store.get(self._key(tts, text)) is None:
            self._context.spawn(self._make(tts, text), "filler")

    async def _make(self, tts: TTS, text: str) -> None:
        try:
            await self._store.make(self._key(tts, text), tts, text, self._form)
        except Exception as error:  # anybody's TTS; said later, it fails where its loss is told
            log.info("Call %s: no filler was prepared (%s)", self._context.call_id, type(error).__name__)

    def _key(self, tts: TTS | None, text: str) -> Key:
        return id(tts), text, self._form

    def release(self) -> None:
        """The call is over."""
        self._as_said = _nothing


def _ready(text: str, audio: FillerAudio) -> ReplySource:
    async def source(reply: Reply) -> ReplyContent:
        reply.text += text
        reply.written = audio.written
        return SpeechSource(_again(audio.chunks), audio.tts.rate)

    return source


def _nothing(text: str) -> ReplySource:
    async def source(reply: Reply) -> ReplyContent:
        return None

    return source


async def _again(chunks: Sequence[SpeechChunk]) -> AsyncIterator[SpeechChunk]:
    for chunk in chunks:
        yield chunk
