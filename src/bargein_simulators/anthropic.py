"""Anthropic's Messages API, locally: streamed answers, tools, and faults on demand.

sim = AnthropicSimulator(respond=lambda messages: "Hello there.", token_ms=20)
app = anthropic_app(sim)      # serve it with uvicorn; base_url is http://host:port
sim.faults.append("stall")    # the next request stalls after its first token
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import ValidationError

from bargein_simulators.anthropic_wire import AnthropicRequest, error_body, event, events
from bargein_simulators.chat import KEPT_REQUESTS, TOKEN, Answer, ChatMessage, Ended, say_back
from bargein_simulators.chat_wire import ServedToolCall
from bargein_simulators.faults import SimulatedDisconnect, add_fault_route, take_fault

Fault = Literal[
    "401",
    "404",
    "413",
    "429",
    "credit",
    "500",
    "529",
    "stall",
    "stall_first",
    "no_answer",
    "drop",
    "malformed",
    "overloaded",
    "cut_short",
    "empty",
    "refusal",
]

REFUSALS: dict[str, tuple[int, str]] = {
    "400": (400, "invalid_request_error"),
    "401": (401, "authentication_error"),
    "404": (404, "not_found_error"),
    "413": (413, "request_too_large"),
    "429": (429, "rate_limit_error"),
    "credit": (400, "invalid_request_error"),
    "500": (500, "api_error"),
    "529": (529, "overloaded_error"),
}


@dataclass(slots=True)
class AnthropicServed:
    """The record of one request."""

    request: AnthropicRequest
    body: dict[str, object]
    """As it came."""
    ended: Ended = "open"
    sent: list[str] = field(default_factory=list)
    """Tokens that were sent."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the request has ended."""

    def end(self, ended: Ended) -> None:
        self.ended = ended
        self.over.set()


@dataclass(slots=True)
class AnthropicSimulator:
    """How the server behaves, and its record.

    Faults of a stream happen after its first token: "stall" sends nothing more, "drop" closes the socket, "overloaded"
    sends an error event, "cut_short" ends the body without `message_stop`, "malformed" sends what is no JSON.
    """

    respond: Callable[[Sequence[ChatMessage]], Answer] = say_back
    """Makes the answer to the messages of a request: a text, or texts and tool calls in their order."""
    tool_calls: deque[ServedToolCall] = field(default_factory=lambda: deque(maxlen=KEPT_REQUESTS))
    """Tool calls on demand: the next answers are these, in place of `respond`."""
    retry_after_s: float | None = None
    """Retry-After of a 429."""
    first_token_ms: float = 0.0
    token_ms: float = 0.0
    """Wait before each other token."""
    models: tuple[str, ...] = ()
    """Any other model is refused with 404. Empty: none is refused."""
    api_key: str | None = None
    """The key that is required. None: any."""
    faults: deque[Fault] = field(default_factory=lambda: deque(maxlen=KEPT_REQUESTS))
    """One for each request, taken from the left."""
    served: deque[AnthropicServed] = field(default_factory=lambda: deque(maxlen=KEPT_REQUESTS))
    """The last requests, the newest last."""


def anthropic_app(sim: AnthropicSimulator | None = None) -> FastAPI:
    """A server with Anthropic alone."""
    app = FastAPI(title="Anthropic, simulated", openapi_url=None)
    sim = sim or AnthropicSimulator()
    add_anthropic(app, sim)
    add_fault_route(app, sim.faults, get_args(Fault))
    return app


def add_anthropic(app: FastAPI, sim: AnthropicSimulator, *, models: bool = True) -> None:
    """Give an app the route /v1/messages. models: and /v1/models, which other vendors have, too."""

    if models:

        @app.get("/v1/models")
        async def list_models(request: Request) -> Response:
            if refusal := _unauthorized(sim, request):
                return refusal
            data = [
                {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"}
                for name in sim.models
            ]
            return JSONResponse({"data": data, "has_more": False, "first_id": None, "last_id": None})

    @app.post("/v1/messages")
    async def messages(request: Request) -> Response:
        if refusal := _unauthorized(sim, request):
            return refusal
        try:
            given = json.loads(await request.body())
            body = AnthropicRequest.model_validate(given)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            return _refusal("400", f"{where}: {first['msg']}")
        except ValueError:
            return _refusal("400", "The request body is not valid JSON")
        if wrong := body.wrong():
            return _refusal("400", wrong)
        served = AnthropicServed(body, given)
        sim.served.append(served)
        fault = take_fault(sim.faults)
        if fault is None and sim.models and body.model not in sim.models:
            fault = "404"
        if fault in REFUSALS:
            served.end("refused")
            key = _key(request)
            words = "Your credit balance is too low to access the Anthropic API." if fault == "credit" else "Refused"
            return _refusal(fault, f"{words} (key {key})", sim.retry_after_s)
        if fault == "no_answer":
            while (await request.receive())["type"] != "http.disconnect":
                pass
            served.end("disconnected")
            return Response(status_code=499)
        if not body.stream:
            return _refusal("400", "The simulator streams: send stream: true")
        return StreamingResponse(_events(sim, served, fault), media_type="text/event-stream")


def _answer(
    sim: AnthropicSimulator, body: AnthropicRequest, fault: Fault | None
) -> tuple[list[str], list[ServedToolCall]]:
    if fault in ("empty", "refusal"):
        return [], []
    read = body.as_chat()
    may_call = bool(body.tools) and (body.tool_choice or {}).get("type") != "none"
    said: Answer
    if may_call and sim.tool_calls and read[-1].role != "tool":
        said = [sim.tool_calls.popleft()]
    else:
        said = sim.respond(read)
    parts = [said] if isinstance(said, str) else list(said)
    text = "".join(part for part in parts if isinstance(part, str))
    for stop in body.stop_sequences:
        text = text.partition(stop)[0]
    return TOKEN.findall(text), [part for part in parts if isinstance(part, ServedToolCall) and may_call]


async def _events(sim: AnthropicSimulator, served: AnthropicServed, fault: Fault | None) -> AsyncIterator[str]:
    """The answer as server-sent events. A client that leaves cancels this, and is recorded."""
    body = served.request
    ended: Ended = "disconnected"
    try:
        if fault == "stall_first":
            await asyncio.Event().wait()
        tokens, calls = _answer(sim, body, fault)
        cut = len(tokens) > body.max_tokens
        stop = "refusal" if fault == "refusal" else "max_tokens" if cut else "tool_use" if calls else "end_turn"
        read = sum(len(TOKEN.findall(message.content or "")) for message in body.as_chat())
        await asyncio.sleep(sim.first_token_ms / 1000)
        for text, token in events(body.model, tokens[: body.max_tokens], calls, stop, len(sim.served), read):
            if token is not None and served.sent:
                await asyncio.sleep(sim.token_ms / 1000)
            yield text
            if token is None:
                continue
            served.sent.append(token)
            if fault == "stall":
                await asyncio.Event().wait()
            if fault is not None:
                ended = "faulty"
                match fault:
                    case "drop":
                        raise SimulatedDisconnect
                    case "overloaded":
                        body_ = error_body("overloaded_error", "Overloaded")
                        yield event("error", **{key: value for key, value in body_.items() if key != "type"})
                    case "malformed":
                        yield 'event: content_block_delta\ndata: {"type": "content_blo\n\n'
                    case _:
                        pass
                return
        ended = "completed"
    finally:
        served.end(ended)


def _unauthorized(sim: AnthropicSimulator, request: Request) -> Response | None:
    if not request.headers.get("anthropic-version"):
        return _refusal("400", "anthropic-version: header is required")
    key = _key(request)
    if sim.api_key is not None and key != sim.api_key:
        return _refusal("401", f"invalid x-api-key {key}")  # quoted, so that no adapter may pass it on
    return None


def _key(request: Request) -> str:
    """The client's key. The SDK sends the key as a bearer token; other clients send x-api-key."""
    return request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")


def _refusal(fault: str, message: str, retry_after_s: float | None = None) -> Response:
    status, kind = REFUSALS[fault]
    headers = {} if retry_after_s is None or status != 429 else {"retry-after": str(retry_after_s)}
    return JSONResponse(error_body(kind, message), status_code=status, headers=headers)
