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

from fastapi import FastAPI, Header
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict
from starlette.websockets import WebSocket, WebSocketDisconnect

from bargein.protocols import Word
from bargein.vendors.common.clauses import cut
from bargein_simulators.audio_formats import NO_PYAV, AudioEncoder, RawEncoder, can_compress, file_encoder
from bargein_simulators.faults import SimulatedDisconnect
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

RATE = 24_000
MODEL = "voxtral-mini-tts-3-0"
FORMATS = ("pcm", "wav", "mp3", "flac", "opus")
MODES = ("responsive", "long_form")


@dataclass(slots=True)
class MistralSpeechSimulator(TTSSettings):
    """How the server behaves, and its record.

    A fault is for one generation, or one request.
    """

    voices: tuple[str, ...] = ()
    """Ids of the voices that exist. Empty: any."""
    close_code: int = 1008
    """With which a session is closed that asks for another voice."""
    message_bytes: int = 0
    """Audio in one message, even where that cuts a sample in two. 0: one chunk."""

    def knows(self, voice: object) -> bool:
        return not self.voices or voice in self.voices


class SpeechBody(BaseModel):
    """The part of a request that is read."""

    model_config = ConfigDict(extra="allow")
    input: str
    model: str = MODEL
    voice_id: str | None = None
    ref_audio: str | None = None
    response_format: str = "mp3"
    stream: bool = False


def mistral_speech_app(sim: MistralSpeechSimulator | None = None) -> FastAPI:
    """A server with Mistral's speech alone, over the WebSocket and over HTTP."""
    app = FastAPI(title="Mistral speech, simulated", openapi_url=None)
    add_mistral_speech(app, sim or MistralSpeechSimulator(), http=True)
    return app


def add_mistral_speech(app: FastAPI, sim: MistralSpeechSimulator, *, http: bool = False) -> None:
    """Give an app the route /v1/audio/speech/realtime. The simulator is also app.state.mistral_speech.

    http: add the route /v1/audio/speech, too; other vendors have the same path.
    """
    app.state.mistral_speech = sim

    @app.websocket("/v1/audio/speech/realtime")
    async def speak(socket: WebSocket) -> None:
        key = socket.headers.get("authorization", "").removeprefix("Bearer ")
        await serve_tts(sim, socket, key, {"detail": "Refused"}, lambda: _Handler(sim, socket))

    if not http:
        return

    @app.post("/v1/audio/speech")
    async def say(body: SpeechBody, authorization: str = Header("")) -> Response:
        key = authorization.removeprefix("Bearer ")
        status = sim.refusal(key)
        if not status and (wrong := wrong_format(body.response_format)):
            where = {"type": "enum", "loc": ["body", "response_format"], "msg": wrong, "input": body.response_format}
            return JSONResponse({"object": "error", "message": {"detail": [where]}, "type": "invalid_request"}, 422)
        if not status and body.ref_audio is None and not sim.knows(body.voice_id):
            status = 404
        if status:
            error = {"object": "error", "message": f"Refused, key {key}", "type": "error", "code": status}
            return JSONResponse(error, status_code=status)
        spoke, fault = Spoke(body.input), sim.next_fault()
        sim.spoke.append(spoke)
        if body.stream:
            events = _events(sim, spoke, fault, encoder(body.response_format))
            return StreamingResponse(events, media_type="text/event-stream")
        try:
            made = _audio(sim, spoke, fault, body.input, encoder(body.response_format))
            audio = b"".join([chunk async for chunk in made])
        except (SimulatedDisconnect, _Garbage):
            return Response("<html>an error</html>", status_code=502, media_type="text/html")
        spoke.end("completed")
        return JSONResponse({"audio_data": base64.b64encode(audio).decode()})


async def _events(
    sim: MistralSpeechSimulator, spoke: Spoke, fault: Fault | None, into: AudioEncoder
) -> AsyncIterator[str]:
    try:
        async for chunk in _rechunked(sim, _audio(sim, spoke, fault, spoke.text, into)):
            yield f"event: speech.audio.delta\ndata: {json.dumps(_delta(chunk))}\n\n"
        yield f"event: speech.audio.done\ndata: {json.dumps(_done(spoke))}\n\n"
        spoke.end("completed")
    except _Garbage:
        yield 'event: speech.audio.delta\ndata: {"type": "speech.aud\n\n'
    finally:
        spoke.end("disconnected")


# ------------------------------------------------------------------------------------------------- the WebSocket


@dataclass(slots=True)
class _Generation:
    spoke: Spoke
    fault: Fault | None
    into: AudioEncoder
    rest: str = ""
    """Text that came and is no whole clause yet."""
    texts: asyncio.Queue[str | None] = field(default_factory=lambda: asyncio.Queue(maxsize=1_000))
    """Texts to be spoken; None after the last."""


class _Handler:
    """Handles one connection."""

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
        self._open: _Generation | None = None  # the generation that text is added to
        self._queue: asyncio.Queue[_Generation] = asyncio.Queue(maxsize=1_000)
        self._all: list[_Generation] = []
        self._speaker = asyncio.create_task(self._speak())

    async def run(self) -> None:
        await self._send({"type": "session.created", "session": self._session})
        while True:
            try:
                message = await receive_json(self._socket)
            except ValueError:
                await self._error("Invalid JSON")
                continue
            match message.get("type"):
                case "session.update" if not isinstance(message.get("session"), dict | None):
                    await self._error("Invalid session")
                case "session.update":
                    changes = message.get("session") or {}
                    if wrong := wrong_format(changes.get("response_format", self._session["response_format"])):
                        await self._error(wrong)
                        continue
                    if (mode := changes.get("streaming_mode", "responsive")) not in MODES:
                        await self._error(f"Input should be 'responsive' or 'long_form', and not {mode!r}")
                        continue
                    self._session.update(changes)
                    voice = self._session["voice"]
                    if not self._sim.knows(voice):
                        await self._socket.close(self._sim.close_code, f"Voice '{voice}' not found.")
                        return
                    await self._send({"type": "session.updated", "session": self._session})
                case "input_text.append" if not isinstance(message.get("text"), str):
                    await self._error("Invalid text: Input should be a valid string")
                case "input_text.append":
                    self._append(message["text"])
                case "input_text.flush" | "input_text.end":
                    if message.get("text"):
                        self._append(str(message["text"]))
                    self._flush()
                case other:
                    await self._error(f"Unknown message type {other!r}")

    async def stop(self) -> None:
        await stop_task(self._speaker)
        for generation in self._all:
            generation.spoke.end("disconnected")

    def _append(self, text: str) -> None:
        if self._open is None:
            into = encoder(str(self._session["response_format"]))
            self._open = _Generation(Spoke(), self._sim.next_fault(), into)
            self._sim.spoke.append(self._open.spoke)
            self._all.append(self._open)
            self._queue.put_nowait(self._open)
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
                await self._one(await self._queue.get())

    async def _one(self, generation: _Generation) -> None:
        spoke = generation.spoke
        try:
            async for chunk in _rechunked(self._sim, self._audio(generation)):
                await self._send(_delta(chunk))
        except _Garbage:
            await self._socket.send_text('{"type": "speech.aud')
            await asyncio.Event().wait()
        except SimulatedDisconnect:
            await self._socket.close(1011)
            return
        await self._send(_done(spoke))
        spoke.end("completed")

    async def _audio(self, generation: _Generation) -> AsyncIterator[bytes]:
        pace = Pace()
        while (text := await generation.texts.get()) is not None:
            made = _audio(self._sim, generation.spoke, generation.fault, text, generation.into, pace=pace, last=False)
            async for chunk in made:
                yield chunk
        if rest := generation.into.end():
            yield rest

    async def _error(self, what: str) -> None:
        await self._send({"type": "error", "error": {"message": what, "code": 400}})

    async def _send(self, event: dict[str, object]) -> None:
        await self._socket.send_text(json.dumps(event))


# ----------------------------------------------------------------------------------------------------- the audio


class _Garbage(Exception):
    """The next message is to be no JSON."""


def encoder(response_format: str) -> AudioEncoder:
    """The encoder of a format. The vendor's "pcm" is 32-bit floats."""
    return RawEncoder("f32le") if response_format == "pcm" else file_encoder(response_format, RATE)


def wrong_format(name: object) -> str:
    """Why a format cannot be had. Empty: it can."""
    if name not in FORMATS:
        return f"Input should be {', '.join(repr(known) for known in FORMATS[:-1])} or {FORMATS[-1]!r}"
    return "" if name in ("pcm", "wav") or can_compress() else NO_PYAV


async def _audio(
    sim: MistralSpeechSimulator,
    spoke: Spoke,
    fault: Fault | None,
    text: str,
    into: AudioEncoder,
    *,
    pace: Pace | None = None,
    last: bool = True,
) -> AsyncIterator[bytes]:
    """Audio of a text, which is added to the record. last: whether no other text follows in the same file.

    Raises SimulatedDisconnect or _Garbage, or never ends, as the fault demands.
    """
    if fault == "silent":
        await asyncio.Event().wait()
    began_ms = spoke.sent_ms
    async for chunk in chunks(sim, text, RATE, slow=fault == "slow", pace=pace):
        if spoke.sent_ms >= FAULT_AFTER * sim.chunk_ms and fault in ("stall", "drop", "garbage"):
            spoke.end("faulty")
            if fault == "drop":
                raise SimulatedDisconnect
            if fault == "garbage":
                raise _Garbage
            await asyncio.Event().wait()
        spoke.first_s = spoke.first_s or time.monotonic()
        spoke.sent_ms += chunk.pcm.ms
        spoke.words += [Word(began_ms + w.start_ms, began_ms + w.end_ms, 0, 0) for w in chunk.words]
        if data := into.push(chunk.pcm.samples):
            yield data
        await asyncio.sleep(0)
    if last and (rest := into.end()):
        yield rest


async def _rechunked(sim: MistralSpeechSimulator, audio: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes, in chunks of message_bytes."""
    rest = b""
    async for data in audio:
        size = sim.message_bytes or len(data)
        rest += data
        while size and len(rest) >= size:
            yield rest[:size]
            rest = rest[size:]
    if rest:
        yield rest


def _delta(chunk: bytes) -> dict[str, object]:
    return {"type": "speech.audio.delta", "audio_data": base64.b64encode(chunk).decode()}


def _done(spoke: Spoke) -> dict[str, object]:
    audio_tokens = round(spoke.sent_ms / 80)  # the codec's frames
    prompt = len(spoke.text.split())
    usage = {"prompt_tokens": prompt, "completion_tokens": audio_tokens, "total_tokens": prompt + audio_tokens}
    return {"type": "speech.audio.done", "usage": usage}
