"""Gemini's generateContent, locally: streamed answers, tool calls, and faults on demand.

Every request is checked by the types of Google's SDK, and every chunk that is sent is one of them.
"""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from google.genai import types
from pydantic import ValidationError

from bargein_simulators.chat import TOKEN, Answer, Ended
from bargein_simulators.chat_wire import ServedToolCall
from bargein_simulators.faults import SimulatedDisconnect, add_fault_route, take_fault

Fault = Literal[
    "401", "404", "429", "quota", "500", "no_answer", "stall", "drop", "malformed", "blocked", "safety", "empty"
]
KEPT = 1_000
FIELDS = {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings", "cachedContent"}
SIGNATURE = "c2lnbmF0dXJl"
_REFUSALS = {
    "401": (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
    "404": (404, "NOT_FOUND", "models/unknown is not found for API version v1beta."),
    "429": (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
    "quota": (429, "RESOURCE_EXHAUSTED", "Quota exceeded: GenerateRequestsPerDayPerProject."),
    "500": (500, "INTERNAL", "An internal error has occurred."),
}


@dataclass(slots=True)
class GeminiRequest:
    """The record of one request."""

    contents: list[types.Content]
    system: str
    config: types.GenerationConfig
    body: dict[str, Any]
    ended: Ended = "open"
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def said(self) -> str:
        """The user's last words, notes in brackets left out."""
        for content in reversed(self.contents):
            if content.role == "user":
                texts = [part.text for part in content.parts or () if part.text and not part.text.startswith("[")]
                if texts:
                    return texts[-1]
        return ""

    @property
    def results(self) -> list[str]:
        """Results of tools in the last content."""
        parts = (self.contents[-1].parts or ()) if self.contents else ()
        found = [part.function_response.response for part in parts if part.function_response is not None]
        return [str(next(iter((response or {"": ""}).values()))) for response in found]

    def end(self, ended: Ended) -> None:
        self.ended = ended
        self.over.set()


def say_back(request: GeminiRequest) -> str:
    """The default answer: the result of a tool, or the user's last words."""
    if request.results:
        return f"The tool says: {request.results[-1]}"
    said = re.sub(r"\s*\(said over .*", "", request.said, flags=re.S)
    return f"I am a simulator of a language model. You said: {said}" if said else "Hello, I am a simulator."


@dataclass(slots=True)
class GeminiChatSimulator:
    """How the server behaves, and its record."""

    respond: Callable[[GeminiRequest], Answer] = say_back
    tool_calls: deque[ServedToolCall] = field(default_factory=lambda: deque(maxlen=KEPT))
    """Tool calls on demand: the next answers are these, in place of `respond`."""
    first_token_ms: float = 0.0
    token_ms: float = 0.0
    thinks: str = ""
    """Thoughts that are sent before the answer. No adapter may speak them."""
    api_key: str | None = None
    """The key that is required. None: any."""
    faults: deque[Fault] = field(default_factory=lambda: deque(maxlen=KEPT))
    """One for each request, taken from the left."""
    served: deque[GeminiRequest] = field(default_factory=lambda: deque(maxlen=KEPT))
    """The last requests, the newest last."""


def gemini_chat_app(sim: GeminiChatSimulator | None = None) -> FastAPI:
    """A server with the chat alone. The simulator is also app.state.gemini_chat."""
    sim = sim or GeminiChatSimulator()
    app = FastAPI(title="Gemini, simulated", openapi_url=None)
    add_gemini_chat(app, sim)
    add_fault_route(app, sim.faults, get_args(Fault))
    return app


def add_gemini_chat(app: FastAPI, sim: GeminiChatSimulator) -> None:
    """Give an app the routes of models and of generateContent. The simulator is also app.state.gemini_chat."""
    app.state.gemini_chat = sim

    @app.get("/v1beta/models/{model}")
    async def model(request: Request, model: str) -> Response:
        if not _may(sim, request):
            return _refusal("401")
        return JSONResponse({"name": f"models/{model}", "displayName": model})

    @app.post("/v1beta/models/{model}:{method}")
    async def generate(request: Request, model: str, method: str) -> Response:
        if method not in ("generateContent", "streamGenerateContent"):
            return _refusal("404")
        try:
            made = _read(await request.json())
        except (ValidationError, ValueError) as error:
            return _error(400, "INVALID_ARGUMENT", f"Invalid JSON payload received. {error}"[:300])
        sim.served.append(made)
        fault = take_fault(sim.faults)
        if not _may(sim, request):
            fault = "401"
        if fault in _REFUSALS:
            made.end("refused")
            return _refusal(fault)
        if fault == "no_answer":
            while (await request.receive())["type"] != "http.disconnect":
                pass
            made.end("disconnected")
            return Response(status_code=499)
        chunks = _chunks(sim, made, fault)
        if method == "generateContent":
            parts = [part async for chunk in chunks for part in _parts_of(chunk)]
            made.end("completed")
            return JSONResponse(_chunk(parts, finish="STOP"))
        return StreamingResponse(_events(sim, made, fault), media_type="text/event-stream")


def _read(body: Any) -> GeminiRequest:
    """The request. Raises ValueError or ValidationError for what the SDK's types do not have."""
    if unknown := set(body) - FIELDS:
        raise ValueError(f"Unknown name {unknown.pop()!r}")
    contents = [types.Content.model_validate(content) for content in body.get("contents") or ()]
    if not contents:
        raise ValueError("contents is not specified")
    config = types.GenerationConfig.model_validate(body.get("generationConfig") or {})
    [types.Tool.model_validate(tool) for tool in body.get("tools") or ()]
    system = types.Content.model_validate(body.get("systemInstruction") or {})
    for before, content in zip([None, *contents], contents, strict=False):
        for part in content.parts or ():
            if part.function_call is not None and not part.thought_signature:
                raise ValueError("Function call is missing a thought_signature")
            if part.function_response is not None and (before is None or before.role != "model"):
                raise ValueError("A function response must come right after a function call")
    return GeminiRequest(contents, "".join(part.text or "" for part in system.parts or ()), config, body)


async def _events(sim: GeminiChatSimulator, made: GeminiRequest, fault: Fault | None) -> AsyncIterator[str]:
    ended: Ended = "disconnected"
    try:
        async for chunk in _chunks(sim, made, fault):
            types.GenerateContentResponse.model_validate(chunk)
            yield f"data: {json.dumps(chunk)}\r\n\r\n"
        if fault == "malformed":
            yield 'data: {"candidates": [{"cont\r\n\r\n'
        ended = "completed" if fault is None else "faulty"
    except SimulatedDisconnect:
        ended = "faulty"
        raise
    finally:
        made.end(ended)


async def _chunks(sim: GeminiChatSimulator, made: GeminiRequest, fault: Fault | None) -> AsyncIterator[dict[str, Any]]:
    await asyncio.sleep(sim.first_token_ms / 1000)
    if fault == "blocked":
        yield {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
        return
    if fault == "safety":
        yield {"candidates": [{"finishReason": "SAFETY", "index": 0}]}
        return
    if sim.thinks:
        yield _chunk([{"text": sim.thinks, "thought": True}])
    texts, calls = _answer(sim, made) if fault != "empty" else ([], [])
    for number, token in enumerate(texts):
        if number:
            await asyncio.sleep(sim.token_ms / 1000)
        yield _chunk([{"text": token}])
        if fault == "stall":
            await asyncio.Event().wait()
        if fault == "drop":
            raise SimulatedDisconnect
        if fault == "malformed":
            return
    for call in calls:
        function = {"name": call.tool, "args": json.loads(call.arguments), "id": f"fc-{uuid.uuid4().hex[:8]}"}
        yield _chunk([{"functionCall": function, "thoughtSignature": SIGNATURE}])
    yield _chunk([], finish="STOP")


def _answer(sim: GeminiChatSimulator, made: GeminiRequest) -> tuple[list[str], list[ServedToolCall]]:
    answer: Answer
    if sim.tool_calls and made.body.get("tools") and not made.results:
        answer = [sim.tool_calls.popleft()]
    else:
        answer = sim.respond(made)
    parts: Sequence[str | ServedToolCall] = [answer] if isinstance(answer, str) else answer
    text = "".join(part for part in parts if isinstance(part, str))
    return TOKEN.findall(text), [part for part in parts if isinstance(part, ServedToolCall)]


def _chunk(parts: list[dict[str, Any]], *, finish: str = "") -> dict[str, Any]:
    candidate: dict[str, Any] = {"index": 0, "content": {"role": "model", "parts": parts}}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": "simulated"}


def _parts_of(chunk: dict[str, Any]) -> list[dict[str, Any]]:
    candidates = chunk.get("candidates") or [{}]
    parts: list[dict[str, Any]] = (candidates[0].get("content") or {}).get("parts") or []
    return parts


def _may(sim: GeminiChatSimulator, request: Request) -> bool:
    return sim.api_key is None or request.headers.get("x-goog-api-key") == sim.api_key


def _refusal(fault: str) -> JSONResponse:
    return _error(*_REFUSALS[fault])


def _error(status: int, name: str, message: str) -> JSONResponse:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
    error: dict[str, Any] = {"code": status, "message": message, "status": name}
    if message.startswith("API key"):
        error["details"] = details
    return JSONResponse({"error": error}, status_code=status)
