"""OpenAI Realtime, spoken locally: WebSocket, WebRTC and the sideband, ephemeral keys, and faults on demand.

    sim = RealtimeSimulator(respond=lambda said, items: f"You said {said}.")
    app = realtime_app(sim)        # serve it with uvicorn; base_url is http://host:port/v1
    sim.faults.append("drop")      # the next response breaks off with the connection

Every event is checked by the SDK's own types as it leaves. The voice is espeak's; Silero finds the user's speech.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel
from starlette.websockets import WebSocket, WebSocketDisconnect

from bargein_simulators.realtime_behavior import KEPT, RealtimeBehavior
from bargein_simulators.realtime_events import Json, check_session, error_event, parsed
from bargein_simulators.realtime_parameters import RealtimeRefused, check_event, missing, out_of_range
from bargein_simulators.realtime_session import RealtimeSession

try:
    from bargein_simulators.realtime_webrtc import RealtimePeer
except ImportError:  # without the extra "webrtc" only sockets are served
    RealtimePeer = None  # type: ignore[assignment,misc]

MODEL = "gpt-realtime-2.1"  # for a client that names none
SECRET_S = 600
MAX_QUEUED = 10_000  # events for a client that does not read
STT_MODELS = ("transcribe", "whisper")  # in the names of models that only transcribe
REFUSED = 4000  # close code
BETA = RealtimeRefused(
    "beta_api_shape_disabled", "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API."
)
SECRET_LIMITS_S = (10, 7_200)
REFUSALS = {"401": 401, "404": 404, "429": 429, "500": 500}


@dataclass(slots=True)
class RealtimeSimulator(RealtimeBehavior):
    """The server: its behaviour, its keys and its record."""

    api_key: str | None = None
    """The key that is required. None: any."""
    sessions: deque[RealtimeSession] = field(default_factory=lambda: deque(maxlen=KEPT))
    """The last sessions, the newest last."""
    secrets: dict[str, tuple[float, Json]] = field(default_factory=dict)
    """Ephemeral keys: when each expires (s, Unix time), and its session."""
    calls: dict[str, RealtimeSession] = field(default_factory=dict)
    """Calls over WebRTC, by their id."""

    def refusal(self, key: str | None) -> int:
        """The status of the refused handshake of a client with this key. 0: it is accepted."""
        if self.api_key is not None and key != self.api_key and not self.secret(key):
            return 401
        return REFUSALS[self.faults.popleft()] if self.faults and self.faults[0] in REFUSALS else 0

    def secret(self, key: str | None) -> Json | None:
        """The session of an ephemeral key. None: the key is unknown or has expired."""
        until, session = self.secrets.get(key or "", (0.0, {}))
        return session if time.time() < until else None


def realtime_app(sim: RealtimeSimulator) -> FastAPI:
    """A server with OpenAI Realtime alone."""
    app = FastAPI(title="OpenAI Realtime, simulated", openapi_url=None)
    add_realtime(app, sim)
    return app


def add_realtime(app: FastAPI, sim: RealtimeSimulator) -> None:
    """Give an app the route /v1/realtime and those below."""

    @app.websocket("/v1/realtime")
    async def realtime(socket: WebSocket) -> None:
        await connected(sim, socket)

    @app.post("/v1/realtime/client_secrets")
    async def client_secrets(request: Request) -> Response:
        if status := sim.refusal(_bearer(request.headers.get("authorization"))):
            return _refused(status)
        try:
            seconds, config = _secret_wish((await request.body()).decode(errors="replace") or "{}")
            value, until = f"ek_{secrets.token_hex(12)}", time.time() + seconds
            whole = RealtimeSession(sim, config.get("model") or MODEL, config).wire()
        except RealtimeRefused as refused:
            return _wrong(refused)
        sim.secrets[value] = (until, config)
        return JSONResponse({"value": value, "expires_at": int(until), "session": whole})

    @app.post("/v1/realtime")
    @app.post("/v1/realtime/sessions")
    @app.post("/v1/realtime/transcription_sessions")
    async def beta() -> Response:
        return _wrong(BETA)

    @app.post("/v1/realtime/calls")
    async def calls(request: Request) -> Response:
        return await _call(sim, request)

    @app.post("/v1/realtime/calls/{call_id}/hangup")
    async def hangup(call_id: str, request: Request) -> Response:
        if status := sim.refusal(_bearer(request.headers.get("authorization"))):
            return _refused(status)
        session = sim.calls.get(call_id)
        if session is None:
            return _no_session()
        if session.close is not None:
            session.close(1000)
        return Response(status_code=200)


# ------------------------------------------------------------------------------------------------------ sockets


@dataclass(frozen=True, slots=True)
class RealtimeWire:
    """What another server of the protocol does otherwise."""

    incoming: Callable[[Json], Json] = lambda event: event
    """A client's event, as OpenAI has it."""
    outgoing: Callable[[Json], Sequence[Json]] = lambda event: (event,)
    """OpenAI's event, as the server says it."""


OPENAI_WIRE = RealtimeWire()


async def connected(
    sim: RealtimeSimulator, socket: WebSocket, wire: RealtimeWire = OPENAI_WIRE, key: str | None = None
) -> None:
    """Serve a socket: with a session of its own, or as the sideband of a call over WebRTC. key: None is the one of the
    handshake."""
    key = (
        key
        or _bearer(socket.headers.get("authorization"))
        or next(
            (p.removeprefix("openai-insecure-api-key.") for p in socket.scope["subprotocols"] if "api-key." in p), None
        )
    )
    call_id, model = socket.query_params.get("call_id"), socket.query_params.get("model")
    known = sim.secret(key)
    transcribes = socket.query_params.get("intent") == "transcription" or (known or {}).get("type") == "transcription"
    status = sim.refusal(key)
    if not status and call_id is not None and (call_id not in sim.calls or known is not None):
        await socket.send_denial_response(_no_session())
        return
    if status or (call_id is None and not model and not transcribes and not (known or {}).get("model")):
        await socket.send_denial_response(_refused(status or 400))
        return
    await socket.accept("realtime" if "realtime" in socket.scope["subprotocols"] else None)
    if call_id is not None:
        await _serve(sim, socket, sim.calls[call_id], owner=False)
        return
    wrong = _wrong_model(model, transcribes=transcribes)
    if "realtime" in socket.headers.get("openai-beta", ""):
        wrong = BETA
    if wrong is not None:
        await socket.send_text(json.dumps(error_event(wrong.code, wrong.message, None)))
        await socket.close(REFUSED, f"invalid_request_error.{wrong.code}")
        return
    config = known or ({"type": "transcription"} if transcribes else None)
    session = RealtimeSession(sim, model or (known or {}).get("model") or "", config)
    sim.sessions.append(session)
    try:
        await _serve(sim, socket, session, owner=True, wire=wire)
    finally:
        await session.end()


def _wrong_model(model: str | None, *, transcribes: bool) -> RealtimeRefused | None:
    """The refusal of a model that does not fit its session. None: it fits."""
    if model and transcribes:
        message = "You must not provide a model parameter for transcription sessions."
        return RealtimeRefused("invalid_model", message)
    if model and any(name in model for name in STT_MODELS):
        return RealtimeRefused("invalid_model", f'Model "{model}" is not supported in realtime mode.')
    return None


async def _serve(
    sim: RealtimeSimulator,
    socket: WebSocket,
    session: RealtimeSession,
    *,
    owner: bool,
    wire: RealtimeWire = OPENAI_WIRE,
) -> None:
    """Serve a socket of a session. owner: the session ends with this socket."""
    queue: asyncio.Queue[Json | int] = asyncio.Queue(MAX_QUEUED)
    if owner:
        session.close = queue.put_nowait
        if sim.fault("expire"):
            asyncio.get_running_loop().call_soon(session.expire)

    async def write() -> None:
        while True:
            item = await queue.get()
            if isinstance(item, int):
                await socket.close(item)
                return
            for event in wire.outgoing(item):
                await socket.send_text("{not json" if sim.fault("garbage") else json.dumps(event, ensure_ascii=False))

    async def read() -> None:
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            try:
                event = parsed(message.get("text") or "")
                session.handle(wire.incoming(event) if isinstance(event, dict) else event)
            except ValueError:
                queue.put_nowait(error_event("invalid_json", "The event could not be parsed as JSON.", None))

    session.join(queue.put_nowait, greet=owner)
    tasks = [asyncio.create_task(write()), asyncio.create_task(read())]
    try:
        if not owner:
            tasks.append(asyncio.create_task(_session_over(session)))
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not owner and session.over.is_set():
            await socket.close(1000)
    except RuntimeError:
        pass  # the socket is closed already
    finally:
        session.leave(queue.put_nowait)
        for task in tasks:
            task.cancel()
        for error in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(error, Exception) and not isinstance(error, (WebSocketDisconnect, RuntimeError)):
                raise error


async def _session_over(session: RealtimeSession) -> None:
    await session.over.wait()


# ------------------------------------------------------------------------------------------------------- WebRTC


async def _call(sim: RealtimeSimulator, request: Request) -> Response:
    """Answer a browser's offer: with the key and a session, or with an ephemeral key, whose session is known."""
    key = _bearer(request.headers.get("authorization"))
    if status := sim.refusal(key):
        return _refused(status)
    if RealtimePeer is None:
        return JSONResponse({"error": {"message": "Install bargein[webrtc]", "code": "no_webrtc"}}, 501)
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        form = await request.form()
        offer = await _part(form.get("sdp") or "")
        given = await _part(form["session"]) if "session" in form else '{"type": "realtime"}'
    else:
        offer = (await request.body()).decode(errors="replace")
        given = json.dumps(sim.secret(key) or {"type": "realtime"})
    try:
        if not offer:
            raise missing("sdp")
        config = _read_json(given)
        check_session(config)
        session = RealtimeSession(sim, config.get("model") or MODEL, config)
    except RealtimeRefused as refused:
        return _wrong(refused)
    sim.sessions.append(session)
    call_id = f"rtc_{secrets.token_hex(8)}"
    sim.calls[call_id] = session
    try:
        answer = await RealtimePeer(session, lambda: sim.calls.pop(call_id, None)).answer(offer)
    except ValueError:
        sim.calls.pop(call_id, None)
        return JSONResponse({"error": {"message": "Invalid SDP offer", "code": "invalid_offer"}}, 400)
    return PlainTextResponse(answer, 201, {"location": f"/v1/realtime/calls/{call_id}"})


class _ExpiresAfter(BaseModel):
    anchor: Literal["created_at"] | None = None
    seconds: int | None = None


class _SecretBody(BaseModel):
    expires_after: _ExpiresAfter | None = None
    session: Any = None


def _secret_wish(text: str) -> tuple[int, Json]:
    """The lifetime (s) and the session of an ephemeral key, from the body of its request. Raises RealtimeRefused."""
    body = _read_json(text)
    check_event(_SecretBody, body)
    expires = body.get("expires_after") or {}
    seconds = expires.get("seconds")
    seconds = SECRET_S if seconds is None else seconds
    refusal = out_of_range("expires_after.seconds", seconds, SECRET_LIMITS_S, whole=True)
    if refusal is not None:
        raise refusal
    config = body.get("session") or {"type": "realtime"}
    check_session(config)
    return seconds, config


def _read_json(text: str) -> Json:
    """Raises RealtimeRefused for what is no JSON object."""
    try:
        found = parsed(text)
    except ValueError:
        raise RealtimeRefused("invalid_json", "We could not parse the JSON body of your request.") from None
    if not isinstance(found, dict):
        raise RealtimeRefused("invalid_type", "Invalid type for the body: expected an object.")
    return found


async def _part(part: object) -> str:
    if isinstance(part, str):
        return part
    data: bytes = await part.read()  # type: ignore[attr-defined]  # a part with a content type comes as a file
    return data.decode(errors="replace")


def _bearer(header: str | None) -> str | None:
    return header.removeprefix("Bearer ") if header else None


def _refused(status: int) -> JSONResponse:
    code = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}.get(status, "server_error")
    return JSONResponse(
        {"error": {"message": code, "type": "invalid_request_error", "code": code, "param": None}}, status
    )


def _wrong(refused: RealtimeRefused) -> JSONResponse:
    error = {"message": refused.message, "type": "invalid_request_error", "code": refused.code, "param": refused.param}
    return JSONResponse({"error": error}, 400)


def _no_session() -> JSONResponse:
    error = {"message": "No session found for the provided call_id", "type": "invalid_request_error"}
    return JSONResponse({"error": {**error, "code": "call_id_not_found", "param": ""}}, 404)
