"""OpenAI's speech over HTTP, locally (Groq's differs in its WAV): espeak's voice, streamed, and faults."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

from fastapi import FastAPI, Header
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict

from bargein_simulators.faults import SimulatedDisconnect, take_fault
from bargein_simulators.simulated_tts import FAULT_AFTER, REFUSALS, Fault, Spoke, TTSSettings, chunks

RATE = 24_000
GROQ_MOST_CHARS = 200
CODES = {401: "invalid_api_key", 402: "insufficient_quota", 429: "rate_limit_exceeded", 500: "internal_error"}


class SpeechRequest(BaseModel):
    """The part of a request that is read."""

    model_config = ConfigDict(extra="allow")
    model: str
    input: str
    voice: str
    response_format: Literal["pcm", "wav"] = "pcm"


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
    async def speak(body: SpeechRequest, authorization: str = Header("")) -> Response:
        key = authorization.removeprefix("Bearer ")
        fault = take_fault(sim.faults)
        status = 401 if sim.api_key not in (None, key) else REFUSALS.get(fault or "", 0)
        if not status and body.model.startswith("canopylabs/") and len(body.input) > GROQ_MOST_CHARS:
            status = 400
        if status:
            error = {"message": f"Refused, key {key}", "type": "error", "param": None, "code": CODES.get(status)}
            return JSONResponse({"error": error}, status_code=status)
        spoke = Spoke(body.input)
        sim.spoke.append(spoke)
        wav = body.response_format == "wav"
        return StreamingResponse(
            _audio(sim, spoke, fault, wav=wav), media_type="audio/wav" if wav else "application/octet-stream"
        )


async def _audio(sim: SpeechSimulator, spoke: Spoke, fault: Fault | None, *, wav: bool) -> AsyncIterator[bytes]:
    try:
        if fault == "silent":
            await asyncio.Event().wait()
        if wav:
            yield b"<html>an error</html>" if fault == "garbage" else header(RATE)
        sent = 0
        async for chunk in chunks(sim, spoke.text, RATE, slow=fault == "slow"):
            sent += 1
            if sent > FAULT_AFTER and fault in ("stall", "drop", "garbage"):
                spoke.end("faulty")
                if fault != "stall":
                    raise SimulatedDisconnect
                await asyncio.Event().wait()
            spoke.first_s = spoke.first_s or time.monotonic()
            spoke.sent_ms += chunk.pcm.ms
            spoke.words += chunk.words
            yield chunk.pcm.to_bytes()
        spoke.end("completed")
    finally:
        spoke.end("disconnected")


def header(rate: int) -> bytes:
    """The header of a WAV of unknown length, as Groq streams it."""
    size = b"\xff\xff\xff\xff"
    form = b"".join(n.to_bytes(w, "little") for n, w in ((1, 2), (1, 2), (rate, 4), (rate * 2, 4), (2, 2), (16, 2)))
    extra = b"LIST" + (4).to_bytes(4, "little") + b"INFO"
    return b"RIFF" + size + b"WAVE" + b"fmt " + (16).to_bytes(4, "little") + form + extra + b"data" + size
