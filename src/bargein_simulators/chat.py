"""A chat server with OpenAI's wire protocol (chat completions, plain and streamed; models), and faults on demand.

    chat = ChatSimulator(respond=lambda messages: "Hello there.", token_ms=20)
    app = chat_app(chat)          # serve it with uvicorn; base_url is http://host:port/v1
    chat.faults.append("stall")   # the next request stalls after its first token

Over the wire, `POST /simulator/faults` with `{"faults": ["429"]}` does the same, and `GET /simulator/requests` lists
the requests and how each of them ended.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import re
import time
import wave
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from fastapi import FastAPI, Header, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, computed_field

from bargein.audio.pcm import Pcm
from bargein.audio.resample import resample
from bargein.errors import BargeinError
from bargein_simulators.chat_checks import chat_refusal
from bargein_simulators.chat_wire import (
    ChatAnswer,
    ServedToolCall,
    broken_event,
    forced_tool,
    invalid_request,
    vendor_of,
    wrong_request,
)
from bargein_simulators.faults import add_fault_route, take_fault

Fault = Literal[
    "401",
    "404",
    "429",
    "quota",
    "500",
    "stall",
    "stall_first",
    "stall_after_ten",
    "no_answer",
    "drop",
    "malformed",
    "error_chunk",
    "groq_error",
    "empty",
]
Ended = Literal["open", "completed", "disconnected", "refused", "faulty"]

KEPT_REQUESTS = 1000  # older ones are discarded
TOKEN = re.compile(r"\s*\S+")

_REFUSALS: dict[Fault, tuple[int, str, str]] = {  # status, error type, error code
    "401": (401, "invalid_request_error", "invalid_api_key"),
    "404": (404, "invalid_request_error", "model_not_found"),
    "429": (429, "requests", "rate_limit_exceeded"),
    "quota": (429, "insufficient_quota", "insufficient_quota"),
    "500": (500, "server_error", "internal_error"),
}


class ChatMessage(BaseModel):
    """One message of a request as the model reads it: words in place of audio."""

    model_config = ConfigDict(extra="allow")
    role: str
    content: str | None = None
    audio_ms: float = 0.0
    """Length of the audio that the message had."""
    transcript: str = ""
    """Words of that audio."""


class SentMessage(BaseModel):
    """One message as the client sends it: text, or parts, some of which may be audio."""

    model_config = ConfigDict(extra="allow")
    role: str
    content: str | list[dict[str, Any]] | None = None


class ChatRequest(BaseModel):
    """The part of a request that is read; `chat_checks` checks the rest."""

    model_config = ConfigDict(extra="allow")
    model: str
    sent: list[SentMessage] = Field(alias="messages")
    stream: bool = False
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] | None = None
    stream_options: dict[str, Any] | None = None
    tool_choice: Any = None
    _read: list[ChatMessage] = PrivateAttr(default_factory=list)

    @computed_field  # type: ignore[prop-decorator]  # a client gets the field, and cannot set it
    @property
    def messages(self) -> list[ChatMessage]:
        """The messages as the model reads them. Empty until `read_by`."""
        return self._read

    async def read_by(self, chat: ChatSimulator) -> None:
        """Put words in place of audio. Raises ValueError for audio that cannot be read."""
        self._read = [await _read(chat, message) for message in self.sent]


Answer = str | Sequence[str | ServedToolCall]


@dataclass(slots=True)
class Served:
    """The record of one request."""

    request: ChatRequest
    came_s: float = field(default_factory=time.monotonic)
    """When the request came, by the monotonic clock."""
    first_s: float | None = None
    """When the first token left, by the monotonic clock."""
    ended: Ended = "open"
    """How the request ended."""
    sent: list[str] = field(default_factory=list)
    """Tokens that were sent."""
    sent_s: list[float] = field(default_factory=list)
    """When each of the tokens left, by the monotonic clock."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the request has ended."""

    def end(self, ended: Ended) -> None:
        self.ended = ended
        self.over.set()


def say_back(messages: Sequence[ChatMessage]) -> str:
    """The default answer: the user's last words, or the result of a tool."""
    if messages and messages[-1].role == "tool":
        return f"The tool says: {messages[-1].content}"
    said = next((message.content for message in reversed(messages) if message.role == "user"), None)
    return f"I am a simulator of a language model. You said: {said}" if said else "Hello, I am a simulator."


@dataclass(slots=True)
class ChatSimulator:
    """How the server behaves, and its record."""

    respond: Callable[[Sequence[ChatMessage]], Answer] = say_back
    """Makes the answer to the messages of a request: a text, or texts and tool calls in their order."""
    transcribe: Callable[[Pcm], Awaitable[str]] | None = None
    """Transcribes audio in a message (16 kHz). None: its words come from `script`."""
    script: deque[str] = field(default_factory=lambda: deque(["Hello, can you help me?"]))
    """Words of audio in messages, one text for each audio, again and again."""
    tool_calls: deque[ServedToolCall] = field(default_factory=lambda: deque(maxlen=KEPT_REQUESTS))
    """Tool calls on demand: the next answers are these, in place of `respond`."""
    whole_calls: bool = False
    """Send a tool call in one delta, as Mistral does."""
    call_ids: bool = True
    """Give tool calls ids."""
    thinks: str = ""
    """Reasoning that is sent before the answer. No adapter may speak it."""
    retry_after_s: float | None = None
    """Retry-After of a 429."""
    first_token_ms: float = 0.0
    """Wait before the first token."""
    token_ms: float = 0.0
    """Wait before each other token."""
    models: tuple[str, ...] = ("simulated-chat",)
    """Models of /v1/models; any other model is refused with 404. Empty: none is refused."""
    api_key: str | None = None
    """The key that is required. None: any."""
    faults: deque[Fault] = field(default_factory=lambda: deque(maxlen=KEPT_REQUESTS))
    """One for each request, taken from the left."""
    served: deque[Served] = field(default_factory=lambda: deque(maxlen=KEPT_REQUESTS))
    """The last requests, the newest last."""


def chat_app(chat: ChatSimulator | None = None) -> FastAPI:
    """A server with the chat alone. The simulator is also app.state.chat."""
    chat = chat or ChatSimulator()
    app = FastAPI(title="OpenAI-compatible chat, simulated", openapi_url=None)
    add_chat(app, chat)

    add_fault_route(app, chat.faults, get_args(Fault))

    @app.get("/simulator/requests")
    async def requests(_: Request) -> list[dict[str, object]]:
        return [
            {"request": served.request.model_dump(), "ended": served.ended, "sent": "".join(served.sent)}
            for served in chat.served
        ]

    return app


def add_chat(app: FastAPI, chat: ChatSimulator) -> None:
    """Give an app the routes /v1/models and /v1/chat/completions. The simulator is also app.state.chat."""
    app.state.chat = chat

    @app.get("/v1/models")
    @app.get("/openai/v1/models")
    async def models(authorization: str = Header("")) -> Response:
        if not _may(chat, authorization):
            return _refusal("401", authorization)
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "bargein"} for name in chat.models]
        return JSONResponse({"object": "list", "data": data})

    @app.post("/v1/chat/completions")
    @app.post("/openai/v1/chat/completions")
    async def completions(request: Request, authorization: str = Header("")) -> Response:
        try:
            given = json.loads(await request.body())
            body = ChatRequest.model_validate(given)
        except ValidationError as error:
            return invalid_request(error.errors()[0])
        except ValueError:
            return wrong_request("We could not parse the JSON body of your request.", None, None)
        if refusal := _unserved(body):
            return refusal
        if wrong := chat_refusal(given, vendor_of(request.url.path, body.model)):
            return wrong_request(*wrong)
        served = Served(body)
        chat.served.append(served)
        try:
            await body.read_by(chat)
        except ValueError:
            served.end("refused")
            return JSONResponse({"error": {"message": "The audio cannot be read", "code": "invalid_audio"}}, 400)
        fault = take_fault(chat.faults)
        if not _may(chat, authorization):
            fault = "401"
        elif fault is None and chat.models and body.model not in chat.models:
            fault = "404"
        if fault in _REFUSALS:
            served.end("refused")
            return _refusal(fault, authorization, chat.retry_after_s)
        if fault == "no_answer":
            while (await request.receive())["type"] != "http.disconnect":
                pass
            served.end("disconnected")
            return Response(status_code=499)
        answer = _answer(chat, body, request.url.path, empty=fault == "empty")
        if body.stream:
            return StreamingResponse(_events(chat, served, answer, fault), media_type="text/event-stream")
        served.sent.extend(answer.tokens)
        served.end("completed")
        return JSONResponse(answer.whole())


def _answer(chat: ChatSimulator, body: ChatRequest, path: str, *, empty: bool) -> ChatAnswer:
    """What the model answers. empty: nothing."""
    may_call = body.tool_choice != "none"
    said: Answer = ""
    if not empty:
        if may_call and chat.tool_calls and body.messages[-1:] and body.messages[-1].role != "tool":
            said = [chat.tool_calls.popleft()]
        else:
            said = chat.respond(body.messages)
    parts = [said] if isinstance(said, str) else list(said)
    calls = [part for part in parts if isinstance(part, ServedToolCall) and may_call]
    text = "".join(part for part in parts if isinstance(part, str))
    if not calls and (name := forced_tool(body.tool_choice, (body.model_extra or {}).get("tools"))):
        calls, text = [ServedToolCall(name)], ""
    for stop in [body.stop] if isinstance(body.stop, str) else body.stop or ():
        text = text.partition(stop)[0]
    tokens = TOKEN.findall(text)
    most = body.max_completion_tokens or body.max_tokens
    cut = most is not None and len(tokens) > most
    vendor = vendor_of(path, body.model)
    return ChatAnswer(
        vendor=vendor,
        model=body.model,
        tokens=tokens[:most],
        calls=calls,
        prompt_tokens=sum(len(TOKEN.findall(message.content or "")) for message in body.messages),
        finish="length" if cut else "tool_calls" if calls else "stop",
        include_usage=bool((body.stream_options or {}).get("include_usage")),
        whole_calls=chat.whole_calls or vendor == "mistral",
        call_ids=chat.call_ids,
        number=len(chat.served),
    )


def _unserved(body: ChatRequest) -> Response | None:
    """The refusal of a request for what the simulator does not do."""
    more = body.model_extra or {}
    if body.stream_options is not None and not body.stream:
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        return wrong_request(message, "stream_options", "invalid_value")
    if more.get("n") not in (None, 1):
        return wrong_request("The simulator gives one choice: n must be 1.", "n", "not_simulated")
    if more.get("logprobs"):
        return wrong_request("The simulator has no logprobs.", "logprobs", "not_simulated")
    if "audio" in (more.get("modalities") or ()):
        return wrong_request("The simulated chat gives no audio.", "modalities", "not_simulated")
    return None


async def _read(chat: ChatSimulator, message: SentMessage) -> ChatMessage:
    """The message as the model reads it. Raises ValueError for audio that cannot be read."""
    if not isinstance(message.content, list):
        return ChatMessage(**message.model_dump())
    texts, transcript, audio_ms = [], [], 0.0
    for part in message.content:
        if part.get("type") == "input_audio":
            pcm = _wav(part["input_audio"])
            audio_ms += pcm.ms
            if chat.transcribe is not None:
                transcript.append((await chat.transcribe(resample(pcm, 16_000))).strip())
            elif chat.script:
                transcript.append(chat.script[0])
                chat.script.rotate(-1)
            texts += transcript[-1:]
        else:
            texts.append(str(part.get("text") or ""))
    content = " ".join(text for text in texts if text)
    return ChatMessage(role=message.role, content=content, audio_ms=audio_ms, transcript=" ".join(transcript))


def _wav(given: object) -> Pcm:
    """The audio of a message. OpenAI sends an object with data and format, Mistral a string; both hold a WAV here."""
    data = given.get("data") if isinstance(given, dict) else given
    try:
        with wave.open(io.BytesIO(base64.b64decode(str(data), validate=True))) as file:
            data, rate = file.readframes(file.getnframes()), file.getframerate()
        pcm = Pcm.from_bytes(data, rate)
    except (wave.Error, EOFError, BargeinError) as error:
        raise ValueError("The audio is no WAV") from error
    if not rate:
        raise ValueError("The audio has no rate")
    return pcm


async def _events(chat: ChatSimulator, served: Served, answer: ChatAnswer, fault: Fault | None) -> AsyncIterator[str]:
    """The answer as server-sent events. A client that leaves cancels this, and is recorded."""
    ended: Ended = "disconnected"
    try:
        if fault == "stall_first":
            await asyncio.Event().wait()
        await asyncio.sleep(chat.first_token_ms / 1000)
        yield answer.first()
        if chat.thinks:
            yield answer.delta(reasoning=chat.thinks)
        for index, token in enumerate(answer.tokens):
            if index:
                await asyncio.sleep(chat.token_ms / 1000)
            served.first_s = served.first_s or time.monotonic()
            yield answer.delta(content=token)
            served.sent.append(token)
            served.sent_s.append(time.monotonic())
            if fault == "stall" or (fault == "stall_after_ten" and index == 9):
                await asyncio.Event().wait()
            if fault is not None and fault not in ("empty", "stall_after_ten"):
                ended = "faulty"
                yield broken_event(fault)
                return
        for number in range(len(answer.calls)):
            for delta in answer.call_deltas(number):
                yield answer.delta(tool_calls=[delta])
        for last in answer.last():
            yield last
        ended = "completed"
    finally:
        served.end(ended)


def _may(chat: ChatSimulator, authorization: str) -> bool:
    return chat.api_key is None or authorization == f"Bearer {chat.api_key}"


def _refusal(fault: Fault, authorization: str, retry_after_s: float | None = None) -> Response:
    """An error in the vendor's words. A refused key is quoted, as real servers do: no adapter may pass it on."""
    status, kind, code = _REFUSALS[fault]
    key = authorization.removeprefix("Bearer ")
    message = f"Incorrect API key provided: {key}" if fault == "401" else f"Refused: {code} (key {key})"
    headers = {} if retry_after_s is None or status != 429 else {"retry-after": str(retry_after_s)}
    error = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return JSONResponse(error, status_code=status, headers=headers)
