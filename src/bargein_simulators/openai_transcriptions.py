"""OpenAI's audio transcriptions (Groq's are the same), locally: words from a script, and faults on demand.

    sim = TranscriptionsSimulator()
    sim.texts.extend(["Hello there.", [Segment("Thank you.", no_speech_prob=0.9)]])
    app = transcriptions_app(sim)  # serve it with uvicorn; base_url is http://host:port/v1

`add_transcriptions` adds the route to the app of another simulator, such as the chat.
"""

from __future__ import annotations

import asyncio
import email
import io
import json
import math
import re
import wave
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from fastapi import FastAPI, Header, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.requests import ClientDisconnect

from bargein.audio.pcm import Pcm
from bargein_simulators.audio_formats import decoded
from bargein_simulators.faults import SimulatedDisconnect, add_fault_route, take_fault

Fault = Literal["401", "403", "404", "429", "quota", "500", "slow", "silent", "drop", "garbage", "page"]
Ended = Literal["open", "completed", "disconnected", "refused", "faulty"]

KEPT_REQUESTS = 50  # with their audio; older ones are discarded
MOST_BYTES = 25 * 1024 * 1024  # OpenAI's own limit
SHORTEST_MS = 100  # OpenAI's own limit
SLOW_MS = 5_000
GONE = 499  # the client has left, and does not get it

_REFUSALS: dict[Fault, tuple[int, str, str, str]] = {  # status, error type, code, message
    "401": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided: {key}."),
    "403": (403, "invalid_request_error", "unsupported_country_region_territory", "Not for the key {key}."),
    "404": (404, "invalid_request_error", "model_not_found", "The model does not exist."),
    "429": (429, "requests", "rate_limit_exceeded", "Rate limit reached for the key {key}."),
    "quota": (429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota."),
    "500": (500, "server_error", "internal_error", "The server had an error."),
}


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a transcript with the model's confidence, as Whisper sends it in verbose_json."""

    text: str
    no_speech_prob: float = 0.02
    avg_logprob: float = -0.2


Words = str | Sequence[Segment]


@dataclass(slots=True)
class Transcribed:
    """The record of one request."""

    form: dict[str, str]
    """Fields of the form, without the file."""
    pcm: Pcm | None = None
    """Audio of the file."""
    text: str = ""
    """Transcript that was sent."""
    ended: Ended = "open"
    """How the request ended."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the request has ended."""

    def end(self, ended: Ended) -> None:
        self.ended = ended
        self.over.set()


@dataclass(slots=True)
class TranscriptionsSimulator:
    """How the server behaves, and its record.

    A fault is a status; or "slow" (5 s more), "silent" (no answer), "drop" (the connection breaks within the answer),
    "garbage" (half of a JSON text), "page" (the HTML of a proxy).
    """

    texts: deque[Words] = field(default_factory=lambda: deque(["Hello there, can you help me?"], maxlen=1_000))
    """Transcripts, one for each request, taken from the left; the last one is used again and again."""
    transcribe: Callable[[Pcm], Awaitable[Words]] | None = None
    """Transcribes the audio, in place of `texts`."""
    answer_ms: float = 0.0
    """From a request to its answer."""
    word_ms: float = 0.0
    """Between two words of a streamed answer."""
    models: tuple[str, ...] = ()
    """Models that exist. Empty: any."""
    api_key: str | None = None
    """The key that is required. None: any."""
    faults: deque[Fault] = field(default_factory=lambda: deque(maxlen=KEPT_REQUESTS))
    """One for each request, taken from the left."""
    served: deque[Transcribed] = field(default_factory=lambda: deque(maxlen=KEPT_REQUESTS))
    """The last requests, the newest last."""

    async def words(self, pcm: Pcm) -> Sequence[Segment]:
        """The transcript of a request."""
        if self.transcribe is not None:
            words = await self.transcribe(pcm)
        elif len(self.texts) > 1:
            words = self.texts.popleft()
        else:
            words = self.texts[0] if self.texts else ""
        return ([Segment(words)] if words else []) if isinstance(words, str) else words


class TranscriptionRefused(Exception):
    """The answer is an error. fault: one of _REFUSALS; None: the request is wrong, and the message says how."""

    def __init__(self, fault: Fault | None, message: str = "", *, code: str | None = None, status: int = 400) -> None:
        self.status, self.kind, self.code, self.message = status, "invalid_request_error", code, message
        if fault is not None:
            self.status, self.kind, self.code, self.message = _REFUSALS[fault]


def transcriptions_app(sim: TranscriptionsSimulator | None = None) -> FastAPI:
    """A server with transcriptions alone. The simulator is also app.state.transcriptions."""
    app = FastAPI(title="OpenAI's transcriptions, simulated", openapi_url=None)
    sim = sim or TranscriptionsSimulator()
    add_transcriptions(app, sim)

    add_fault_route(app, sim.faults, get_args(Fault))

    return app


def add_transcriptions(app: FastAPI, sim: TranscriptionsSimulator) -> None:
    """Give an app the route /v1/audio/transcriptions. The simulator is also app.state.transcriptions."""
    app.state.transcriptions = sim

    @app.post("/v1/audio/transcriptions")
    @app.post("/openai/v1/audio/transcriptions")
    async def transcriptions(request: Request, authorization: str = Header("")) -> Response:
        served = Transcribed({})
        sim.served.append(served)
        fault = take_fault(sim.faults)
        try:
            return await _answer(sim, request, served, fault, authorization)
        except ClientDisconnect:  # during the upload
            served.end("disconnected")
            return Response(status_code=GONE)
        except TranscriptionRefused as refused:
            served.end("refused")
            # A real server quotes the key that it refuses: an adapter that passes the message on gives the key away.
            message = refused.message.format(key=authorization.removeprefix("Bearer "))
            error = {"message": message, "type": refused.kind, "param": None, "code": refused.code}
            return JSONResponse({"error": error}, status_code=refused.status)


async def _answer(
    sim: TranscriptionsSimulator, request: Request, served: Transcribed, fault: Fault | None, authorization: str
) -> Response:
    """Raises TranscriptionRefused."""
    fields = _form(await _body(request), request.headers.get("content-type", ""))
    served.form.update((name, data.decode(errors="replace")) for name, data in fields.items() if name != "file")
    if sim.api_key is not None and authorization != f"Bearer {sim.api_key}":
        raise TranscriptionRefused("401")
    if fault in _REFUSALS:
        raise TranscriptionRefused(fault)
    model, form = served.form.get("model", ""), served.form.get("response_format", "json")
    if not model or (sim.models and model not in sim.models):
        raise TranscriptionRefused("404")
    if form in ("srt", "vtt", "diarized_json"):
        raise TranscriptionRefused(None, f"The simulator does not give {form}.", code="not_simulated")
    if form not in ("json", "text", "verbose_json") or (form == "verbose_json" and "whisper" not in model):
        raise TranscriptionRefused(None, "response_format is not compatible with the model.", code="unsupported_value")
    language = served.form.get("language", "en")
    if len(language) != 2 or not language.islower():
        raise TranscriptionRefused(None, "The language is no ISO-639-1 code.", code="invalid_language_format")
    served.pcm = _wav(fields.get("file"))
    segments = await sim.words(served.pcm)
    wait_ms = None if fault == "silent" else sim.answer_ms + (SLOW_MS if fault == "slow" else 0)
    if not await _wait(request, wait_ms):
        served.end("disconnected")
        return Response(status_code=GONE)
    if fault in ("garbage", "page", "drop"):
        served.end("faulty")
        return _broken(fault)
    served.text = "".join(segment.text if not k else f" {segment.text}" for k, segment in enumerate(segments))
    if served.form.get("stream") == "true" and "whisper" not in model:  # whisper-1 does not stream: it is ignored
        return StreamingResponse(_events(sim, served), media_type="text/event-stream")
    served.end("completed")
    if form == "text":
        return PlainTextResponse(served.text + "\n")
    if form == "verbose_json":
        words = served.form.get("timestamp_granularities[]") == "word"
        return JSONResponse(verbose(served.pcm, segments, words=words))
    return JSONResponse(plain(served.pcm, segments))


async def _events(sim: TranscriptionsSimulator, served: Transcribed) -> AsyncIterator[str]:
    """The transcript as server-sent events, a word in each."""
    words = re.findall(r"\s*\S+", served.text)
    ended: Ended = "disconnected"
    try:
        for word in words:
            yield f"data: {json.dumps({'type': 'transcript.text.delta', 'delta': word})}\n\n"
            await asyncio.sleep(sim.word_ms / 1000)
        assert served.pcm is not None
        heard = math.ceil(served.pcm.ms / 100)
        details = {"audio_tokens": heard, "text_tokens": 0}
        usage = {"type": "tokens", "input_tokens": heard, "input_token_details": details}
        usage |= {"output_tokens": len(words), "total_tokens": heard + len(words)}
        yield f"data: {json.dumps({'type': 'transcript.text.done', 'text': served.text, 'usage': usage})}\n\n"
        ended = "completed"
    finally:
        served.end(ended)


def plain(pcm: Pcm, segments: Sequence[Segment]) -> dict[str, object]:
    """The answer in the format json."""
    text = " ".join(segment.text for segment in segments)
    return {"text": text, "usage": {"type": "duration", "seconds": -(-len(pcm.samples) // pcm.rate)}}


def verbose(pcm: Pcm, segments: Sequence[Segment], *, words: bool = False) -> dict[str, object]:
    """The answer in the format verbose_json. The segments share the audio evenly. words: with their times, evenly."""
    each_s = pcm.ms / 1000 / max(len(segments), 1)
    segments_sent = [
        {
            "id": k,
            "seek": 0,
            "start": round(each_s * k, 2),
            "end": round(each_s * (k + 1), 2),
            "text": f" {segment.text}",
            "tokens": [50364],
            "temperature": 0.0,
            "avg_logprob": segment.avg_logprob,
            "compression_ratio": 1.0,
            "no_speech_prob": segment.no_speech_prob,
        }
        for k, segment in enumerate(segments)
    ]
    facts: dict[str, object] = {
        "task": "transcribe",
        "language": "english",
        "duration": round(pcm.ms / 1000, 2),
        "segments": segments_sent,
    }
    if words:
        texts = " ".join(segment.text for segment in segments).split()
        each = pcm.ms / 1000 / max(len(texts), 1)
        facts["words"] = [
            {"word": text, "start": round(each * k, 2), "end": round(each * (k + 1), 2)} for k, text in enumerate(texts)
        ]
    return {**plain(pcm, segments), **facts}


async def _body(request: Request) -> bytes:
    """The whole body. Raises TranscriptionRefused for more than MOST_BYTES."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise TranscriptionRefused(None, "Maximum content size limit (26214400) exceeded.", status=413)
    return bytes(body)


def _form(body: bytes, content_type: str) -> Mapping[str, bytes]:
    """The fields of multipart/form-data. FastAPI would need one more package to read them."""
    boundary = email.message_from_string(f"Content-Type: {content_type}\n").get_param("boundary")
    fields: dict[str, bytes] = {}
    if not isinstance(boundary, str):
        return fields
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary.encode())[1:-1]:
        head, _, data = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        name = email.message_from_bytes(head).get_param("name", header="content-disposition")
        if isinstance(name, str):
            fields[name] = data
    return fields


def _wav(data: bytes | None) -> Pcm:
    """The audio of the file. Raises TranscriptionRefused for what is no audio, or too short."""
    pcm = _plain_wav(data or b"")
    if pcm is None:  # another format, such as MP3
        try:
            pcm = decoded(data or b"")
        except ValueError as error:
            raise TranscriptionRefused(None, f"Invalid file format. {error}") from None
    if pcm.ms < SHORTEST_MS:
        raise TranscriptionRefused(
            None, "Audio file is too short. Minimum audio length is 0.1 seconds.", code="audio_too_short"
        )
    return pcm


def _plain_wav(data: bytes) -> Pcm | None:
    """The audio of a WAV of 16-bit samples. None: the file is no such WAV."""
    try:
        with wave.open(io.BytesIO(data)) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)
            rate, plain = file.getframerate(), file.getsampwidth() == 2
            return Pcm(samples[:: file.getnchannels()].copy(), rate) if plain and rate else None
    except (wave.Error, EOFError, ValueError):
        return None


async def _wait(request: Request, ms: float | None) -> bool:
    """Wait for so long (None: for ever). Returns False when the client has left meanwhile."""
    if ms == 0:
        return True
    try:
        async with asyncio.timeout(None if ms is None else ms / 1000):
            while (await request.receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return True
    return False


def _broken(fault: Fault) -> Response:
    match fault:
        case "garbage":
            return Response('{"text": "Hel', media_type="application/json")
        case "page":
            return Response("<html>Welcome</html>", media_type="text/html")
        case _:
            return StreamingResponse(_broken_off(), media_type="application/json")


async def _broken_off() -> AsyncIterator[str]:
    yield '{"text": '
    raise SimulatedDisconnect
