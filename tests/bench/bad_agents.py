"""Two agents that yield as badly as agents do, on Twilio's wire, and a good one beside them.

`deaf` never listens: it sends a minute of speech at once, and plays all of it.
`jumpy` stops for any sound, discards its reply, and begins another one once the caller has been quiet.
`polite` stops for speech that lasts, holds for shorter sounds, and goes on where it was.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache

import numpy as np
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from bargein.audio.levels import dbfs
from bargein.audio.mulaw import from_mulaw, to_mulaw

RATE, FRAME = 8000, 160
LEAD = 5  # frames that are sent ahead
ANY_SOUND_DBFS, SPEECH_FRAMES, QUIET_FRAMES = -48.0, 32, 30


@cache
def speech(seed: int, seconds: float) -> bytes:
    """Mu-law of something like a voice: syllables of a pitch, each with overtones of its own, as the seed has it."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * RATE)) / RATE
    signal = np.zeros(len(t))
    at = 0.0
    while at < seconds - 0.3:
        lasts = rng.uniform(0.12, 0.28)
        begin, end = int(at * RATE), int((at + lasts) * RATE)
        s = t[begin:end] - at
        pitch = rng.uniform(95, 180)
        for overtone in range(1, 9):
            signal[begin:end] += rng.uniform(0.1, 1) / overtone * np.sin(2 * np.pi * pitch * overtone * s)
        signal[begin:end] *= np.sqrt(np.clip(np.sin(np.pi * s / lasts), 0, 1))
        at += lasts + rng.uniform(0.01, 0.06)
    return to_mulaw(np.rint(signal / np.abs(signal).max() * 9000).astype(np.int16))


class Agent:
    """One call. Subclasses handle each frame of the caller."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        self.stream = ""
        self.replies = 0
        self.pending = b""
        self.quiet = self.loud = 0

    def begin(self) -> None:
        self.replies += 1
        self.pending = speech(self.replies, 40)

    async def send(self, codes: bytes) -> None:
        payload = base64.b64encode(codes).decode()
        await self.socket.send(json.dumps({"event": "media", "streamSid": self.stream, "media": {"payload": payload}}))

    async def clear(self) -> None:
        await self.socket.send(json.dumps({"event": "clear", "streamSid": self.stream}))

    async def run(self) -> None:
        sent = 0
        async for data in self.socket:
            message = json.loads(data)
            if message["event"] == "start":
                self.stream = message["start"]["streamSid"]
                await self.started()
            elif message["event"] == "media":
                samples = from_mulaw(base64.b64decode(message["media"]["payload"]))
                audible = dbfs(samples) > ANY_SOUND_DBFS
                self.loud = self.loud + 1 if audible else 0
                self.quiet = 0 if audible else self.quiet + 1
                sent = await self.frame(sent)

    async def started(self) -> None:
        self.begin()

    async def frame(self, sent: int) -> int:
        """A frame of the caller has come, so 20 ms have passed."""
        while self.pending and sent < LEAD:
            await self.send(self.pending[:FRAME])
            self.pending = self.pending[FRAME:]
            sent += 1
        return max(0, sent - 1)


class Deaf(Agent):
    async def started(self) -> None:
        codes = speech(1, 60)
        for at in range(0, len(codes), RATE):
            await self.send(codes[at : at + RATE])

    async def frame(self, sent: int) -> int:
        return 0


class Jumpy(Agent):
    async def frame(self, sent: int) -> int:
        if self.loud and self.pending:
            self.pending = b""
            await self.clear()
            return 0
        if not self.pending and self.quiet == QUIET_FRAMES:
            self.begin()
        return await super().frame(sent)


class Polite(Agent):
    held = b""
    spoken = 0  # audible frames since the hold

    async def frame(self, sent: int) -> int:
        self.spoken += self.loud > 0
        if self.loud == 2 and self.pending:
            self.held = speech(self.replies, 40)[-len(self.pending) - sent * FRAME :]
            self.pending, self.spoken = b"", 2
            await self.clear()
            return 0
        if self.spoken > SPEECH_FRAMES:
            self.held = b""
        if not self.pending and self.held and self.quiet == 10:
            self.pending, self.held = self.held, b""
        elif not self.pending and not self.held and self.quiet == QUIET_FRAMES:
            self.begin()
        return await super().frame(sent)


AGENTS: dict[str, Callable[[ServerConnection], Agent]] = {"/deaf": Deaf, "/jumpy": Jumpy, "/polite": Polite}


async def answer(socket: ServerConnection) -> None:
    path = socket.request.path if socket.request is not None else ""
    if path not in AGENTS:
        await socket.close(1008, "no such agent")
        return
    with contextlib.suppress(ConnectionClosed):  # the caller has hung up
        await AGENTS[path](socket).run()


@asynccontextmanager
async def served() -> AsyncIterator[str]:
    """The address of a server of all of them, ws://host:port."""
    async with serve(answer, "127.0.0.1", 0, compression=None) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
