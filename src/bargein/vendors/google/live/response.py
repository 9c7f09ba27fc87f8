"""One reply of Gemini Live: its audio and text as they come, its tool calls, and how much of it was heard."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bargein.audio.alignment import align, align_begun
from bargein.audio.envelope import Envelope
from bargein.audio.pcm import Pcm
from bargein.errors import BargeinError, VendorLost
from bargein.protocols import AgentSaid, SpeechChunk, ToolCall, ToolCalls, Word
from bargein.vendors.google.live.contents import GO_ON, note, unanswered

RATE = 24_000  # Hz of Gemini's audio
MOST_MS = 300_000  # of audio in one reply: it is made faster than it is heard, and has to lie somewhere
MOST_TRIES = 2  # of one reply, of which nothing came
TEXT_GRACE_S = 0.4  # for text that comes behind the end of its audio: transcriptions keep no order


@dataclass(slots=True)
class LiveRequest:
    """What a reply answers."""

    texts: tuple[str, ...] = ()
    """Typed words, or what the model is told to do."""
    spoken: bool = False
    begin: int = 0
    """spoken: the position at which the turn's audio begins."""
    end: int | None = None
    """spoken: the position at which it ends. None: the turn is still open."""


class LiveHooks(Protocol):
    """What a reply needs of its connection."""

    pace: float

    async def begin(self, reply: GeminiResponse) -> None:
        """Have it generated: waits for a connection. Raises VendorRefused."""
        ...

    def stop(self, reply: GeminiResponse) -> None:
        """It is not wanted any more."""
        ...

    def never_began(self, call: ToolCall) -> None:
        """A tool call of it will not be made."""
        ...

    def resume(self, reply: GeminiResponse) -> None:
        """The model is to go on after the tools."""
        ...

    def heard(self, said: AgentSaid, *, by_fallback: bool) -> None:
        """Tell the model how much of the reply was heard."""
        ...


class GeminiResponse:
    """protocols.Response by shape."""

    def __init__(self, hooks: LiveHooks, request: LiveRequest) -> None:
        self.request = request
        self.started = False
        self.dead = False
        """It was cut, or its reader has gone."""
        self.over = False
        self.text = ""
        """All text so far."""
        self.tries = 0
        """How often it was asked for."""
        self.tools_wait = False
        """The model waits for results of tools."""
        self._hooks = hooks
        self._ready: deque[Pcm] = deque()
        self._new_text = ""
        self._audio: list[bytes] = []
        self._ms = 0.0
        self._words: tuple[Word, ...] | None = None
        self._calls: list[ToolCall] = []
        self._error: BargeinError | None = None
        self._again = False  # it has to be asked for once more, on another connection
        self._more = False
        self._told = False
        self._generated = False
        self._grace: asyncio.TimerHandle | None = None
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
                if self.dead:
                    return
                if self._again:
                    self._again = False
                    await self._hooks.begin(self)
                elif self._calls:
                    calls, self._calls, self._more = tuple(self._calls), [], False
                    yield ToolCalls(calls)
                    if self._more:
                        self._hooks.resume(self)
                    else:
                        whole = True
                elif self._error is not None:
                    raise self._error
                elif self.over:
                    whole = True
                    if (words := self._aligned()) is not None:
                        yield SpeechChunk(_nothing(), "", words, exact=False, ahead=True)
                else:
                    self._news.clear()
                    await self._news.wait()
        finally:
            self._end_grace()
            if not whole:
                self.cancel()
            elif not self.over:  # a tool ends the reply: what the model says after its result is not wanted
                self._hooks.stop(self)

    def _next(self) -> SpeechChunk | None:
        text, self._new_text = self._new_text, ""
        if (text or self._ready) and not self.dead:
            return SpeechChunk(self._ready.popleft() if self._ready else _nothing(), text, ahead=True)
        return None

    def continue_response(self) -> None:
        self._more = True

    # --------------------------------------------------------------------------------------- what the model sends

    @property
    def sounded(self) -> bool:
        """Whether any audio or text has come."""
        return bool(self._ms or self.text)

    @property
    def waits(self) -> bool:
        """The model is to send something: it is neither at its end, nor does it wait for a tool."""
        return not (self.over or self.dead or self._generated or self.tools_wait)

    def sound(self, data: bytes) -> None:
        """More audio, s16le."""
        data = data[: len(data) // 2 * 2]
        if not data or self.over:
            return
        self.started = True
        self._end_grace()
        self._generated = False
        self._audio.append(data)
        self._ms += len(data) * 500 / RATE
        self._ready.append(Pcm(np.frombuffer(data, "<i2").astype(np.int16, copy=False), RATE))
        if self._ms > MOST_MS:
            self.fail(VendorLost(f"The model spoke for {MOST_MS / 1000:g} s", advice="Ask it for shorter answers"))
            self._hooks.stop(self)
        self._news.set()

    def said(self, text: str) -> None:
        """More of the text that goes with the audio."""
        if not text or self.over:
            return
        self.started = True
        self.text += text
        self._new_text += text
        self._news.set()

    def calls(self, calls: list[ToolCall]) -> None:
        """Tools are called. The generation waits for their results."""
        self.started = True
        self.tools_wait = True
        if self.dead or self.over:
            for call in calls:
                self._hooks.never_began(call)
            return
        self._end_grace()
        self._calls += calls
        self._news.set()

    def generated(self) -> None:
        """All audio has come. The model's turn may last until that was played: the reply does not wait so long."""
        if self.over or self.tools_wait:
            return
        self._generated = True
        self._end_grace()
        self._grace = asyncio.get_running_loop().call_later(TEXT_GRACE_S, self.done)

    def turn_complete(self) -> None:
        """The model's turn is over. A turn that calls tools goes on after them."""
        if not self.tools_wait:
            self.done()

    def done(self) -> None:
        """The reply is over."""
        self._end_grace()
        self.over = True
        self._news.set()

    def fail(self, error: BargeinError) -> None:
        """It will not be made, or not to its end."""
        if not self.over:
            self._error = error
            self.done()

    def broken_off(self, *, planned: bool) -> None:
        """The connection is gone in the midst of the reply. planned: it was to be replaced."""
        if not self.waits:
            self.done()
        elif not self.sounded and self.tries < MOST_TRIES:
            self.ask_again()
        elif planned and self.sounded:
            self.ask_again(LiveRequest((unanswered(self.text),)))
        else:
            self.fail(VendorLost("Gemini Live broke off in the middle of a reply", advice="Ask again"))

    def interrupted_without_cause(self) -> None:
        """The server interrupted the reply. It believes what it had sent, and that is what the caller hears."""
        if self.sounded:
            self.done()
        elif self.tries < MOST_TRIES:
            self.ask_again(LiveRequest((note(GO_ON),)))
        else:
            self.fail(VendorLost("Gemini Live interrupted its own reply", advice="Ask again"))

    def ask_again(self, request: LiveRequest | None = None) -> None:
        """It has to be asked for once more. request: in place of the first one."""
        self.request = request or self.request
        self._calls.clear()
        self._end_grace()
        self._again = True
        self._news.set()

    def _end_grace(self) -> None:
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None

    # -------------------------------------------------------------------------------------------------------- cut

    def cancel(self) -> None:
        """protocols.Response.cancel."""
        if self.dead:
            return
        self.dead = True
        self._end_grace()
        self._ready.clear()
        calls, self._calls = self._calls, []
        for call in calls:
            self._hooks.never_began(call)
        self._hooks.stop(self)
        self._news.set()

    def words(self) -> tuple[Word, ...]:
        """protocols.Response.words. Gemini gives no times: they are estimated from the audio."""
        if self._words is not None or not (self._audio and self.text):
            return self._words or ()
        return align_begun(self.text, self._envelope(), self._hooks.pace)

    def _aligned(self) -> tuple[Word, ...] | None:
        """The words of the whole reply."""
        if not (self._audio and self.text):
            return None
        aligned = align(self.text, self._envelope())
        if not aligned.words:
            return None
        self._hooks.pace = (self._hooks.pace + aligned.pace) / 2
        self._words = aligned.words
        self._audio.clear()
        return aligned.words

    def _envelope(self) -> Envelope:
        return Envelope.of(Pcm(np.frombuffer(b"".join(self._audio), "<i2").astype(np.int16, copy=False), RATE))

    def truncate(self, ms: float, said: AgentSaid | None, *, by_fallback: bool = False) -> None:
        """protocols.Response.truncate. Gemini cannot truncate: it is told in words, with the next turn."""
        if self._told:
            return
        self._told = True
        if said is None:
            if not self.sounded:
                return  # the model has said nothing that the caller could have missed
            said = AgentSaid(0, "", self.text.strip(), ended="cut")
        self._hooks.heard(said, by_fallback=by_fallback)


def _nothing() -> Pcm:
    return Pcm(np.zeros(0, np.int16), RATE)
