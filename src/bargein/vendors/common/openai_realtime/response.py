"""One reply of the model: the responses it is made of, their sound as it comes, and how much of it was heard."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from bargein.audio.alignment import align, align_begun
from bargein.audio.envelope import Envelope
from bargein.audio.mulaw import Audio, Mulaw
from bargein.audio.pcm import Pcm
from bargein.errors import BargeinError, VendorLost
from bargein.protocols import AgentSaid, SpeechChunk, ToolCall, ToolCalls, Word
from bargein.vendors.common.openai_realtime.audio_formats import PCM_RATE, FormatConverter, NegotiatedFormats
from bargein.vendors.common.openai_realtime.items import Json, note
from bargein.vendors.common.openai_realtime.prompts import cut_note

log = logging.getLogger(__name__)

MOST_MS = 300_000  # of sound in one reply: it is made faster than it is heard, and has to lie somewhere
LATE_MS = 40  # so much later than it was sent a far end may hear it, and no more is said of it
WHOLE_MS = 1.0  # an item of which less is missing was heard whole


class ResponseHooks(Protocol):
    """What a reply needs of its connection."""

    language: str
    pace: float  # ms for each letter, as far as it is known
    epoch: int  # number of the conversation at the model's side; a session that is made anew has another
    formats: NegotiatedFormats

    async def begin(self, reply: OpenAIResponse) -> None:
        """Have it made: waits for a connection, and for the user's sound to be there."""
        ...

    def stop(self, reply: OpenAIResponse) -> None:
        """It is not wanted any more."""
        ...

    def order(self, event: Json) -> None:
        """Send an event."""
        ...

    def tell(self, said: AgentSaid) -> None:
        """Put what another voice said into the conversation."""
        ...

    def never_began(self, call: ToolCall) -> None:
        """Answer a tool's call that is never handed on: its reply was cut or lost first."""
        ...

    def retell(self, said: AgentSaid) -> None:
        """Put into the conversation what was heard of a reply that was made in an earlier one."""
        ...


@dataclass(slots=True)
class ContentPart:
    """One item of the model's conversation."""

    item: str
    epoch: int
    """The session's number, as in ResponseHooks."""
    converter: FormatConverter
    """From the session's format to the call's."""
    began_ms: float
    """Where the item's audio begins in the reply's."""
    begin: int
    """Where the item's text begins in the reply's."""
    content: int = 0
    """Index of the audio in the item."""
    ms: float = 0.0
    """Audio that has come."""
    text: str = ""
    sound: list[bytes] = field(default_factory=list)
    """All audio, until the item's words have their times."""
    over: bool = False

    def placed(self, words: tuple[Word, ...]) -> tuple[Word, ...]:
        """The item's words, in the reply's time and text."""
        at, begin = self.began_ms, self.begin
        return tuple(Word(w.start_ms + at, w.end_ms + at, w.begin + begin, w.end + begin) for w in words)


class OpenAIResponse:
    """protocols.Response by shape. number: ours, which the model's side says back; params: of `response.create`.

    webrtc: the audio goes to the far end without us, and only the text comes by here."""

    def __init__(
        self, hooks: ResponseHooks, number: int, params: Json, *, spoken: bool, mulaw: bool, webrtc: bool
    ) -> None:
        self.number = number
        self.params = params
        self.spoken = spoken  # it answers sound that may have to be committed first
        self.turn_from: int | None = None  # position at which that begins, once it is known
        self.started = False
        self.dead = False  # cut, or its reader has gone
        self.responses: set[str] = set()
        self._hooks = hooks
        self._mulaw, self._webrtc = mulaw, webrtc
        self._parts: dict[str, ContentPart] = {}
        self._ready: deque[Audio] = deque()
        self._text = ""  # that came, and was not handed on
        self._chars = 0  # of all text so far
        self._ms = 0.0  # of all sound so far
        self._words: deque[tuple[Word, ...]] = deque()
        self._calls: list[ToolCall] = []
        self._known_calls: set[str] = set()
        self._at_birth = self._came  # of the response that is made now
        self._over = False
        self._again = False  # it has to be begun once more, on another connection
        self._more = False
        self._error: BargeinError | None = None
        self._heard_told = False
        self._heard_ms = 0.0
        self._news = asyncio.Event()

    # --------------------------------------------------------------------------------------------- what it says

    async def audio(self) -> AsyncIterator[SpeechChunk | ToolCalls]:
        """protocols.Response.audio."""
        whole = False
        try:
            await self._hooks.begin(self)
            while not whole:
                while (piece := self._next()) is not None:
                    yield piece
                if self._again:
                    self._again = False
                    await self._hooks.begin(self)
                elif self._error is not None:
                    raise self._error
                elif self._over and self._calls:
                    calls, self._calls, self._more = tuple(self._calls), [], False
                    yield ToolCalls(calls)
                    if self._more:
                        self._over, self.spoken = False, False
                        await self._hooks.begin(self)
                    else:
                        whole = True
                elif self._over:
                    whole = True
                else:
                    self._news.clear()
                    await self._news.wait()
        finally:
            if not whole:  # else it is made, and may sound for long after this
                self.cancel()
                self._answer_calls()

    def _next(self) -> SpeechChunk | None:
        """Text first: it stands ahead of its sound. Then the words of an item that is whole, then sound."""
        text, self._text = self._text, ""
        if self._words and not text:
            return SpeechChunk(self._nothing, "", self._words.popleft(), exact=False, ahead=True)
        if text or self._ready:
            pcm = self._ready.popleft() if self._ready else self._nothing
            return SpeechChunk(pcm, text, ahead=True)
        return None

    @property
    def _nothing(self) -> Audio:
        return Mulaw(np.zeros(0, np.uint8)) if self._mulaw else Pcm(np.zeros(0, np.int16), PCM_RATE)

    def continue_response(self) -> None:
        self._more = True

    # ----------------------------------------------------------------------------------- what the session tells

    @property
    def sounded(self) -> bool:
        """Whether any sound has come."""
        return self._ms > 0

    def born(self, response: str) -> None:
        """The model has begun to make it."""
        self.responses.add(response)
        self.started = True
        self._at_birth = self._came

    def delta(self, item: str, content: int, audio: str) -> None:
        """Sound, as base64. What cannot be read is skipped, and what comes after a failure."""
        if self._error is not None:
            return
        try:
            data = base64.b64decode(audio, validate=True)
        except (binascii.Error, ValueError):
            log.warning("The model's sound could not be read: it is no base64")
            return
        if not data:
            return
        part = self._part(item)
        data = part.converter.push_audio(data)
        data = data if self._mulaw else data[: len(data) // 2 * 2]
        if not data:
            return
        part.content = content
        part.sound.append(data)
        ms = len(data) / (8 if self._mulaw else PCM_RATE / 500)
        part.ms += ms
        self._ms += ms
        self._ready.append(self._as_sound(data))
        if self._ms > MOST_MS:
            self.fail(VendorLost(f"The model spoke for {MOST_MS / 1000:g} s", advice="Ask it for shorter answers"))
            self._hooks.stop(self)
        self._news.set()

    def said(self, item: str, text: str) -> None:
        """More of the text that goes with the sound."""
        if not text:
            return
        part = self._part(item)
        if not part.text and self._chars:
            self._text += " "  # two items are two sentences
            self._chars += 1
        if not part.text:
            part.begin = self._chars
        part.text += text
        self._text += text
        self._chars += len(text)
        self._news.set()

    @property
    def empty(self) -> bool:
        """Nothing has come of the newest response: no sound, no text, no call of a tool."""
        return self._came == self._at_birth

    @property
    def _came(self) -> tuple[float, int, int]:
        return self._ms, self._chars, len(self._known_calls)

    def whole(self, item: str) -> None:
        """An item has all of its sound and text: its words get their times."""
        part = self._parts.get(item)
        if part is None or part.over or self.dead:
            return  # of one that was cut the server may have more than has come
        part.over = True
        if part.sound and part.text:
            data = self._as_sound(b"".join(part.sound))
            aligned = align(part.text, Envelope.of(data))
            if aligned.words:
                self._hooks.pace = (self._hooks.pace + aligned.pace) / 2
                self._words.append(part.placed(aligned.words))
        part.sound.clear()
        self._news.set()

    def calls(self, call: ToolCall, *, whole: bool = True) -> None:
        """A tool is called. whole: the call is not broken off. Each call is told of once."""
        if call.id in self._known_calls:
            return
        self._known_calls.add(call.id)
        if self.dead or not whole:
            self._hooks.never_began(call)
        else:
            self._calls.append(call)

    def _answer_calls(self) -> None:
        """The calls that will not be handed on."""
        calls, self._calls = self._calls, []
        for call in calls:
            self._hooks.never_began(call)

    def done(self) -> None:
        """The response is over."""
        self._over = True
        self._news.set()

    def fail(self, error: BargeinError) -> None:
        """It will not be made, or not to its end."""
        self._error = error
        self._over = True
        self._news.set()

    def lost(self, error: BargeinError) -> None:
        """The connection is gone. What has not sounded yet can be asked for once more."""
        if self._over or self.dead:
            return
        if self.sounded or self._chars or self._webrtc:
            self.fail(error)
        else:
            self._again = True
            self._calls.clear()
            self.responses.clear()
            self._news.set()

    def _part(self, item: str) -> ContentPart:
        part = self._parts.get(item)
        if part is None:
            part = self._parts[item] = ContentPart(
                item, self._hooks.epoch, self._hooks.formats.output_converter(), self._ms, self._chars
            )
        return part

    def _as_sound(self, data: bytes) -> Audio:
        if self._mulaw:
            return Mulaw(np.frombuffer(data, np.uint8))
        return Pcm(np.frombuffer(data, "<i2"), PCM_RATE)

    # -------------------------------------------------------------------------------------------------- cut

    def cancel(self) -> None:
        """protocols.Response.cancel."""
        if self.dead:
            return
        self.dead = True
        self._ready.clear()
        self._hooks.stop(self)
        self._answer_calls()

    def words(self) -> tuple[Word, ...]:
        """protocols.Response.words."""
        found: list[Word] = []
        for part in self._parts.values():
            if part.sound and part.text and not part.over:
                data = self._as_sound(b"".join(part.sound))
                found += part.placed(align_begun(part.text, Envelope.of(data), self._hooks.pace))
        return (*(word for words in self._words for word in words), *found)

    def truncate(self, ms: float, said: AgentSaid | None, *, by_fallback: bool = False) -> None:
        """protocols.Response.truncate: shortens the item that sounded, and takes back those that did not.

        The server deletes the text of an item that is shortened, so what was heard is told in a note behind it. Items
        of a conversation that is gone are not there to be shortened: their words are told anew."""
        if self._heard_told:
            return
        self._heard_told, self._heard_ms = True, ms
        here = [part for part in self._parts.values() if part.epoch == self._hooks.epoch]
        if by_fallback:
            for part in here:
                self._delete(part)
            if said is not None:
                self._hooks.tell(said)
            return
        if len(here) < len(self._parts):
            if said is not None:
                self._hooks.retell(self.elsewhere(said))
            if not here:
                return
        last = None
        for part in here:
            heard = min(max(ms - part.began_ms, 0.0), part.ms)
            if self._webrtc:
                self._shorten_more(part)
                last = part.item
            elif heard < 1:  # also of an item that has words and no sound
                self._delete(part)
            elif part.over and heard >= part.ms - WHOLE_MS:
                last = part.item
            else:
                self._truncate(part, heard)  # never beyond what has come: the server refuses that
                last = part.item
        text = cut_note(said, self._hooks.language) if said is not None and said.ended != "completed" else ""
        if text:
            event: Json = {"type": "conversation.item.create", "item": note(text)}
            self._hooks.order(event | ({"previous_item_id": last} if last is not None else {}))

    def elsewhere(self, said: AgentSaid) -> AgentSaid:
        """The part of it that was made in conversations which are gone."""
        here = [part.begin for part in self._parts.values() if part.epoch == self._hooks.epoch]
        return replace(said, text=said.text[: min(here)], unheard="", ended="completed") if here else said

    def truncated(self, item: str, ms: float) -> None:
        """The server itself has shortened an item to what it had sent: the far end may have heard less."""
        if self._webrtc and item in self._parts:
            self._parts[item].ms = ms
            if self._heard_told:
                self._shorten_more(self._parts[item])

    def _shorten_more(self, part: ContentPart) -> None:
        """Over WebRTC the server shortens by itself, to what it has sent (0: it has not told yet)."""
        if 1 <= self._heard_ms < part.ms - LATE_MS:
            self._truncate(part, self._heard_ms)

    def _delete(self, part: ContentPart) -> None:
        self._hooks.order({"type": "conversation.item.delete", "item_id": part.item})

    def _truncate(self, part: ContentPart, ms: float) -> None:
        self._hooks.order(
            {
                "type": "conversation.item.truncate",
                "item_id": part.item,
                "content_index": part.content,
                "audio_end_ms": int(ms),
            }
        )

    def unsaid(self, item: str) -> bool:
        """Whether the user heard nothing of an item of this cut reply, because the item came after the cut. Over WebRTC
        the server may have sent sound of it, until it was told what was heard."""
        return item not in self._parts and (self._heard_told or not self._webrtc)
