"""Cartesia's WebSocket, locally: espeak's voice with every word's true time, the vendor's weak cancel, and faults."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from dataclasses import dataclass, field
from functools import partial

from fastapi import FastAPI
from starlette.websockets import WebSocket

from bargein.protocols import Word
from bargein_simulators.simulated_tts import Chunk, Spoke, TTSContext, TTSSettings, receive_json, serve_tts


@dataclass(slots=True)
class CartesiaSimulator(TTSSettings):
    """How the server behaves, and its record."""

    voices: tuple[str, ...] = ()
    """Ids of the voices that exist. Empty: any."""
    times_first: bool = False
    """Whether the times of a chunk come before its audio. The vendor does both."""


@dataclass(slots=True)
class _Context(TTSContext):
    rate: int = 24_000
    fixed: dict[str, object] = field(default_factory=dict)
    """Fields that may not change within the context."""


def cartesia_app(sim: CartesiaSimulator | None = None) -> FastAPI:
    """A server with Cartesia alone."""
    app = FastAPI(title="Cartesia, simulated", openapi_url=None)
    add_cartesia(app, sim or CartesiaSimulator())
    return app


def add_cartesia(app: FastAPI, sim: CartesiaSimulator) -> None:
    """Give an app the route /tts/websocket. The simulator is also app.state.cartesia."""
    app.state.cartesia = sim

    @app.websocket("/tts/websocket")
    async def speak(socket: WebSocket) -> None:
        key = socket.headers.get("x-api-key") or socket.query_params.get("api_key")
        await serve_tts(sim, socket, key, {"title": "Refused"}, lambda: _Handler(sim, socket))


class _Handler:
    """Handles one connection."""

    def __init__(self, sim: CartesiaSimulator, socket: WebSocket) -> None:
        self._sim, self._socket = sim, socket
        self._contexts: dict[str, _Context] = {}

    async def run(self) -> None:
        while True:
            try:
                message = await receive_json(self._socket)
            except ValueError:
                await self._error(None, 400, "Invalid JSON", "invalid_request")
                continue
            await self._handle(message)

    async def stop(self) -> None:
        for context in list(self._contexts.values()):
            await context.stop()

    async def _handle(self, message: dict[str, object]) -> None:
        name = message.get("context_id")
        if not isinstance(name, str):
            await self._error(None, 400, "A context_id is missing", "invalid_request")
            return
        context = self._contexts.get(name)
        if message.get("cancel"):
            if context is not None:
                context.cancelled = True
                context.spoke.end("cancelled")
                context.texts.put_nowait(None)  # the chunk under way is still sent, and then the done
            return
        fixed = {key: message.get(key) for key in ("model_id", "voice", "output_format", "language")}
        voice, output = message.get("voice"), message.get("output_format")
        wanted = voice.get("id") if isinstance(voice, dict) else None
        if self._sim.voices and wanted not in self._sim.voices:
            await self._error(name, 404, "Voice not found", "voice_not_found")
            return
        if context is None:
            rate = output.get("sample_rate") if isinstance(output, dict) else 24_000
            if not isinstance(rate, int):
                await self._error(name, 400, "Invalid output_format", "invalid_request")
                return
            spoke = Spoke()
            self._sim.spoke.append(spoke)
            context = self._contexts[name] = _Context(name, spoke, self._sim.next_fault(), rate=rate, fixed=fixed)
            speaking = context.speak(
                self._sim, context.rate, partial(self._send, context), partial(self._done, context)
            )
            context.task = asyncio.create_task(speaking)
        elif context.fixed != fixed:
            await self._error(name, 400, "Fields may not change within a context", "invalid_request")
            return
        text = str(message.get("transcript") or "")
        if text.strip():
            if not context.spoke.text:
                context.spoke.came_s = time.monotonic()
            context.spoke.text += text
            context.texts.put_nowait(text)
        if not message.get("continue"):
            context.texts.put_nowait(None)

    async def _done(self, context: _Context) -> None:
        event = {"type": "done", "context_id": context.id, "done": True, "status_code": 200}
        await self._socket.send_text(json.dumps(event))
        del self._contexts[context.id]

    async def _send(self, context: _Context, chunk: Chunk) -> bool:
        """Send a chunk. Returns False when the context sends nothing more."""
        if context.breaks():
            if context.fault == "drop":
                await self._socket.close(1011, "internal")
            elif context.fault == "garbage":
                await self._socket.send_text('{"type": "chunk", "context_id": "' + context.id + '"')
            return False
        context.spoke.first_s = context.spoke.first_s or time.monotonic()
        began_ms = context.spoke.sent_ms - chunk.at_ms
        audio = {
            "type": "chunk",
            "context_id": context.id,
            "data": base64.b64encode(chunk.pcm.to_bytes()).decode(),
            "done": False,
            "status_code": 206,
            "step_time": 12.5,
        }
        messages = [audio]
        if chunk.words and context.fault != "untimed":
            times = {
                "words": [chunk.speech.text[w.begin : w.end] for w in chunk.words],
                "start": [round((began_ms + w.start_ms) / 1000, 4) for w in chunk.words],
                "end": [round((began_ms + w.end_ms) / 1000, 4) for w in chunk.words],
            }
            message = {"type": "timestamps", "context_id": context.id, "done": False, "status_code": 206}
            messages.insert(0 if self._sim.times_first else 1, {**message, "word_timestamps": times})
        for event in messages:
            await self._socket.send_text(json.dumps(event))
        context.spoke.words += [Word(began_ms + w.start_ms, began_ms + w.end_ms, 0, 0) for w in chunk.words]
        context.spoke.sent_ms += chunk.pcm.ms
        return True

    async def _error(self, context: str | None, status: int, title: str, code: str) -> None:
        event = {
            "type": "error",
            "context_id": context,
            "title": title,
            "message": title,
            "error_code": code,
            "status_code": status,
            "done": True,
            "request_id": "r",
        }
        await self._socket.send_text(json.dumps(event))
