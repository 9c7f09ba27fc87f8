"""A connection to the simulated Gemini Live, that listens and keeps what it hears."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bargein import protocols as c
from bargein.audio.pcm import Samples
from bargein.audio.resample import resample
from bargein.errors import VendorRefused
from bargein.vendors.google.live.connection import GeminiLiveConnection
from bargein.vendors.google.live.model import GeminiLive
from bargein_simulators.gemini_live import gemini_live_app
from bargein_simulators.gemini_live_behavior import GeminiLiveSimulator
from bargein_simulators.gemini_live_session import GeminiLiveSession
from tests.simulators.serving import serving
from tests.sounds import load

KEY = "AIza-secret-of-ours"
TOOL = c.ToolSpec("look", "Looks", {"type": "object", "properties": {}})


@dataclass
class LiveTalk:
    """line: the connection. items: the conversation, as the connection finds it."""

    line: GeminiLiveConnection
    sim: GeminiLiveSimulator
    items: list[c.ConversationItem]
    heard: list[c.STTEvent] = field(default_factory=list)
    refused: VendorRefused | None = None
    failed: Exception | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def events(self) -> None:
        try:
            async for item in self.line.events():
                self.heard.append(item)
                self.news.set()
        except VendorRefused as error:
            self.refused = error
        except Exception as error:
            self.failed = error
        self.news.set()

    async def until(self, done: Callable[[], Any], seconds: float = 8) -> None:
        async with asyncio.timeout(seconds):
            while not done():
                self.news.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.news.wait(), 0.01)

    async def up(self) -> None:
        await self.until(lambda: self.line._live or self.refused)

    def says(self, samples: Samples) -> None:
        size = self.line._brief.rate // 50
        for at in range(0, len(samples), size):
            self.line.push_audio(samples[at : at + size])

    def speaks(self, ms: float = 800.0) -> None:
        """The user's turn: the floor has given it."""
        rate = self.line._brief.rate
        samples = resample(load("interruption-1.wav"), rate).samples[: int(ms * rate / 1000)]
        self.says(np.zeros(rate // 2, np.int16))
        self.says(samples)
        self.line.turn_started(len(samples) * 1000 / rate)

    @property
    def session(self) -> GeminiLiveSession:
        newest: GeminiLiveSession = self.sim.sessions[-1]
        return newest

    def sent(self, kind: str) -> list[Any]:
        """What was sent of a kind ("activityStart", "text", "clientContent", "toolResponse"), in the newest session."""
        found = []
        for message in self.session.received:
            inner = message.get("realtimeInput", message)
            if kind in inner:
                found.append(inner[kind])
        return found

    @property
    def text(self) -> str:
        updates = {h.turn: h.text for h in self.heard if isinstance(h, c.TurnUpdate)}
        return " ".join(updates.values())


def live_simulator(**more: Any) -> GeminiLiveSimulator:
    made = GeminiLiveSimulator(
        respond=lambda said, _: f"You said {said}.",
        script=deque(["what is the first", "and the second"]),
        first_audio_ms=0,
        speed=0,
        transcript_ms=5,
    )
    for name, value in more.items():
        setattr(made, name, value)
    return made


@asynccontextmanager
async def live_talk(
    sim: GeminiLiveSimulator, *, items: Sequence[c.ConversationItem] = (), rate: int = 16_000, **options: Any
) -> AsyncIterator[LiveTalk]:
    async with serving(gemini_live_app(sim), ws=True) as url:
        model = GeminiLive(api_key=KEY, base_url=url, **options)
        known = list(items)
        line = model.open(c.SessionConfig("Be short.", "en", (TOOL,), rate), lambda: known)
        made = LiveTalk(line, sim, known)
        task = asyncio.create_task(made.events())
        try:
            yield made
        finally:
            task.cancel()
            await asyncio.wait([task])
            await model.aclose()
            await sim.speech.aclose()


async def said(reply: c.Response) -> str:
    """All of its text. A reply that never comes is a failure."""
    async with asyncio.timeout(8):
        return "".join([piece.text async for piece in reply.audio() if isinstance(piece, c.SpeechChunk)])
