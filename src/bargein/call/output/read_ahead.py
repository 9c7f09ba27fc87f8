"""A reply that is read as fast as its model makes it, and not only as fast as it is heard.

So a tool is known of as soon as the model has called it, a model need not wait for the loudspeaker, and the text of a
reply whose voice fails is there for another voice. Each reader is a task of the call, and ends with its reply.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Protocol

from bargein.call.context import Spawn
from bargein.call.output.text_streams import closing
from bargein.protocols import SpeechChunk, Word

MOST_CHARS = 20_000  # of text that no voice has asked for; no model writes so much in one reply
MOST_MS = 300_000.0  # of audio that waits: it is made faster than it is heard, and has to lie somewhere
CLAUSE = 60  # characters: a voice that has so many, or a whole sentence, has enough to begin with
ENDS = ".?!\n。？！"  # full stops of Chinese and Japanese


class ReplyText(Protocol):
    """The text of a reply, as another voice would read it."""

    @property
    def due(self) -> bool:
        """A voice has enough of it to begin to speak."""
        ...

    @property
    def known(self) -> bool:
        """It holds words, and its model has not failed."""
        ...

    def read(self) -> AsyncIterator[str]:
        """All of it, from its start. Raises what its model raises."""
        ...

    async def aclose(self) -> None:
        """Stop the model, if it still writes."""
        ...


def has_words(text: str) -> bool:
    """Whether there is something in it to be said."""
    return any(char.isalnum() for char in text)


class ReadText:
    """ReplyText's shape: a text that is read from its LLM at once, and as often as wanted from here."""

    def __init__(self, text: AsyncIterator[str], spawn: Spawn, name: str) -> None:
        self._pieces: list[str] = []
        self._chars = self._taken = 0
        self._over = False
        self._error: Exception | None = None
        self._news = asyncio.Event()
        self._due = self._words = False
        self._task = spawn(self._write(text), name)

    @property
    def due(self) -> bool:
        return self._words and (self._due or self._over) and self._error is None

    @property
    def known(self) -> bool:
        return self._words and self._error is None

    async def read(self) -> AsyncIterator[str]:
        at = chars = 0
        while True:
            while at < len(self._pieces):
                piece = self._pieces[at]
                at += 1
                chars += len(piece)
                if chars > self._taken:
                    self._taken = chars
                    self._tell()
                yield piece
            if self._error is not None:
                raise self._error
            if self._over:
                return
            await self._news.wait()

    def cancel(self) -> None:
        """Stop the model. Its task is awaited by the task's owner."""
        self._task.cancel()

    async def aclose(self) -> None:
        self.cancel()
        await asyncio.wait([self._task])

    async def _write(self, text: AsyncIterator[str]) -> None:
        try:
            async with closing(text):
                async for piece in text:
                    self._pieces.append(piece)
                    self._chars += len(piece)
                    self._words = self._words or has_words(piece)
                    self._due = self._due or self._chars >= CLAUSE or any(end in piece for end in ENDS)
                    self._tell()
                    while self._chars - self._taken > MOST_CHARS:
                        await self._news.wait()
        except Exception as error:  # raised where the text ends; a reply that is closed fails unnoticed
            self._error = error
        finally:
            self._over = True
            self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class ReadSpeech:
    """The audio of a reply, read from its model at once. What says when words sound is given out before the audio."""

    def __init__(self, speech: AsyncIterator[SpeechChunk], spawn: Spawn, name: str) -> None:
        self._facts: deque[SpeechChunk] = deque()  # texts and times that do not wait for their audio
        self._audio: deque[SpeechChunk] = deque()
        self._waiting_ms = 0.0
        self._over = False
        self._error: Exception | None = None
        self._news = asyncio.Event()
        self._task = spawn(self._read(speech), name)

    def words(self) -> tuple[Word, ...]:
        """Times of words that have come, and were not given out."""
        return tuple(word for chunk in self._facts for word in chunk.words or ())

    async def chunks(self) -> AsyncIterator[SpeechChunk]:
        """All chunks. Raises what the model raises. Closing the iterator stops the model."""
        try:
            while True:
                while self._facts or self._audio:
                    chunk = [self._facts.popleft() if self._facts else self._audio.popleft()]
                    self._waiting_ms -= chunk[0].pcm.ms
                    self._news.set()
                    yield chunk.pop()  # and keep no audio meanwhile
                if self._error is not None:
                    raise self._error
                if self._over:
                    return
                self._news.clear()
                await self._news.wait()
        finally:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _read(self, speech: AsyncIterator[SpeechChunk]) -> None:
        try:
            async with closing(speech):
                async for chunk in speech:
                    self._take(chunk)
                    self._news.set()
                    while self._waiting_ms > MOST_MS:
                        self._news.clear()
                        await self._news.wait()
        except Exception as error:  # raised by `chunks`
            self._error = error
        finally:
            self._over = True
            self._news.set()

    def _take(self, chunk: SpeechChunk) -> None:
        self._waiting_ms += chunk.pcm.ms
        if not chunk.ahead:
            self._audio.append(chunk)
            return
        if chunk.text or chunk.words is not None:
            self._facts.append(replace(chunk, pcm=chunk.pcm.part(0, 0)))
        if len(chunk.pcm):
            self._audio.append(replace(chunk, text="", words=None))
