"""A line to the simulated OpenAI Realtime, that listens and keeps what it hears."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from fastapi import FastAPI

from bargein import protocols as c
from bargein.audio.pcm import Samples
from bargein.audio.resample import resample
from bargein.errors import VendorRefused
from bargein.vendors.common.openai_realtime.connection import OpenAIRealtimeConnection
from bargein.vendors.openai.realtime import OpenAIRealtime
from bargein_simulators.openai_realtime import RealtimeSimulator, realtime_app
from bargein_simulators.realtime_session import RealtimeSession
from tests.simulators.serving import serving
from tests.sounds import load

KEY = "sk-secret-of-ours"
TOOL = c.ToolSpec("look", "Looks", {"type": "object", "properties": {}})


@dataclass
class Talk:
    """A line that listens, and all that it has heard. items: the conversation; known: as the line finds it."""

    line: OpenAIRealtimeConnection
    sim: RealtimeSimulator
    items: list[c.ConversationItem]
    known: Sequence[c.ConversationItem]
    heard: list[c.STTEvent] = field(default_factory=list)
    refused: Exception | None = None
    failed: Exception | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)
    fed_ms: float = 0.0

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

    async def breaks(self) -> None:
        """The connection breaks, and there is another."""
        before = len(self.sim.sessions)
        self.session.close(1011)
        await self.until(lambda: len(self.sim.sessions) > before and self.line._live)

    async def until(self, done: Any, seconds: float = 8) -> None:
        """Wait until something is so; looked at whenever anything was heard, or sent by the server."""
        async with asyncio.timeout(seconds):
            while not done():
                self.news.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.news.wait(), 0.02)

    def says(self, samples: Samples) -> None:
        """The user's sound, as fast as it goes."""
        rate = self.line._brief.rate
        size = rate // 50
        for at in range(0, len(samples), size):
            self.line.push_audio(samples[at : at + size])
        self.fed_ms += len(samples) * 1000 / rate

    def speaks(self, name: str = "interruption-1.wav", *, turn: bool = True) -> None:
        """A sentence, and silence after it; turn: the floor gave it one."""
        rate = self.line._brief.rate
        samples = resample(load(name), rate).samples
        self.says(samples)
        if turn:
            self.line.turn_started(len(samples) * 1000 / rate)
        self.says(np.zeros(rate, np.int16))

    @property
    def session(self) -> Any:
        return self.sim.sessions[-1]

    def sent(self, kind: str) -> list[dict[str, Any]]:
        """What we sent of a kind, in the newest session."""
        return [event for _, event in self.session.received if event["type"] == kind]

    @property
    def text(self) -> str:
        return " ".join(h.text for h in self.heard if isinstance(h, c.TurnUpdate) and h.text)


@asynccontextmanager
async def talk(
    sim: RealtimeSimulator,
    *,
    items: Sequence[c.ConversationItem] = (),
    rate: int = 16_000,
    mulaw: bool = False,
    webrtc: bool = False,
    app: FastAPI | None = None,
    made_by: Callable[[str], Any] | None = None,
    **options: Any,
) -> AsyncIterator[Talk]:
    """direct: it joins a call over WebRTC, whose sound goes another way. app, made_by: another server than OpenAI, and
    its model at an address."""
    async with serving(app or realtime_app(sim), ws=True) as url:
        model: Any = made_by(url) if made_by else OpenAIRealtime(api_key=KEY, base_url=f"{url}/v1", **options)
        known = list(items)
        brief = c.SessionConfig("Be short.", "en", (TOOL,), rate, mulaw)
        if webrtc:
            sim.calls["rtc_1"] = RealtimeSession(sim, model.name, model.settings.session(brief, webrtc=True))
            sim.sessions.append(sim.calls["rtc_1"])
        line = (model.joined("rtc_1") if webrtc else model).open(brief, lambda: made.known)
        made: Talk = Talk(line, sim, known, known)
        task = asyncio.create_task(made.events())
        try:
            yield made
        finally:
            task.cancel()
            await asyncio.wait([task])
            await model.aclose()
            if webrtc:
                await sim.calls["rtc_1"].end()
            await sim.speech.aclose()


def simulator(**more: Any) -> RealtimeSimulator:
    made = RealtimeSimulator(
        respond=lambda said, _: f"You said {said}.",
        script=deque(["what is the first", "and the second"]),
        first_audio_ms=0,
        speed=0,
        transcript_ms=10,
    )
    for name, value in more.items():
        setattr(made, name, value)
    return made


async def said(reply: c.Response) -> str:
    """All of its text. A reply that never comes is a failure."""
    async with asyncio.timeout(8):
        return "".join([piece.text async for piece in reply.audio() if isinstance(piece, c.SpeechChunk)])
