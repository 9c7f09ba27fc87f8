"""A prepared reply: its text and the first of its audio, made while the user's turn is only probably over."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from bargein.call.context import Spawn
from bargein.call.output.read_ahead import ReadText
from bargein.call.output.reply import Reply
from bargein.call.output.text_streams import closing
from bargein.protocols import TTS, Prompt, SpeechChunk
from bargein.spoken_form import SpokenForm

AHEAD_MS = 1_500  # of audio; more would be expensive to throw away, and would sound no sooner

PreparedText = Callable[["PreparedReply"], Awaitable[AsyncIterator[str] | None]]


class PreparedReply:
    """Makes a reply before the floor asks for it. The reply has no id until then. It has ReplyText's shape, for another
    voice."""

    def __init__(self, turn: int, reply: Reply, tts: TTS, spoken_form: SpokenForm = True) -> None:
        self.turn = turn
        self.reply = reply
        self.prompt: Prompt | None = None
        """What the LLM was asked. None: the words are not known yet."""
        self.made_ms = 0.0
        """Audio made so far."""
        self.released = asyncio.Event()
        """Set when the turn is over with the words of the prompt."""
        self._tts = tts
        self._spoken_form = spoken_form
        self._ready: deque[SpeechChunk] = deque()
        self._news = asyncio.Event()
        self._over = False
        self._error: Exception | None = None
        self._task: asyncio.Task[None] | None = None
        self._text: ReadText | None = None
        self._spawn: Spawn | None = None

    @property
    def due(self) -> bool:
        return self._text is not None and self._text.due

    @property
    def known(self) -> bool:
        return self._text is not None and self._text.known

    async def read(self) -> AsyncIterator[str]:
        if self._text is not None:
            async for piece in self._text.read():
                yield piece

    async def aclose(self) -> None:
        if self._text is not None:
            await self._text.aclose()

    def start(self, text: PreparedText, spawn: Spawn) -> None:
        """text: gives the reply's text, or None when there is nothing to say."""
        self._spawn = spawn
        self._task = spawn(self._make(text), f"prepared {self.turn}")

    def release(self) -> None:
        """The reply may sound, and all its tools may run."""
        self.released.set()

    def discard(self) -> None:
        """The reply is not wanted. Its tasks are awaited by their owner."""
        self._stop()
        if self._text is not None:
            self._text.cancel()

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def audio(self) -> AsyncIterator[SpeechChunk]:
        """The chunks that are ready, and all later ones. Raises what the model or the TTS raised. Closing the iterator
        ends the voice, and not the text: another voice may say it."""
        try:
            while True:
                while self._ready:
                    out = [self._ready.popleft()]
                    self._news.set()
                    yield out.pop()
                if self._over:
                    if self._error is not None:
                        raise self._error
                    return
                self._news.clear()
                await self._news.wait()
        finally:
            self._stop()

    async def _make(self, text: PreparedText) -> None:
        try:
            stream = await text(self)
            if stream is not None:
                assert self._spawn is not None
                self._text = ReadText(stream, self._spawn, f"prepared text {self.turn}")
                async with closing(self._tts.speak(self.reply.spoken(self._text.read(), self._spoken_form))) as chunks:
                    async for chunk in chunks:
                        self.made_ms += chunk.pcm.ms
                        self._ready.append(chunk)
                        self._news.set()
                        await self._wait_room()
        except Exception as error:  # raised by `audio`; a discarded reply fails unnoticed
            self._error = error
        finally:
            self._over = True
            self._news.set()

    async def _wait_room(self) -> None:
        """Wait while enough is ready: first for the release, then for the playout."""
        while sum(chunk.pcm.ms for chunk in self._ready) >= AHEAD_MS:
            self._news.clear()
            await self._news.wait()
