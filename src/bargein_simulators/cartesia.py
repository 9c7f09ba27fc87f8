"""Cartesia's WebSocket, locally: espeak's voice with every word's true time, the vendor's weak cancel, and faults."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from fastapi import FastAPI
from starlette.websockets import WebSocket

from bargein.protocols import Word
from bargein.vendors.common.clauses import cut
from bargein_simulators.audio_formats import RawEncoder
from bargein_simulators.cartesia_wire import (
    ENCODINGS,
    FIXED,
    CartesiaRefused,
    CartesiaRequest,
    Json,
    audio_chunk,
    done,
    error,
    flush_done,
    read_request,
    word_timestamps,
)
from bargein_simulators.simulated_tts import Chunk, Spoke, TTSContext, TTSSettings, TTSText, receive_json, serve_tts


@dataclass(slots=True)
class CartesiaSimulator(TTSSettings):
    """How the server behaves, and its record."""

    voices: tuple[str, ...] = ()
    """Ids of the voices that exist. Empty: any."""
    times_first: bool = False
    """Whether the times of a chunk come before its audio. The vendor does both."""


@dataclass(slots=True)
class _Context(TTSContext):
    encoder: RawEncoder = RawEncoder("s16le")  # noqa: RUF009  # it has no state
    fixed: dict[str, object] = field(default_factory=dict)
    """Fields that may not change within the context."""
    timed: bool = False
    """Whether the client gets the times of words."""
    volume: float = 1.0
    buffered: str = ""
    """Text that came and is not enough for a generation yet."""
    flush: int = 1
    """Number of the flush that the next text belongs to."""
    delay: asyncio.TimerHandle | None = None
    """The end of max_buffer_delay_ms."""

    def generate(self, *, flushed: bool = False) -> None:
        """Have the buffered text spoken. flushed: it is the last of its flush."""
        if self.delay is not None:
            self.delay.cancel()
            self.delay = None
        if self.buffered.strip() or flushed:
            self.texts.put_nowait(TTSText(self.buffered, self.flush, flushed))
            self.flush += flushed
        self.buffered = ""


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
                refused = CartesiaRefused(400, "Invalid JSON", "The message is no JSON object.", "invalid_request")
                await self._send_json(error(None, refused))
                continue
            name = message.get("context_id")
            try:
                self._handle(message)
            except CartesiaRefused as refused:
                await self._send_json(error(name if isinstance(name, str) else None, refused))

    async def stop(self) -> None:
        for context in list(self._contexts.values()):
            if context.delay is not None:
                context.delay.cancel()
            await context.stop()

    def _handle(self, message: Json) -> None:
        """Raises CartesiaRefused."""
        if message.get("cancel"):
            context = self._contexts.get(str(message.get("context_id")))
            if context is not None:
                context.cancelled = True
                context.spoke.end("cancelled")
                context.texts.put_nowait(None)  # the chunk under way is still sent, and then the done
            return
        request = read_request(message)
        if self._sim.voices and request.voice.id not in self._sim.voices:
            raise CartesiaRefused(404, "Voice not found", "The voice does not exist.", "voice_not_found")
        context = self._contexts.get(request.context_id)
        fixed = {name: message.get(name) for name in FIXED}
        if context is None:
            context = self._open(request, fixed)
        elif context.fixed != fixed:
            words = f"Of a context only the transcript may change, not {', '.join(FIXED)}."
            raise CartesiaRefused(400, "Invalid request", words, "invalid_request")
        self._take(context, request)

    def _open(self, request: CartesiaRequest, fixed: dict[str, object]) -> _Context:
        spoke = Spoke()
        self._sim.spoke.append(spoke)
        context = _Context(
            request.context_id,
            spoke,
            self._sim.next_fault(),
            speed=request.generation_config.speed,
            volume=request.generation_config.volume,
            encoder=RawEncoder(ENCODINGS[request.output_format.encoding]),
            fixed=fixed,
            timed=bool(request.add_timestamps),
        )
        self._contexts[context.id] = context
        rate = request.output_format.sample_rate
        speaking = context.speak(
            self._sim, rate, partial(self._send, context), partial(self._flushed, context), partial(self._done, context)
        )
        context.task = asyncio.create_task(speaking)
        return context

    def _take(self, context: _Context, request: CartesiaRequest) -> None:
        """Buffer a transcript, and generate when there is enough of it, or none will follow."""
        context.spoken_from(request.transcript)
        context.buffered += request.transcript
        delay_ms = request.max_buffer_delay_ms
        if request.flush or (delay_ms == 0 and request.transcript.strip()):
            context.generate(flushed=True)
        elif not request.more:
            context.generate()
        else:
            while length := cut(context.buffered):
                rest = context.buffered[length:]
                context.buffered = context.buffered[:length]
                context.generate()
                context.buffered = rest
            if context.buffered.strip() and context.delay is None:
                loop = asyncio.get_running_loop()
                context.delay = loop.call_later(delay_ms / 1000, context.generate)
        if not request.more:
            context.generate()
            context.texts.put_nowait(None)

    async def _flushed(self, context: _Context, text: TTSText) -> None:
        await self._send_json(flush_done(context.id, text.flush))

    async def _done(self, context: _Context) -> None:
        await self._send_json(done(context.id))
        del self._contexts[context.id]

    async def _send(self, context: _Context, chunk: Chunk, text: TTSText) -> bool:
        """Send a chunk. Returns False when the context sends nothing more."""
        if context.breaks():
            if context.fault == "drop":
                await self._socket.close(1011, "internal")
            elif context.fault == "garbage":
                await self._socket.send_text('{"type": "chunk", "context_id": "' + context.id + '"')
            return False
        context.spoke.first_s = context.spoke.first_s or time.monotonic()
        began_ms = context.spoke.sent_ms - chunk.at_ms
        samples = chunk.pcm.samples
        if context.volume != 1.0:
            samples = np.clip(samples * context.volume, -32_768, 32_767).astype(np.int16)
        messages = [audio_chunk(context.id, text.flush, context.encoder.push(samples))]
        if chunk.words and context.timed and context.fault != "untimed":
            times = word_timestamps(context.id, text.flush, chunk.speech.text, chunk.words, began_ms)
            messages.insert(0 if self._sim.times_first else 1, times)
        for event in messages:
            await self._send_json(event)
        context.spoke.words += [Word(began_ms + w.start_ms, began_ms + w.end_ms, 0, 0) for w in chunk.words]
        context.spoke.sent_ms += chunk.pcm.ms
        return True

    async def _send_json(self, event: Json) -> None:
        await self._socket.send_text(json.dumps(event))
