"""Cartesia's WebSocket, locally: espeak's voice with true times for every word, its weak cancel, and faults."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from dataclasses import dataclass, field

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from bargein_simulators.simulated_tts import FAULT_AFTER, Chunk, Fault, Spoke, VoiceSettings, chunks, message, stopped


@dataclass(slots=True)
class CartesiaSimulator(VoiceSettings):
    """voices: whose ids are known (an empty tuple takes any); times_first: whether a chunk's times come before its
    sound, or after it (both happen)."""

    voices: tuple[str, ...] = ()
    times_first: bool = False


@dataclass(slots=True)
class _Context:
    id: str
    spoke: Spoke
    fault: Fault | None
    rate: int
    fixed: dict[str, object]
    sent: int = 0
    cancelled: bool = False
    texts: asyncio.Queue[str | None] = field(default_factory=lambda: asyncio.Queue(maxsize=1_000))
    task: asyncio.Task[None] | None = None


def cartesia_app(sim: CartesiaSimulator | None = None) -> FastAPI:
    """A server with nothing but Cartesia."""
    app = FastAPI(title="Cartesia, simulated", openapi_url=None)
    add_cartesia(app, sim or CartesiaSimulator())
    return app


def add_cartesia(app: FastAPI, sim: CartesiaSimulator) -> None:
    """Give an app the vendor's route. sim: settings and record, also as app.state.cartesia."""
    app.state.cartesia = sim

    @app.websocket("/tts/websocket")
    async def speak(socket: WebSocket) -> None:
        status = sim.refusal(socket.headers.get("x-api-key") or socket.query_params.get("api_key"))
        if status:
            await socket.send_denial_response(JSONResponse({"title": "Refused"}, status_code=status))
            return
        await socket.accept()
        sim.sockets += 1
        served = _Served(sim, socket)
        try:
            await served.run()
        except (WebSocketDisconnect, RuntimeError):
            pass
        finally:
            await served.stop()


class _Served:
    """One socket."""

    def __init__(self, sim: CartesiaSimulator, socket: WebSocket) -> None:
        self._sim, self._socket = sim, socket
        self._contexts: dict[str, _Context] = {}

    async def run(self) -> None:
        while True:
            try:
                told = await message(self._socket)
            except ValueError:
                await self._error(None, 400, "Invalid JSON", "invalid_request")
                continue
            await self._take(told)

    async def stop(self) -> None:
        for context in self._contexts.values():
            if context.task is not None:
                await stopped(context.task)
            context.spoke.end("disconnected")

    async def _take(self, told: dict[str, object]) -> None:
        name = told.get("context_id")
        if not isinstance(name, str):
            await self._error(None, 400, "A context_id is missing", "invalid_request")
            return
        context = self._contexts.get(name)
        if told.get("cancel"):
            if context is not None:
                context.cancelled = True
                context.spoke.end("cancelled")
                context.texts.put_nowait(None)  # what runs goes on to its done
            return
        fixed = {key: told.get(key) for key in ("model_id", "voice", "output_format", "language")}
        voice, output = told.get("voice"), told.get("output_format")
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
            context = self._contexts[name] = _Context(name, spoke, self._sim.next_fault(), rate, fixed)
            context.task = asyncio.create_task(self._speak(context))
        elif context.fixed != fixed:
            await self._error(name, 400, "Fields may not change within a context", "invalid_request")
            return
        text = str(told.get("transcript") or "")
        if text.strip():
            if not context.spoke.text:
                context.spoke.came_s = time.monotonic()
            context.spoke.text += text
            context.texts.put_nowait(text)
        if not told.get("continue"):
            context.texts.put_nowait(None)

    async def _speak(self, context: _Context) -> None:
        try:
            while (text := await context.texts.get()) is not None and not context.cancelled:
                if context.fault == "silent":
                    continue
                async for chunk in chunks(self._sim, text, context.rate, slow=context.fault == "slow"):
                    if not await self._send(context, chunk):
                        return
            if context.fault not in ("silent", "stall"):
                await self._socket.send_text(
                    json.dumps({"type": "done", "context_id": context.id, "done": True, "status_code": 200})
                )
                context.spoke.end("completed")
                del self._contexts[context.id]
        except (WebSocketDisconnect, RuntimeError):  # the client is gone
            context.spoke.end("disconnected")

    async def _send(self, context: _Context, chunk: Chunk) -> bool:
        """False: nothing more comes."""
        context.sent += 1
        if context.sent > FAULT_AFTER and context.fault in ("stall", "drop", "garbage"):
            context.spoke.end("faulty")
            if context.fault == "drop":
                await self._socket.close(1011, "internal")
            elif context.fault == "garbage":
                await self._socket.send_text('{"type": "chunk", "context_id": "' + context.id + '"')
            return False
        context.spoke.first_s = context.spoke.first_s or time.monotonic()
        began_ms = context.spoke.sent_ms - chunk.at_ms
        sound = {
            "type": "chunk",
            "context_id": context.id,
            "data": base64.b64encode(chunk.pcm.to_bytes()).decode(),
            "done": False,
            "status_code": 206,
            "step_time": 12.5,
        }
        messages = [sound]
        if chunk.words and context.fault != "untimed":
            times = {
                "words": [chunk.said.text[w.begin : w.end] for w in chunk.words],
                "start": [round((began_ms + w.start_ms) / 1000, 4) for w in chunk.words],
                "end": [round((began_ms + w.end_ms) / 1000, 4) for w in chunk.words],
            }
            told = {"type": "timestamps", "context_id": context.id, "done": False, "status_code": 206}
            messages.insert(0 if self._sim.times_first else 1, {**told, "word_timestamps": times})
        for event in messages:
            await self._socket.send_text(json.dumps(event))
        context.spoke.words += [type(w)(began_ms + w.start_ms, began_ms + w.end_ms, 0, 0) for w in chunk.words]
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
