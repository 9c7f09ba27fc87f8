"""A streaming STT that a test plays by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from bargein import protocols as c
from bargein.audio.pcm import Samples


class ScriptedStreamingSTT:
    """A streaming STT and its one connection. The test says by `recognize` what it recognizes."""

    name = "scripted stt"

    def __init__(self, *, turns: bool = True) -> None:
        self.turns = turns
        self.pushed = 0
        self.rate = 16_000
        self.closed = 0
        self.inbox: asyncio.Queue[c.STTEvent | Exception] = asyncio.Queue()

    def open(self, rate: int) -> ScriptedStreamingSTT:
        self.rate = rate
        return self

    def push_audio(self, samples: Samples) -> None:
        self.pushed += len(samples)

    async def events(self) -> AsyncIterator[c.STTEvent]:
        try:
            while True:
                item = await self.inbox.get()
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            self.closed += 1

    def recognize(self, kind: c.TurnUpdateKind, text: str = "", *, turn: int = 0, ago_ms: float = 300) -> None:
        """A turn whose first word began ago_ms ago."""
        now_ms = self.pushed * 1000 / self.rate
        self.inbox.put_nowait(c.TurnUpdate(kind, turn, text, now_ms - ago_ms, now_ms))
