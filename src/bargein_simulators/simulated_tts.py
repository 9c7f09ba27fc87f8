"""What the simulated voices share: a text as sound in chunks, at a set speed, with faults; and a record of it."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.websockets import WebSocket

from bargein.audio.pcm import Pcm
from bargein.protocols import Word
from bargein_simulators.socket import received
from bargein_simulators.speech import SimulatedSpeech, SimulatedWord

log = logging.getLogger(__name__)

Fault = Literal["401", "402", "429", "500", "slow", "silent", "stall", "drop", "garbage", "untimed"]
Ended = Literal["open", "completed", "cancelled", "disconnected", "refused", "faulty"]

REFUSALS = {"401": 401, "402": 402, "429": 429, "500": 500}
KEPT = 500
SLOW_MS = 2_000
FAULT_AFTER = 2  # chunks of sound, after which a stall, a drop or garbage comes


@dataclass(slots=True)
class Spoke:
    """One reply: the text that came, how much sound was sent (ms), how it ended. came_s, first_s: when its first text
    came and its first sound left, by the monotonic clock. over: set when it has ended."""

    text: str = ""
    sent_ms: float = 0.0
    ended: Ended = "open"
    words: list[Word] = field(default_factory=list)
    came_s: float = field(default_factory=time.monotonic)
    first_s: float | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, ended: Ended) -> None:
        if self.ended == "open":
            self.ended = ended
            self.over.set()


@dataclass(slots=True)
class VoiceSettings:
    """first_audio_ms: from a text to its first sound; chunk_ms: sound in one message; speed: times real time at which
    sound is made (0: at once); api_key: the key that is demanded, or None; faults: one for each reply, taken from the
    left (a refusal is for the next connection)."""

    first_audio_ms: float = 0.0
    chunk_ms: float = 100.0
    speed: float = 0.0
    api_key: str | None = None
    faults: deque[Fault] = field(default_factory=lambda: deque(maxlen=KEPT))
    spoke: deque[Spoke] = field(default_factory=lambda: deque(maxlen=KEPT))
    sockets: int = 0  # that were opened, ever
    speech: SimulatedSpeech = field(default_factory=SimulatedSpeech)

    def refusal(self, key: str | None) -> int:
        """The status with which a connection with this key is refused; 0: it is not."""
        if self.api_key is not None and key != self.api_key:
            return 401
        if self.faults and self.faults[0] in REFUSALS:
            return REFUSALS[self.faults.popleft()]
        return 0

    def next_fault(self) -> Fault | None:
        """Of a reply that begins."""
        return self.faults.popleft() if self.faults and self.faults[0] not in REFUSALS else None


@dataclass(frozen=True, slots=True)
class Chunk:
    """pcm: a piece of sound; at_ms: where it begins in its text's sound; words: that begin in it; last: of its text."""

    pcm: Pcm
    at_ms: float
    words: tuple[Word, ...]
    said: SimulatedWord
    last: bool


async def chunks(settings: VoiceSettings, text: str, rate: int, *, slow: bool = False) -> AsyncIterator[Chunk]:
    """The text's sound in chunks, as the vendor would make them."""
    began = time.monotonic()
    said = await settings.speech.say(text, rate)
    wait_ms = settings.first_audio_ms + (SLOW_MS if slow else 0)
    await asyncio.sleep(max(0.0, began + wait_ms / 1000 - time.monotonic()))
    size = max(1, int(settings.chunk_ms * rate / 1000))
    samples = said.pcm.samples
    for at in range(0, max(len(samples), 1), size):
        if at and settings.speed:
            await asyncio.sleep(settings.chunk_ms / 1000 / settings.speed)
        at_ms, until_ms = at * 1000 / rate, (at + size) * 1000 / rate
        last = at + size >= len(samples)
        words = tuple(w for w in said.words if at_ms <= w.start_ms < until_ms or (last and w.start_ms >= until_ms))
        yield Chunk(Pcm(samples[at : at + size].copy(), rate), at_ms, words, said, last)


async def message(socket: WebSocket, within_s: float | None = None) -> dict[str, Any]:
    """The next message. Raises ValueError for what is none, TimeoutError, WebSocketDisconnect."""
    told = json.loads((await received(socket, within_s)).get("text") or "")
    if isinstance(told, dict):
        return told
    raise ValueError("no message")


async def stopped(task: asyncio.Task[None]) -> None:
    """End it. What it failed with is a defect of the simulator's, and is logged."""
    task.cancel()
    (error,) = await asyncio.gather(task, return_exceptions=True)
    if isinstance(error, Exception):
        log.error("A simulated voice failed", exc_info=error)
