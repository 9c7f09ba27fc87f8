"""Mistral's speech, locally: espeak's voice as 32-bit floats, over the realtime WebSocket and over HTTP, and faults."""

from __future__ import annotations

import asyncio
import base64
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from fastapi import FastAPI, Header
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict
from starlette.websockets import WebSocket, WebSocketDisconnect

from bargein.audio.pcm import Pcm
from bargein.protocols import Word
from bargein.vendors.common.clauses import cut
from bargein_simulators.chat import SimulatedDrop
from bargein_simulators.simulated_tts import FAULT_AFTER, Fault, Spoke, VoiceSettings, chunks, message, stopped

RATE = 24_000
MODEL = "voxtral-mini-tts-3-0"


@dataclass(slots=True)
class MistralSpeechSimulator(VoiceSettings):
    """A fault is for one generation, or one request. voices: that are known (an empty tuple takes any); close_code:
    how a session is closed that asks for another; message_bytes: of sound in one message, wherever that cuts a sample
    (0: a chunk's)."""

    voices: tuple[str, ...] = ()
    close_code: int = 1008
    message_bytes: int = 0

    def knows(self, voice: object) -> bool:
        return not self.voices or voice in self.voices


class SpeechBody(BaseModel):
    """The part of a request that is looked at. The other formats are not simulated."""

    model_config = ConfigDict(extra="allow")
    input: str
    model: str = MODEL
    voice_id: str | None = None
    ref_audio: str | None = None
    response_format: str = "mp3"
    stream: bool = False


def mistral_speech_app(sim: MistralSpeechSimulator | None = None) -> FastAPI:
    """A server with nothing but Mistral's speech, on both wires."""
    app = FastAPI(title="Mistral speech, simulated", openapi_url=None)
    add_mistral_speech(app, sim or MistralSpeechSimulator(), http=True)
    return app


def add_mistral_speech(app: FastAPI, sim: MistralSpeechSimulator, *, http: bool = False) -> None:
    """Give an app the route /v1/audio/speech/realtime, and with http also /v1/audio/speech, which other vendors have,
    too. sim: settings and record, also as app.state.mistral_speech."""
    app.state.mistral_speech = sim

    @app.websocket("/v1/audio/speech/realtime")
    async def speak(socket: WebSocket) -> None:
        status = sim.refusal(socket.headers.get("authorization", "").removeprefix("Bearer "))
        if status:
            await socket.send_denial_response(JSONResponse({"detail": "Refused"}, status_code=status))
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

    if not http:
        return

    @app.post("/v1/audio/speech")
    async def say(body: SpeechBody, authorization: str = Header("")) -> Response:
        key = authorization.removeprefix("Bearer ")
        status = sim.refusal(key)
        if not status and body.response_format != "pcm":
            status = 422
        if not status and body.ref_audio is None and not sim.knows(body.voice_id):
            status = 404
        if status:
            error = {"object": "error", "message": f"Refused, key {key}", "type": "error", "code": status}
            return JSONResponse(error, status_code=status)
        spoke, fault = Spoke(body.input), sim.next_fault()
        sim.spoke.append(spoke)
        if body.stream:
            return StreamingResponse(_events(sim, spoke, fault), media_type="text/event-stream")
        try:
            sound = b"".join([piece async for piece in _sound(sim, spoke, fault, body.input)])
        except (SimulatedDrop, _Garbage):
            return Response("<html>an error</html>", status_code=502, media_type="text/html")
        spoke.end("completed")
        return JSONResponse({"audio_data": base64.b64encode(sound).decode()})


async def _events(sim: MistralSpeechSimulator, spoke: Spoke, fault: Fault | None) -> AsyncIterator[str]:
    try:
        async for piece in _pieces(sim, _sound(sim, spoke, fault, spoke.text)):
            yield f"event: speech.audio.delta\ndata: {json.dumps(_delta(piece))}\n\n"
        yield f"event: speech.audio.done\ndata: {json.dumps(_done(spoke))}\n\n"
        spoke.end("completed")
    except _Garbage:
        yield 'event: speech.audio.delta\ndata: {"type": "speech.aud\n\n'
    finally:
        spoke.end("disconnected")


# ------------------------------------------------------------------------------------------------- the WebSocket


@dataclass(slots=True)
class _Generation:
    """spoke: its record; rest: text that has come, and is no whole clause yet; texts: to be spoken, None at the end."""

    spoke: Spoke
    fault: Fault | None
    rest: str = ""
    texts: asyncio.Queue[str | None] = field(default_factory=lambda: asyncio.Queue(maxsize=1_000))


class _Served:
    """One socket."""

    def __init__(self, sim: MistralSpeechSimulator, socket: WebSocket) -> None:
        self._sim, self._socket = sim, socket
        self._session: dict[str, object] = {
            "request_id": f"ws-{uuid.uuid4()}",
            "model": socket.query_params.get("model", MODEL),
            "voice": None,
            "is_ref_audio": False,
            "is_voice_profile": False,
            "streaming_mode": "responsive",
            "response_format": "wav",
            "expressiveness": 2.0,
        }
        self._open: _Generation | None = None  # to which text is added
        self._line: asyncio.Queue[_Generation] = asyncio.Queue(maxsize=1_000)
        self._all: list[_Generation] = []
        self._speaker = asyncio.create_task(self._speak())

    async def run(self) -> None:
        await self._tell({"type": "session.created", "session": self._session})
        while True:
            try:
                told = await message(self._socket)
            except ValueError:
                await self._error("Invalid JSON")
                continue
            match told.get("type"):
                case "session.update" if not isinstance(told.get("session"), dict | None):
                    await self._error("Invalid session")
                case "session.update":
                    self._session.update(told.get("session") or {})
                    voice = self._session["voice"]
                    if not self._sim.knows(voice):
                        await self._socket.close(self._sim.close_code, f"Voice '{voice}' not found.")
                        return
                    await self._tell({"type": "session.updated", "session": self._session})
                case "input_text.append" | "input_text.flush" if self._session["response_format"] != "pcm":
                    await self._error("Only pcm is simulated")
                case "input_text.append":
                    self._append(str(told.get("text", "")))
                case "input_text.flush" | "input_text.end":
                    if told.get("text"):
                        self._append(str(told["text"]))
                    self._flush()
                case other:
                    await self._error(f"Unknown message type {other!r}")

    async def stop(self) -> None:
        await stopped(self._speaker)
        for generation in self._all:
            generation.spoke.end("disconnected")

    def _append(self, text: str) -> None:
        if self._open is None:
            self._open = _Generation(Spoke(), self._sim.next_fault())
            self._sim.spoke.append(self._open.spoke)
            self._all.append(self._open)
            self._line.put_nowait(self._open)
        self._open.spoke.text += text
        self._open.rest += text
        while self._session["streaming_mode"] == "responsive" and (length := cut(self._open.rest)):
            self._open.texts.put_nowait(self._open.rest[:length])
            self._open.rest = self._open.rest[length:]

    def _flush(self) -> None:
        if self._open is not None:
            if self._open.rest:
                self._open.texts.put_nowait(self._open.rest)
            self._open.texts.put_nowait(None)
            self._open = None

    async def _speak(self) -> None:
        with suppress(WebSocketDisconnect, RuntimeError):
            while True:
                await self._one(await self._line.get())

    async def _one(self, generation: _Generation) -> None:
        spoke = generation.spoke
        try:
            async for piece in _pieces(self._sim, self._sound(generation)):
                await self._tell(_delta(piece))
        except _Garbage:
            await self._socket.send_text('{"type": "speech.aud')
            await asyncio.Event().wait()
        except SimulatedDrop:
            await self._socket.close(1011)
            return
        await self._tell(_done(spoke))
        spoke.end("completed")

    async def _sound(self, generation: _Generation) -> AsyncIterator[bytes]:
        while (text := await generation.texts.get()) is not None:
            async for piece in _sound(self._sim, generation.spoke, generation.fault, text):
                yield piece

    async def _error(self, what: str) -> None:
        await self._tell({"type": "error", "error": {"message": what, "code": 400}})

    async def _tell(self, event: dict[str, object]) -> None:
        await self._socket.send_text(json.dumps(event))


# ----------------------------------------------------------------------------------------------------- the sound


class _Garbage(Exception):
    """What comes next is to be no message."""


async def _sound(sim: MistralSpeechSimulator, spoke: Spoke, fault: Fault | None, text: str) -> AsyncIterator[bytes]:
    """A text's sound, told in its record. Raises SimulatedDrop or _Garbage, or never goes on, as the fault is."""
    if fault == "silent":
        await asyncio.Event().wait()
    began_ms = spoke.sent_ms
    async for chunk in chunks(sim, text, RATE, slow=fault == "slow"):
        if spoke.sent_ms >= FAULT_AFTER * sim.chunk_ms and fault in ("stall", "drop", "garbage"):
            spoke.end("faulty")
            if fault == "drop":
                raise SimulatedDrop
            if fault == "garbage":
                raise _Garbage
            await asyncio.Event().wait()
        spoke.first_s = spoke.first_s or time.monotonic()
        spoke.sent_ms += chunk.pcm.ms
        spoke.words += [Word(began_ms + w.start_ms, began_ms + w.end_ms, 0, 0) for w in chunk.words]
        yield floats(chunk.pcm)
        await asyncio.sleep(0)


async def _pieces(sim: MistralSpeechSimulator, sound: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes, as many in a message as are asked for."""
    rest = b""
    async for data in sound:
        size = sim.message_bytes or len(data)
        rest += data
        while size and len(rest) >= size:
            yield rest[:size]
            rest = rest[size:]
    if rest:
        yield rest


def floats(pcm: Pcm) -> bytes:
    """32-bit little-endian float PCM, -1 to 1: the vendor's "pcm"."""
    return (pcm.samples.astype(np.float32) / 32_768).astype("<f4").tobytes()


def _delta(piece: bytes) -> dict[str, object]:
    return {"type": "speech.audio.delta", "audio_data": base64.b64encode(piece).decode()}


def _done(spoke: Spoke) -> dict[str, object]:
    usage = {"prompt_tokens": len(spoke.text), "completion_tokens": 0, "total_tokens": len(spoke.text)}
    return {"type": "speech.audio.done", "usage": usage}
