"""ElevenLabs' WebSockets, locally: espeak's voice with the true time of every character, and faults."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from dataclasses import dataclass, field
from functools import partial

from fastapi import FastAPI
from pydantic import ValidationError
from starlette.websockets import WebSocket

from bargein.protocols import Word
from bargein_simulators.audio_formats import AudioEncoder, RawEncoder
from bargein_simulators.elevenlabs_wire import (
    SCHEDULE,
    ElevenLabsQuery,
    FirstMessage,
    OutputFormat,
    alignment,
    output_format,
)
from bargein_simulators.simulated_tts import Chunk, Spoke, TTSContext, TTSSettings, TTSText, receive_json, serve_tts

MOST_CONTEXTS = 5
LEAST_TRIGGERED = 50  # pending characters that try_trigger_generation has spoken
VOICES = ("EXAVITQu4vr4xnSDxMaL",)


@dataclass(slots=True)
class ElevenLabsSimulator(TTSSettings):
    """How the server behaves, and its record."""

    voices: tuple[str, ...] = ()
    """Ids of the voices that exist. Empty: any."""
    inactive_s: float = 60.0
    """Without a message and without a reply under way, after which the socket is closed; a client may ask for less."""


@dataclass(slots=True)
class _Context(TTSContext):
    encoder: AudioEncoder = field(default_factory=lambda: RawEncoder("s16le"))
    schedule: list[float] = field(default_factory=lambda: list(SCHEDULE))
    """Characters that must be pending for the next generations; the last number holds for all that follow."""
    pending: str = ""
    """Text that is not generated yet."""

    def flush(self) -> None:
        """Have the pending text spoken."""
        if self.pending.strip():
            self.texts.put_nowait(TTSText(self.pending))
            if len(self.schedule) > 1:
                self.schedule.pop(0)
        self.pending = ""


def elevenlabs_app(sim: ElevenLabsSimulator | None = None) -> FastAPI:
    """A server with ElevenLabs alone."""
    app = FastAPI(title="ElevenLabs, simulated", openapi_url=None)
    add_elevenlabs(app, sim or ElevenLabsSimulator())
    return app


def add_elevenlabs(app: FastAPI, sim: ElevenLabsSimulator) -> None:
    """Give an app the vendor's two routes. The simulator is also app.state.elevenlabs."""
    app.state.elevenlabs = sim

    @app.websocket("/v1/text-to-speech/{voice}/multi-stream-input")
    async def speak(socket: WebSocket, voice: str) -> None:
        await _serve(sim, socket, voice, single=False)

    @app.websocket("/v1/text-to-speech/{voice}/stream-input")
    async def speak_once(socket: WebSocket, voice: str) -> None:
        await _serve(sim, socket, voice, single=True)


async def _serve(sim: ElevenLabsSimulator, socket: WebSocket, voice: str, *, single: bool) -> None:
    denial, key = {"detail": {"status": "refused"}}, socket.headers.get("xi-api-key")
    await serve_tts(sim, socket, key, denial, lambda: _Handler(sim, socket, voice, single=single))


class _Handler:
    """Handles one connection. single: it has one context without an id, and an empty text ends both."""

    def __init__(self, sim: ElevenLabsSimulator, socket: WebSocket, voice: str, *, single: bool) -> None:
        self._sim, self._socket, self._voice, self._single = sim, socket, voice, single
        self._query = ElevenLabsQuery()
        self._format = OutputFormat("pcm", 24_000, None)
        self._contexts: dict[str, _Context] = {}
        self._over = asyncio.Event()

    async def run(self) -> None:
        if self._sim.voices and self._voice not in self._sim.voices:
            await _refuse(self._socket, "voice_id_does_not_exist", f"No {self._voice}")
            return
        try:
            self._query = ElevenLabsQuery.model_validate(dict(self._socket.query_params))
        except ValidationError as error:
            first = error.errors()[0]
            await _refuse(self._socket, "invalid_request", f"Invalid {first['loc'][0]}: {first['msg']}")
            return
        found = output_format(self._query.output_format)
        if isinstance(found, str):
            await _refuse(self._socket, "invalid_output_format", found)
            return
        self._format = found
        inactive_s = min(self._query.inactivity_timeout or self._sim.inactive_s, self._sim.inactive_s)
        while not self._over.is_set():
            receiving = asyncio.ensure_future(receive_json(self._socket))
            over = asyncio.ensure_future(self._over.wait())
            try:
                done, _ = await asyncio.wait({receiving, over}, timeout=inactive_s, return_when=asyncio.FIRST_COMPLETED)
            finally:
                over.cancel()
                if not receiving.done():
                    receiving.cancel()
            if over in done:
                if receiving in done:
                    receiving.exception()  # the client has left at the same time
                return
            if not done and self._contexts:
                continue  # a reply is under way
            if not done:
                await self._socket.close(1008, "input_timeout_exceeded")
                return
            try:
                message = receiving.result()
            except ValueError:
                await _refuse(self._socket, "invalid_message", "The message is no JSON object")
                return
            if not await self._handle(message):
                return

    async def stop(self) -> None:
        for context in list(self._contexts.values()):
            await context.stop()

    async def _handle(self, message: dict[str, object]) -> bool:
        if message.get("close_socket"):
            await self._socket.close(1000)
            return False
        if not isinstance(message.get("text", ""), str | None):
            await _refuse(self._socket, "invalid_message", "Invalid text: Input should be a valid string")
            return False
        name = "default" if self._single else str(message.get("context_id") or "default")
        context = self._contexts.get(name)
        text = str(message.get("text") or "")
        ends = message.get("text") == "" if self._single else message.get("close_context")
        if ends:
            if context is not None:
                context.flush()
                context.texts.put_nowait(None)
            return True
        if context is None and not text:
            return True  # an empty text keeps a context alive, and opens none
        if context is None and (context := await self._open(name, message)) is None:
            return False
        assert context is not None
        if text != " ":
            context.spoken_from(text)
            context.pending += text
        due = self._query.auto_mode or len(context.pending) >= context.schedule[0]
        due = due or (bool(message.get("try_trigger_generation")) and len(context.pending) >= LEAST_TRIGGERED)
        if message.get("flush") or due:
            context.flush()
        return True

    async def _open(self, name: str, message: dict[str, object]) -> _Context | None:
        """Open a context. None: the connection is over."""
        if len(self._contexts) >= MOST_CONTEXTS:
            await _refuse(self._socket, "max_active_conversations", f"No more than {MOST_CONTEXTS} contexts")
            return None
        try:
            first = FirstMessage.model_validate({k: v for k, v in message.items() if v is not None})
        except ValidationError as error:
            wrong = error.errors()[0]
            where = ".".join(str(part) for part in wrong["loc"])
            await _refuse(self._socket, "invalid_message", f"Invalid {where}: {wrong['msg']}")
            return None
        spoke = Spoke()
        self._sim.spoke.append(spoke)
        context = self._contexts[name] = _Context(
            name,
            spoke,
            self._sim.next_fault(),
            speed=first.voice_settings.speed,
            encoder=self._format.encoder(),
            schedule=list(first.generation_config.chunk_length_schedule),
        )
        send, done = partial(self._send, context), partial(self._done, context)
        context.task = asyncio.create_task(context.speak(self._sim, self._format.rate, send, _no_flushes, done))
        return context

    async def _done(self, context: _Context) -> None:
        if rest := context.encoder.end():
            await self._send_audio(context, rest, None)
        event = {"isFinal": True} if self._single else {"isFinal": True, "contextId": context.id}
        await self._socket.send_text(json.dumps(event))
        del self._contexts[context.id]
        if self._single:
            await self._socket.close(1000)
            self._over.set()

    async def _send(self, context: _Context, chunk: Chunk, _: TTSText) -> bool:
        """Send a chunk. Returns False when the context sends nothing more."""
        if context.breaks():
            if context.fault == "drop":
                await self._socket.close(1011, "internal")
                self._over.set()
            elif context.fault == "garbage":
                await self._socket.send_text('{"audio": "%%%", "contextId": "' + context.id + '"}')
            return False
        context.spoke.first_s = context.spoke.first_s or time.monotonic()
        times = alignment(chunk) if context.fault != "untimed" else None
        await self._send_audio(context, context.encoder.push(chunk.pcm.samples), times)
        began_ms = context.spoke.sent_ms - chunk.at_ms
        context.spoke.words += [Word(began_ms + w.start_ms, began_ms + w.end_ms, 0, 0) for w in chunk.words]
        context.spoke.sent_ms += chunk.pcm.ms
        return True

    async def _send_audio(self, context: _Context, audio: bytes, times: dict[str, list[object]] | None) -> None:
        event = {
            "audio": base64.b64encode(audio).decode(),
            "isFinal": None,
            "alignment": times,
            "normalizedAlignment": times,
        }
        if not self._single:
            event["contextId"] = context.id
        await self._socket.send_text(json.dumps(event))


async def _no_flushes(_: TTSText) -> None:
    """The vendor does not say when a flush is spoken."""


async def _refuse(socket: WebSocket, error: str, why: str) -> None:
    """Send the vendor's error, and close."""
    await socket.send_text(json.dumps({"error": error, "message": why, "code": 1008}))
    await socket.close(1008, error)
