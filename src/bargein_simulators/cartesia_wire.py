"""Cartesia's messages: a request of a client, which is checked, and the answers to it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bargein.protocols import Word

Json = dict[str, Any]

ENCODINGS = {"pcm_s16le": "s16le", "pcm_f32le": "f32le", "pcm_mulaw": "mulaw", "pcm_alaw": "alaw"}
FIXED = ("model_id", "voice", "output_format", "language", "add_timestamps", "generation_config")


class CartesiaRefused(Exception):
    """A request is answered with an error. title, code: in the vendor's words."""

    def __init__(self, status: int, title: str, message: str, code: str) -> None:
        super().__init__(message)
        self.status, self.title, self.message, self.code = status, title, message, code


class _Voice(BaseModel):
    mode: Literal["id"]
    id: str


class _OutputFormat(BaseModel):
    container: Literal["raw"]  # the WebSocket has neither "wav" nor "mp3"
    encoding: Literal["pcm_f32le", "pcm_s16le", "pcm_mulaw", "pcm_alaw"]
    sample_rate: Literal[8_000, 16_000, 22_050, 24_000, 44_100, 48_000]


class _Generation(BaseModel):
    volume: float = Field(default=1.0, ge=0.5, le=2.0)
    speed: float = Field(default=1.0, ge=0.6, le=1.5)


class CartesiaRequest(BaseModel):
    """A generation request. Raises ValidationError where Cartesia refuses with 400."""

    model_config = ConfigDict(extra="allow")
    context_id: Annotated[str, Field(min_length=1)]
    model_id: str
    transcript: str
    voice: _Voice
    output_format: _OutputFormat
    language: str | None = None
    more: bool | None = Field(default=None, alias="continue")
    flush: bool | None = None
    max_buffer_delay_ms: int = Field(default=3_000, ge=0, le=5_000)
    add_timestamps: bool | None = None
    add_phoneme_timestamps: bool | None = None
    generation_config: _Generation = _Generation()


def read_request(message: Mapping[str, Any]) -> CartesiaRequest:
    """The request in a message. Raises CartesiaRefused, naming the field."""
    try:
        request = CartesiaRequest.model_validate({k: v for k, v in message.items() if v is not None})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        if first["loc"][:1] == ("output_format",):
            message_text = f"Invalid {where}: {first['msg']}. The WebSocket gives container 'raw' alone."
            raise CartesiaRefused(400, "Invalid output format", message_text, "invalid_output_format") from None
        raise CartesiaRefused(400, "Invalid request", f"Invalid {where}: {first['msg']}", "invalid_request") from None
    if request.add_phoneme_timestamps:
        words = "add_phoneme_timestamps is not simulated."
        raise CartesiaRefused(400, "Not simulated", words, "not_simulated")
    return request


def audio_chunk(context: str, flush: int, data: bytes) -> Json:
    """A message with audio."""
    return {
        "type": "chunk",
        "context_id": context,
        "data": base64.b64encode(data).decode(),
        "done": False,
        "status_code": 206,
        "step_time": 12.5,
        "flush_id": flush,
    }


def word_timestamps(context: str, flush: int, text: str, words: Sequence[Word], began_ms: float) -> Json:
    """A message with the times of words. began_ms: begin of the text in the audio of the context."""
    times = {
        "words": [text[w.begin : w.end] for w in words],
        "start": [round((began_ms + w.start_ms) / 1000, 4) for w in words],
        "end": [round((began_ms + w.end_ms) / 1000, 4) for w in words],
    }
    head = {"type": "timestamps", "context_id": context, "done": False, "status_code": 206, "flush_id": flush}
    return {**head, "word_timestamps": times}


def flush_done(context: str, flush: int) -> Json:
    """A message after the last audio of a flush."""
    head = {"type": "flush_done", "context_id": context, "done": False, "status_code": 206}
    return {**head, "flush_id": flush, "flush_done": True}


def done(context: str) -> Json:
    """The last message of a context."""
    return {"type": "done", "context_id": context, "done": True, "status_code": 200}


def error(context: str | None, refused: CartesiaRefused) -> Json:
    """A message that refuses a request."""
    return {
        "type": "error",
        "context_id": context,
        "title": refused.title,
        "message": refused.message,
        "error_code": refused.code,
        "status_code": refused.status,
        "done": True,
        "request_id": "r",
    }
