"""A part of any kind that does as a test says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import numpy as np

from bargein import protocols as c
from bargein.audio.pcm import Pcm, Samples


class Fake:
    """Any part: it does as it is told, and remembers how it ended."""

    name = "fake"
    rate = 16_000
    turns = True
    does: Any = "work"
    closed = 0
    stuck = asyncio.Event()

    def __init__(self, **given: object) -> None:
        type(self).given = given

    given: ClassVar[dict[str, object]] = {}

    async def _do(self) -> None:
        if isinstance(self.does, Exception):
            raise self.does
        if self.does == "hang":
            await asyncio.Event().wait()
        while self.does == "cling" and not self.stuck.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await self.stuck.wait()

    async def speak(self, text: AsyncIterator[str]) -> AsyncIterator[c.SpeechChunk]:
        await self._do()
        yield c.SpeechChunk(Pcm(np.full(160, 900, np.int16), 16_000), "Hello.")

    async def reply(self, prompt: c.Prompt) -> AsyncIterator[c.TextDelta]:
        await self._do()
        yield c.TextDelta("Hello")
        yield c.TextDelta(" there.")

    async def read(self, pcm: Pcm, *, deadline_ms: float) -> c.BatchTranscript:
        await self._do()
        return c.BatchTranscript(f"{pcm.rate}")

    def open(self, rate: int) -> c.STTConnection:
        return FakeLine(self)

    async def aclose(self) -> None:
        type(self).closed += 1


class FakeLine:
    def __init__(self, fake: Fake) -> None:
        self._fake = fake
        self._fed = asyncio.Event()

    def push_audio(self, samples: Samples) -> None:
        self._fed.set()

    async def events(self) -> AsyncIterator[c.STTEvent]:
        await self._fed.wait()
        await self._fake._do()
        yield c.TurnUpdate("started", 0, "hello", 0, 100)
        yield c.TurnUpdate("ended", 0, "hello you", 0, 200)
