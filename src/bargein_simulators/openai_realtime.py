"""OpenAI Realtime, spoken locally: WebSocket, WebRTC and the sideband, ephemeral keys, and faults on demand.

    sim = RealtimeSimulator(respond=lambda said: f"You said {said}.")
    app = realtime_app(sim)        # serve it with uvicorn; base_url is http://host:port/v1
    sim.faults.append("drop")      # the next response breaks off with the connection

Every event is checked by the SDK's own types as it leaves. The sound is espeak's; who speaks is found by Silero.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from bargein.audio.pcm import Pcm
from bargein_simulators.chat import Answer, ServedToolCall
from bargein_simulators.realtime_events import Json, RealtimeRefused, error_event
from bargein_simulators.realtime_session import RealtimeSession, ServerItem
from bargein_simulators.speech import SimulatedSpeech

try:
    from bargein_simulators.realtime_webrtc import WebRTCPeer
except ImportError:  # the extra "webrtc" is not there: only sockets are served
    WebRTCPeer = None  # type: ignore[assignment,misc]

Fault = Literal[
    "401",
    "404",
    "429",
    "500",
    "rate_limit",
    "fail",
    "slow",
    "mute",
    "no_done",
    "drop",
    "drop_speech",
    "no_transcript",
    "garbage",
    "expire",
]
MODEL = "gpt-realtime-2.1"  # where none is asked for
KEPT = 500
DROP_AFTER_MS = 600  # of an item's sound
SECRET_S = 600
WAITING = 10_000  # events that may wait for a client that does not read
REFUSALS = {"401": 401, "404": 404, "429": 429, "500": 500}
EXACTLY = re.compile(r"\A[^\n#]{20,100}:\n([^#]+)\Z", re.S)  # instructions of one response: what it is to say
SAID = ("Hello, can you help me?", "And what else?", "Thank you, that is all.")


@dataclass(slots=True)
class RealtimeSimulator:
    """How the server behaves, and its record.

    respond: the user's last words and all items in, what the model says out: a text, or texts and `Call`s in their
    order. hear: reads a stretch of sound; None: the words come from `script`, one text a turn, or for
    each session from its own (`scripts`). first_audio_ms: from a
    response's beginning to its first sound; chunk_ms: sound in one delta; speed: times real time at which it comes (0:
    at once; WebRTC is always heard in real time); token_ms: between two pieces of a call's arguments; transcript_ms:
    from a commit to its words. api_key: the key that is demanded, or None. faults: taken from the left, each when it
    can happen; mute: a response that is asked for never comes; no_done: one that was cancelled never ends.
    """

    respond: Callable[[str, Sequence[ServerItem]], Answer] | None = None
    hear: Callable[[Pcm], Awaitable[str]] | None = None
    script: deque[str] = field(default_factory=lambda: deque(SAID))
    scripts: Callable[[], Iterable[str]] | None = None
    first_audio_ms: float = 150.0
    chunk_ms: float = 200.0
    speed: float = 8.0
    token_ms: float = 10.0
    transcript_ms: float = 250.0
    api_key: str | None = None
    faults: deque[Fault] = field(default_factory=lambda: deque(maxlen=KEPT))
    sessions: deque[RealtimeSession] = field(default_factory=lambda: deque(maxlen=KEPT))
    speech: SimulatedSpeech = field(default_factory=SimulatedSpeech)
    secrets: dict[str, tuple[float, Json]] = field(default_factory=dict)
    calls: dict[str, RealtimeSession] = field(default_factory=dict)  # over WebRTC, by their id

    def fault(self, name: Fault) -> bool:
        """Whether that one is the next to happen; it is taken then."""
        if self.faults and self.faults[0] == name:
            self.faults.popleft()
            return True
        return False

    def fault_after(self, name: Fault, ms: float) -> bool:
        """The same, once so much of a reply was sent."""
        return ms >= DROP_AFTER_MS and self.fault(name)

    async def read(self, pcm: Pcm, script: deque[str], *, over: bool) -> str:
        """The words in the user's sound. script: where they come from, if nobody hears; over: all of it is there."""
        if self.hear is not None:
            return (await self.hear(pcm)).strip()
        text = script[0] if script else ""
        if over and script:
            script.rotate(-1)
        return text if over else " ".join(text.split()[:2])

    def answer(self, items: Sequence[ServerItem], instructions: str) -> list[str | ServedToolCall]:
        """What the model says next."""
        if (asked := EXACTLY.search(instructions)) is not None:
            return [asked[1].strip()]
        users = [item for item in items if item.wire.get("role") == "user"]
        said = users[-1].text if users else ""
        made = (self.respond or say_back)(said, items)
        return [made] if isinstance(made, str) else list(made)

    def refusal(self, key: str | None) -> int:
        """The status with which a connection with this key is refused; 0: it is not."""
        if self.api_key is not None and key != self.api_key and not self.secret(key):
            return 401
        return REFUSALS[self.faults.popleft()] if self.faults and self.faults[0] in REFUSALS else 0

    def secret(self, key: str | None) -> Json | None:
        """The session that an ephemeral key was made for; None when it is none, or too old."""
        until, session = self.secrets.get(key or "", (0.0, {}))
        return session if time.time() < until else None


def say_back(said: str, items: Sequence[ServerItem]) -> str:
    """The answer where no other is given. It can be interrupted, and tells what the model was told of it."""
    if not said:
        return "Hello, I am a simulator of a speech model."
    notes = [item.text for item in items if item.wire.get("role") == "system"]
    where = next((found[1] for note in reversed(notes) if (found := re.search(r'up to "([^"]*)"', note))), "")
    if where and re.search(r"\b(stop|where|last|hear)", said, re.I):
        return f"You stopped me, and the last words you heard were: {where}. Shall I go on from there?"
    return (
        f"You said: {said.rstrip('.!?')}. I am a simulated speech model, so there is little that I know. "
        "But I can speak for a while, slowly and calmly, about the sea, the wind and the gulls above the harbour, "
        "so that you can interrupt me in the middle of any word, and see how soon I fall silent."
    )


def realtime_app(sim: RealtimeSimulator) -> FastAPI:
    """The server alone."""
    app = FastAPI(title="OpenAI Realtime, simulated", openapi_url=None)
    add_realtime(app, sim)
    return app


def add_realtime(app: FastAPI, sim: RealtimeSimulator) -> None:
    """Its routes: /v1/realtime and what lies below."""

    @app.websocket("/v1/realtime")
    async def realtime(socket: WebSocket) -> None:
        await _connected(sim, socket)

    @app.post("/v1/realtime/client_secrets")
    async def client_secrets(request: Request) -> Response:
        if status := sim.refusal(_bearer(request.headers.get("authorization"))):
            return _refused(status)
        body = await request.json()
        seconds = (body.get("expires_after") or {}).get("seconds", SECRET_S)
        value, until = f"ek_{secrets.token_hex(12)}", time.time() + seconds
        config = body.get("session") or {}
        sim.secrets[value] = (until, config)
        try:
            whole = RealtimeSession(sim, config.get("model") or MODEL, config).wire()
        except RealtimeRefused as refused:
            return _wrong(refused)
        return JSONResponse({"value": value, "expires_at": int(until), "session": whole})

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


async def _connected(sim: RealtimeSimulator, socket: WebSocket) -> None:
    """A session of its own, or the sideband of a call over WebRTC."""
    key = _bearer(socket.headers.get("authorization")) or next(
        (p.removeprefix("openai-insecure-api-key.") for p in socket.scope["subprotocols"] if "api-key." in p), None
    )
    call_id, model = socket.query_params.get("call_id"), socket.query_params.get("model")
    status = sim.refusal(key)
    if not status and call_id is not None and (call_id not in sim.calls or sim.secret(key) is not None):
        await socket.send_denial_response(_no_session())
        return
    if status or (call_id is None and not model):
        await socket.send_denial_response(_refused(status or 400))
        return
    await socket.accept("realtime" if "realtime" in socket.scope["subprotocols"] else None)
    if call_id is not None:
        await _serve(sim, socket, sim.calls[call_id], own=False)
        return
    session = RealtimeSession(sim, model or "", sim.secret(key))
    sim.sessions.append(session)
    try:
        await _serve(sim, socket, session, own=True)
    finally:
        await session.end()


async def _serve(sim: RealtimeSimulator, socket: WebSocket, session: RealtimeSession, *, own: bool) -> None:
    """own: the session lives and dies with this socket."""
    line: asyncio.Queue[Json | int] = asyncio.Queue(WAITING)
    if own:
        session.close = line.put_nowait
        if sim.fault("expire"):
            asyncio.get_running_loop().call_soon(session.expire)

    async def write() -> None:
        while True:
            item = await line.get()
            if isinstance(item, int):
                await socket.close(item)
                return
            await socket.send_text("{not json" if sim.fault("garbage") else json.dumps(item, ensure_ascii=False))

    async def read() -> None:
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            try:
                session.take(json.loads(message.get("text") or ""))
            except ValueError:
                line.put_nowait(error_event("invalid_json", "The event could not be parsed as JSON.", None))

    session.join(line.put_nowait, greet=own)
    tasks = [asyncio.create_task(write()), asyncio.create_task(read())]
    try:
        if not own:
            tasks.append(asyncio.create_task(_over(session)))
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not own and session.over.is_set():
            await socket.close(1000)
    except RuntimeError:
        pass  # it is closed already
    finally:
        session.leave(line.put_nowait)
        for task in tasks:
            task.cancel()
        for error in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(error, Exception) and not isinstance(error, (WebSocketDisconnect, RuntimeError)):
                raise error


async def _over(session: RealtimeSession) -> None:
    await session.over.wait()


# ------------------------------------------------------------------------------------------------------- WebRTC


async def _call(sim: RealtimeSimulator, request: Request) -> Response:
    """A browser's offer: with the key and a session, or with an ephemeral key that has its session already."""
    key = _bearer(request.headers.get("authorization"))
    if status := sim.refusal(key):
        return _refused(status)
    if WebRTCPeer is None:
        return JSONResponse({"error": {"message": "Install bargein[webrtc]", "code": "no_webrtc"}}, 501)
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        form = await request.form()
        offer, config = (
            await _part(form["sdp"]),
            json.loads(await _part(form["session"]) if "session" in form else "{}"),
        )
    else:
        offer, config = (await request.body()).decode(), sim.secret(key) or {}
    try:
        session = RealtimeSession(sim, config.get("model") or MODEL, config)
    except RealtimeRefused as refused:
        return _wrong(refused)
    sim.sessions.append(session)
    call_id = f"rtc_{secrets.token_hex(8)}"
    sim.calls[call_id] = session
    try:
        answer = await WebRTCPeer(session, lambda: sim.calls.pop(call_id, None)).answer(offer)
    except ValueError:
        sim.calls.pop(call_id, None)
        return JSONResponse({"error": {"message": "Invalid SDP offer", "code": "invalid_offer"}}, 400)
    return PlainTextResponse(answer, 201, {"location": f"/v1/realtime/calls/{call_id}"})


async def _part(part: object) -> str:
    if isinstance(part, str):
        return part
    data: bytes = await part.read()  # type: ignore[attr-defined]  # a part with a content type comes as a file
    return data.decode()


def _bearer(header: str | None) -> str | None:
    return header.removeprefix("Bearer ") if header else None


def _refused(status: int) -> JSONResponse:
    code = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}.get(status, "server_error")
    return JSONResponse(
        {"error": {"message": code, "type": "invalid_request_error", "code": code, "param": None}}, status
    )


def _wrong(refused: RealtimeRefused) -> JSONResponse:
    told = {"message": refused.message, "type": "invalid_request_error", "code": refused.code, "param": refused.param}
    return JSONResponse({"error": told}, 400)


def _no_session() -> JSONResponse:
    told = {"message": "No session found for the provided call_id", "type": "invalid_request_error"}
    return JSONResponse({"error": {**told, "code": "call_id_not_found", "param": ""}}, 404)
