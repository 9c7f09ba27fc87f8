"""Deepgram Aura (v1 speak), locally: espeak's voice, flushes and their limit, Clear, and faults."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Self

from fastapi import FastAPI
from pydantic import BaseModel, Field, ValidationError, model_validator
from starlette.websockets import WebSocket, WebSocketDisconnect

from bargein_simulators.audio_formats import RawEncoder
from bargein_simulators.deepgram_handshake import refused
from bargein_simulators.simulated_tts import (
    FAULT_AFTER,
    Fault,
    Pace,
    Spoke,
    TTSSettings,
    chunks,
    receive_json,
    serve_tts,
    stop_task,
)

FLUSHES, FLUSHES_S = 20, 60.0
RATES = {  # the first is the default
    "linear16": (24_000, 8_000, 16_000, 32_000, 48_000),
    "mulaw": (8_000, 16_000),
    "alaw": (8_000, 16_000),
}
AUDIO_PARAMETERS = (("encoding",), ("container",), ())


@dataclass(slots=True)
class SpeakSimulator(TTSSettings):
    """How the server behaves, and its record.

    A fault is for the next flush that is spoken.
    """

    flushes: int = FLUSHES
    """Flushes that a connection may send in a minute."""


def speak_app(sim: SpeakSimulator | None = None) -> FastAPI:
    """A server with Aura alone."""
    app = FastAPI(title="Deepgram, simulated", openapi_url=None)
    add_speak(app, sim or SpeakSimulator())
    return app


def add_speak(app: FastAPI, sim: SpeakSimulator) -> None:
    """Give an app the route /v1/speak. The simulator is also app.state.speak."""
    app.state.speak = sim

    @app.websocket("/v1/speak")
    async def speak(socket: WebSocket) -> None:
        try:
            query = _Query.model_validate(dict(socket.query_params))
        except ValidationError as error:
            first = error.errors()[0]
            code = "UNSUPPORTED_AUDIO_FORMAT" if first["loc"] in AUDIO_PARAMETERS else "INVALID_QUERY_PARAMETER"
            name = first["loc"][0] if first["loc"] else "sample_rate"
            await socket.send_denial_response(refused(400, code, message=f"Invalid {name}: {first['msg']}"))
            return
        key = socket.headers.get("authorization", "").removeprefix("Token ").removeprefix("Bearer ")
        await serve_tts(sim, socket, key, {"err_code": "REFUSED"}, lambda: _Handler(sim, socket, query))


class _Query(BaseModel):
    """The part of the query that is read. Raises ValidationError where Deepgram refuses with 400."""

    model: str = Field(default="aura-asteria-en", pattern="^aura-")
    encoding: Literal["linear16", "mulaw", "alaw"] = "linear16"  # the WebSocket has no compressed format
    container: Literal["none"] = "none"
    sample_rate: int | None = None
    speed: float = Field(default=1.0, ge=0.7, le=1.5)

    @model_validator(mode="after")
    def _known_rate(self) -> Self:
        if self.rate not in RATES[self.encoding]:
            rates = ", ".join(str(rate) for rate in RATES[self.encoding])
            raise ValueError(f"{self.encoding} has the sample rates {rates}")
        return self

    @property
    def rate(self) -> int:
        return self.sample_rate or RATES[self.encoding][0]


class _Handler:
    """Handles one connection. Each flush is one reply of the record."""

    def __init__(self, sim: SpeakSimulator, socket: WebSocket, query: _Query) -> None:
        self._sim, self._socket = sim, socket
        self._rate, self._speed = query.rate, query.speed
        self._model = query.model
        self._encoder = RawEncoder({"linear16": "s16le"}.get(query.encoding, query.encoding))
        self._pace = Pace()
        self._text = ""
        self._sequence = 0
        self._flushes: deque[float] = deque(maxlen=sim.flushes)
        self._queue: asyncio.Queue[Spoke] = asyncio.Queue(maxsize=1_000)
        self._current: Spoke | None = None
        self._task: asyncio.Task[None] | None = None
        self._speaker = asyncio.create_task(self._speak())

    async def run(self) -> None:
        metadata = {
            "type": "Metadata",
            "request_id": str(uuid.uuid4()),
            "model_name": self._model,
            "model_version": "1",
        }
        await self._socket.send_text(json.dumps({**metadata, "model_uuid": str(uuid.uuid4())}))
        while True:
            try:
                message = await receive_json(self._socket)
            except ValueError:
                await self._warn("INVALID_JSON", "The message is no JSON object")
                continue
            match message.get("type"):
                case "Speak" if not isinstance(message.get("text"), str):
                    await self._warn("INVALID_MESSAGE", "Speak needs a text")
                case "Speak":
                    self._text += message["text"]
                case "Flush":
                    await self._flush()
                case "Clear":
                    await self._clear()
                case "Close":
                    await self._socket.close(1000)
                    return
                case other:
                    await self._warn("UNKNOWN", f"Unknown type {other!r}")

    async def stop(self) -> None:
        await stop_task(self._speaker)
        if self._current is not None:
            self._current.end("disconnected")

    async def _flush(self) -> None:
        now = time.monotonic()
        if len(self._flushes) == self._sim.flushes and now - self._flushes[0] < FLUSHES_S:
            await self._warn("EXCESSIVE_FLUSHES", "Too many flushes")
            return
        self._flushes.append(now)
        spoke = Spoke(self._text)
        self._sim.spoke.append(spoke)
        self._text = ""
        self._queue.put_nowait(spoke)

    async def _clear(self) -> None:
        self._text = ""
        if self._current is not None:
            self._current.end("cancelled")
        while not self._queue.empty():
            self._queue.get_nowait().end("cancelled")
        self._sequence += 1
        await self._socket.send_text(json.dumps({"type": "Cleared", "sequence_id": self._sequence}))

    async def _warn(self, code: str, description: str) -> None:
        """Send a Warning: Deepgram's types have no error for this socket."""
        await self._socket.send_text(json.dumps({"type": "Warning", "code": code, "description": description}))

    async def _speak(self) -> None:
        with suppress(WebSocketDisconnect, RuntimeError):
            while True:
                self._current = await self._queue.get()
                await self._one(self._current, self._sim.next_fault())

    async def _one(self, spoke: Spoke, fault: Fault | None) -> None:
        if fault == "silent":
            await asyncio.Event().wait()
        sent = 0
        slow, speed = fault == "slow", self._speed
        made = chunks(self._sim, spoke.text, self._rate, slow=slow, pace=self._pace, speed=speed)
        async for chunk in made:
            if spoke.ended != "open":
                return  # cleared
            sent += 1
            if sent > FAULT_AFTER and fault in ("stall", "drop", "garbage"):
                spoke.end("faulty")
                if fault == "drop":
                    await self._socket.close(1011)
                elif fault == "garbage":
                    await self._socket.send_text('{"type": "Flu')
                await asyncio.Event().wait()
            spoke.first_s = spoke.first_s or time.monotonic()
            if len(chunk.pcm.samples):
                await self._socket.send_bytes(self._encoder.push(chunk.pcm.samples))
            spoke.sent_ms += chunk.pcm.ms
            spoke.words += chunk.words
            await asyncio.sleep(0)
        self._sequence += 1
        await self._socket.send_text(json.dumps({"type": "Flushed", "sequence_id": self._sequence}))
        spoke.end("completed")
