"""OpenAI's speech over HTTP, locally (Groq's differs in its WAV): espeak's voice, streamed, and faults."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import FastAPI, Header, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bargein_simulators.audio_formats import MEDIA_TYPES, NO_PYAV, AudioEncoder, can_compress, file_encoder
from bargein_simulators.faults import SimulatedDisconnect, take_fault
from bargein_simulators.simulated_tts import FAULT_AFTER, REFUSALS, Fault, Spoke, TTSSettings, chunks

RATE = 24_000
MOST_CHARS, GROQ_MOST_CHARS = 4_096, 200
CODES = {401: "invalid_api_key", 402: "insufficient_quota", 429: "rate_limit_exceeded", 500: "internal_error"}
FORMATS = ("mp3", "opus", "aac", "flac", "wav", "pcm")
OPENAI_MODELS = ("tts-1", "gpt-")  # other models are of servers that have voices of their own
VOICES = (
    *("alloy", "ash", "ballad", "coral", "echo", "fable", "onyx", "nova", "sage", "shimmer", "verse"),
    *("marin", "cedar"),
)
GROQ_VOICES = {"canopylabs/orpheus-v1-english": ("autumn", "diana", "hannah", "austin", "daniel", "troy")}


class SpeechRequest(BaseModel):
    """The part of a request that is read. Raises ValidationError where OpenAI refuses with 400."""

    model_config = ConfigDict(extra="allow")
    model: str
    input: str = Field(min_length=1, max_length=MOST_CHARS)
    voice: str | dict[Literal["id"], str]
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "mp3"
    speed: float = Field(default=1.0, ge=0.25, le=4.0)
    stream_format: Literal["audio", "sse"] = "audio"


@dataclass(slots=True)
class SpeechSimulator(TTSSettings):
    """How the server behaves, and its record. A fault is for one request."""


def speech_app(sim: SpeechSimulator | None = None) -> FastAPI:
    """A server with speech alone."""
    app = FastAPI(title="OpenAI-compatible speech, simulated", openapi_url=None)
    add_speech(app, sim or SpeechSimulator())
    return app


def add_speech(app: FastAPI, sim: SpeechSimulator) -> None:
    """Give an app the route /v1/audio/speech. The simulator is also app.state.speech."""
    app.state.speech = sim

    @app.post("/v1/audio/speech")
    @app.post("/openai/v1/audio/speech")
    async def speak(request: Request, authorization: str = Header("")) -> Response:
        key = authorization.removeprefix("Bearer ")
        fault = take_fault(sim.faults)
        status = 401 if sim.api_key not in (None, key) else REFUSALS.get(fault or "", 0)
        if status:
            return _error(status, f"Refused, key {key}", "error", CODES.get(status))
        try:
            body = SpeechRequest.model_validate(json.loads(await request.body()))
        except ValidationError as error:
            return _invalid(error.errors()[0])
        except ValueError:
            return _error(400, "We could not parse the JSON body of your request.", "invalid_request_error", None)
        if body.model.startswith("canopylabs/"):  # Groq's
            if len(body.input) > GROQ_MOST_CHARS:
                return _error(400, f"input has more than {GROQ_MOST_CHARS} characters", "invalid_request_error", None)
            if body.voice not in GROQ_VOICES.get(body.model, (body.voice,)):
                names = ", ".join(GROQ_VOICES[body.model])
                return _error(400, f"voice must be one of [{names}]", "invalid_request_error", None)
            if body.response_format != "wav":
                return _error(400, "response_format must be one of [wav]", "invalid_request_error", None)
        elif body.model.startswith(OPENAI_MODELS) and isinstance(body.voice, str) and body.voice not in VOICES:
            names = ", ".join(f"'{name}'" for name in VOICES[:-1])
            message = f"Invalid value: '{body.voice}'. Supported values are: {names}, and '{VOICES[-1]}'."
            return _error(400, message, "invalid_request_error", "invalid_value", "voice")
        if body.response_format not in ("wav", "pcm") and not can_compress():
            return _error(400, NO_PYAV, "invalid_request_error", "not_simulated", "response_format")
        spoke = Spoke(body.input)
        sim.spoke.append(spoke)
        audio = _audio(sim, spoke, fault, body)
        if body.stream_format == "sse":
            return StreamingResponse(_events(spoke, audio), media_type="text/event-stream")
        return StreamingResponse(audio, media_type=MEDIA_TYPES[body.response_format])


def _error(status: int, message: str, kind: str, code: str | None, param: str | None = None) -> JSONResponse:
    error = {"message": message, "type": kind, "param": param, "code": code}
    return JSONResponse({"error": error}, status_code=status)


def _invalid(first: Mapping[str, Any]) -> JSONResponse:
    """The refusal of a parameter."""
    where = str(first["loc"][0]) if first["loc"] else None
    if first["type"] == "missing":
        message, code = f"Missing required parameter: '{where}'.", "missing_required_parameter"
    elif first["type"] == "string_too_long":
        words = f"string too long. Expected a string with maximum length {MOST_CHARS}"
        message, code = f"Invalid '{where}': {words}.", "string_above_max_length"
    elif where == "response_format":
        names = ", ".join(f"'{name}'" for name in FORMATS[:-1])
        message, code = f"Invalid value: '{first['input']}'. Supported values are: {names}, and 'pcm'.", "invalid_value"
    else:
        message, code = f"Invalid '{where}': {first['msg']}", "invalid_value"
    return _error(400, message, "invalid_request_error", code, where)


async def _events(spoke: Spoke, audio: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """The audio as server-sent events."""
    async for data in audio:
        delta = {"type": "speech.audio.delta", "audio": base64.b64encode(data).decode()}
        yield f"data: {json.dumps(delta)}\n\n"
    read, made = len(spoke.text.split()), round(spoke.sent_ms / 50)
    usage = {"input_tokens": read, "output_tokens": made, "total_tokens": read + made}
    yield f"data: {json.dumps({'type': 'speech.audio.done', 'usage': usage})}\n\n"


async def _audio(sim: SpeechSimulator, spoke: Spoke, fault: Fault | None, body: SpeechRequest) -> AsyncIterator[bytes]:
    into: AudioEncoder = file_encoder(body.response_format, RATE)
    try:
        if fault == "silent":
            await asyncio.Event().wait()
        if fault == "garbage" and body.response_format != "pcm":
            yield b"<html>an error</html>"
        sent = 0
        async for chunk in chunks(sim, spoke.text, RATE, slow=fault == "slow", speed=body.speed):
            sent += 1
            if sent > FAULT_AFTER and fault in ("stall", "drop", "garbage"):
                spoke.end("faulty")
                if fault != "stall":
                    raise SimulatedDisconnect
                await asyncio.Event().wait()
            spoke.first_s = spoke.first_s or time.monotonic()
            spoke.sent_ms += chunk.pcm.ms
            spoke.words += chunk.words
            if data := into.push(chunk.pcm.samples):
                yield data
        if data := into.end():
            yield data
        spoke.end("completed")
    finally:
        spoke.end("disconnected")
