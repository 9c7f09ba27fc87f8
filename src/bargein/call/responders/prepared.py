"""A reply made ahead: its text and the first of its sound, while the user's turn is probably over, but not surely."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TYPE_CHECKING, Any

from bargein.call.output.text_streams import closing
from bargein.protocols import TTS, Prompt, SpeechChunk

if TYPE_CHECKING:
    from bargein.call.output.speaker import Reply

AHEAD_MS = 1_500  # of sound; more would be dear to throw away, and would sound no sooner


class PreparedReply:
    """reply: what is being made; it has no id until it is released. made_ms: sound made so far; released: set when
    the turn was over with the very words that this was made for."""

    def __init__(self, turn: int, reply: Reply, voice: TTS) -> None:
        self.turn = turn
        self.reply = reply
        self.prompt: Prompt | None = None  # None until the words are known
        self.made_ms = 0.0
        self.released = asyncio.Event()
        self._voice = voice
        self._ready: deque[SpeechChunk] = deque()
        self._news = asyncio.Event()
        self._over = False
        self._error: Exception | None = None
        self._task: asyncio.Task[None] | None = None

    def start(
        self,
        text: Callable[[PreparedReply], Coroutine[Any, Any, AsyncIterator[str] | None]],
        spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]],
    ) -> None:
        """text: gives the reply's text (None: there is nothing to say). spawn: makes a task that somebody owns."""
        self._task = spawn(self._make(text), f"prepared {self.turn}")

    def release(self) -> None:
        """It may sound, and its tools may run."""
        self.released.set()

    def forget(self) -> None:
        """Nobody wants it. Its task is awaited by its owner."""
        if self._task is not None:
            self._task.cancel()

    async def spoken(self) -> AsyncIterator[SpeechChunk]:
        """What was made, and what goes on being made. Raises what the model or the voice raised. Closing it ends the
        making."""
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
            self.forget()

    async def _make(self, text: Callable[[PreparedReply], Coroutine[Any, Any, AsyncIterator[str] | None]]) -> None:
        try:
            stream = await text(self)
            if stream is not None:
                async with closing(stream), closing(self._voice.speak(stream)) as spoken:
                    async for stretch in spoken:
                        self.made_ms += stretch.pcm.ms
                        self._ready.append(stretch)
                        self._news.set()
                        await self._room()
        except Exception as error:  # told where it is used; what is forgotten fails nobody
            self._error = error
        finally:
            self._over = True
            self._news.set()

    async def _room(self) -> None:
        """Wait while enough is ready: for the release at first, then for the playout."""
        while sum(stretch.pcm.ms for stretch in self._ready) >= AHEAD_MS:
            self._news.clear()
            await self._news.wait()
