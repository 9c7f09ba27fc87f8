"""What the TTS simulators share: a text as audio in chunks, at a set speed, with faults; and the record of a reply."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from starlette.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from bargein.audio.pcm import Pcm
from bargein.protocols import Word
from bargein_simulators.connection import receive
from bargein_simulators.speech import SimulatedSpeech, SynthesizedText, stretched

log = logging.getLogger(__name__)

Fault = Literal["401", "402", "429", "500", "slow", "silent", "stall", "drop", "garbage", "untimed"]
Ended = Literal["open", "completed", "cancelled", "disconnected", "refused", "faulty"]

REFUSALS = {"401": 401, "402": 402, "429": 429, "500": 500}
KEPT = 500  # replies and faults
SLOW_MS = 2_000
FAULT_AFTER = 2  # chunks of audio, after which a stall, a drop or garbage comes


@dataclass(slots=True)
class Spoke:
    """The record of one reply."""

    text: str = ""
    """Text that came."""
    sent_ms: float = 0.0
    """Length of the audio that was sent."""
    ended: Ended = "open"
    """How the reply ended."""
    words: list[Word] = field(default_factory=list)
    """Words whose audio was sent, with their true times."""
    came_s: float = field(default_factory=time.monotonic)
    """When the first text came, by the monotonic clock."""
    first_s: float | None = None
    """When the first audio left, by the monotonic clock."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the reply has ended."""

    def end(self, ended: Ended) -> None:
        if self.ended == "open":
            self.ended = ended
            self.over.set()


@dataclass(slots=True)
class TTSSettings:
    """How a TTS simulator behaves, and its record."""

    first_audio_ms: float = 0.0
    """From a text to its first audio."""
    chunk_ms: float = 100.0
    """Audio in one message."""
    speed: float = 0.0
    """Times real time at which audio is made. 0: at once."""
    api_key: str | None = None
    """The key that is required. None: any."""
    faults: deque[Fault] = field(default_factory=lambda: deque(maxlen=KEPT))
    """One for each reply, taken from the left; a refusal is for the next connection."""
    spoke: deque[Spoke] = field(default_factory=lambda: deque(maxlen=KEPT))
    """The last replies, the newest last."""
    sockets: int = 0
    """Connections that were accepted so far."""
    speech: SimulatedSpeech = field(default_factory=SimulatedSpeech)

    def refusal(self, key: str | None) -> int:
        """The status of the refused handshake of a client with this key. 0: it is accepted."""
        if self.api_key is not None and key != self.api_key:
            return 401
        if self.faults and self.faults[0] in REFUSALS:
            return REFUSALS[self.faults.popleft()]
        return 0

    def next_fault(self) -> Fault | None:
        """The fault of the reply that begins."""
        return self.faults.popleft() if self.faults and self.faults[0] not in REFUSALS else None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Audio of one message."""

    pcm: Pcm
    at_ms: float
    """Begin of the chunk in the audio of its text."""
    words: tuple[Word, ...]
    """Words that begin in the chunk; their times count from the begin of the text's audio."""
    speech: SynthesizedText
    """The text, whole."""
    last: bool
    """Whether the chunk is the last of its text."""


@dataclass(slots=True)
class Pace:
    """When audio may leave: the model makes it at a set speed, from text to text of one reply."""

    until_s: float = 0.0
    """When the audio so far is made, by the monotonic clock."""

    async def wait(self, settings: TTSSettings, came_s: float, ms: float, *, slow: bool = False) -> None:
        """Wait until the next audio is made.

        came_s: when its text came. ms: length of the audio. slow: SLOW_MS later.
        """
        first_s = came_s + (settings.first_audio_ms + (SLOW_MS if slow else 0)) / 1000
        now = time.monotonic()
        at = max(first_s, self.until_s, now if settings.speed else 0.0)
        if at > now:
            await asyncio.sleep(at - now)
        self.until_s = at + (ms / 1000 / settings.speed if settings.speed else 0.0)


async def chunks(
    settings: TTSSettings,
    text: str,
    rate: int,
    *,
    slow: bool = False,
    pace: Pace | None = None,
    came_s: float | None = None,
    speed: float = 1.0,
) -> AsyncIterator[Chunk]:
    """Audio of the text in chunks, each when the vendor would send it.

    slow: SLOW_MS later. pace: of the reply that the text is a part of. came_s: when the text came. speed: of the voice.
    """
    came_s = time.monotonic() if came_s is None else came_s
    pace = Pace() if pace is None else pace
    speech = stretched(await settings.speech.say(text, rate), speed)
    size = max(1, int(settings.chunk_ms * rate / 1000))
    samples = speech.pcm.samples
    for at in range(0, max(len(samples), 1), size):
        at_ms, until_ms = at * 1000 / rate, (at + size) * 1000 / rate
        last = at + size >= len(samples)
        words = tuple(w for w in speech.words if at_ms <= w.start_ms < until_ms or (last and w.start_ms >= until_ms))
        pcm = Pcm(samples[at : at + size].copy(), rate)
        await pace.wait(settings, came_s, pcm.ms, slow=slow)
        yield Chunk(pcm, at_ms, words, speech, last)


class TTSHandler(Protocol):
    """Handles one WebSocket connection."""

    async def run(self) -> None:
        """Serve the client until either side ends the connection."""
        ...

    async def stop(self) -> None:
        """End every task of the connection, and record the replies that were open."""
        ...


async def serve_tts(
    sim: TTSSettings, socket: WebSocket, key: str | None, denial: Mapping[str, object], make: Callable[[], TTSHandler]
) -> None:
    """Refuse a handshake, or accept it and serve the connection until its end.

    key: that the client sent. denial: body of the response to a refused handshake. make: the connection's handler.
    """
    if status := sim.refusal(key):
        await socket.send_denial_response(JSONResponse(denial, status_code=status))
        return
    await socket.accept()
    sim.sockets += 1
    handler = make()
    try:
        await handler.run()
    except (WebSocketDisconnect, RuntimeError):  # the second: starlette's, for a message after the close
        pass
    finally:
        await handler.stop()


@dataclass(frozen=True, slots=True)
class TTSText:
    """A text of a reply that is to be spoken as one."""

    text: str
    flush: int = 0
    """Number of the flush that the text belongs to, for vendors that count them."""
    flushed: bool = False
    """Whether the text is the last of its flush."""
    came_s: float = field(default_factory=time.monotonic)
    """When the text came, by the monotonic clock."""


@dataclass(slots=True)
class TTSContext:
    """A reply on a connection that can have several at a time."""

    id: str
    spoke: Spoke
    fault: Fault | None
    sent: int = 0
    """Chunks that were sent."""
    cancelled: bool = False
    speed: float = 1.0
    """Of the voice."""
    texts: asyncio.Queue[TTSText | None] = field(default_factory=lambda: asyncio.Queue(maxsize=1_000))
    """Texts to be spoken; None after the last."""
    task: asyncio.Task[None] | None = None

    def spoken_from(self, text: str) -> None:
        """Record text that came."""
        if text.strip() and not self.spoke.text:
            self.spoke.came_s = time.monotonic()
        self.spoke.text += text

    async def speak(
        self,
        sim: TTSSettings,
        rate: int,
        send: Callable[[Chunk, TTSText], Awaitable[bool]],
        flushed: Callable[[TTSText], Awaitable[None]],
        done: Callable[[], Awaitable[None]],
    ) -> None:
        """Speak the texts as they come.

        send: sends a chunk, and returns False when the context is to send nothing more. flushed: called after the last
        text of a flush. done: sends the end.
        """
        pace = Pace()
        try:
            while (item := await self.texts.get()) is not None and not self.cancelled:
                if self.fault == "silent":
                    continue
                if item.text.strip():
                    slow, speed = self.fault == "slow", self.speed
                    made = chunks(sim, item.text, rate, slow=slow, pace=pace, came_s=item.came_s, speed=speed)
                    async for chunk in made:
                        if not await send(chunk, item):
                            return
                if item.flushed:
                    await flushed(item)
            if self.fault not in ("silent", "stall"):
                await done()
                self.spoke.end("completed")
        except (WebSocketDisconnect, RuntimeError):  # the client has left
            self.spoke.end("disconnected")

    def breaks(self) -> bool:
        """Count a chunk that is about to be sent. Returns True when the context's fault happens in its place."""
        self.sent += 1
        if self.sent <= FAULT_AFTER or self.fault not in ("stall", "drop", "garbage"):
            return False
        self.spoke.end("faulty")
        return True

    async def stop(self) -> None:
        """End the task, and record an open reply as disconnected."""
        if self.task is not None:
            await stop_task(self.task)
        self.spoke.end("disconnected")


async def receive_json(socket: WebSocket, within_s: float | None = None) -> dict[str, Any]:
    """The next message of the client.

    Raises ValueError for what is no JSON object, TimeoutError after within_s, WebSocketDisconnect.
    """
    message = json.loads((await receive(socket, within_s)).get("text") or "")
    if isinstance(message, dict):
        return message
    raise ValueError("The message is no JSON object")


async def stop_task(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait for its end. An exception of the task is a defect of the simulator, and is logged."""
    task.cancel()
    (error,) = await asyncio.gather(task, return_exceptions=True)
    if isinstance(error, Exception):
        log.error("A simulated TTS failed", exc_info=error)
