"""Deepgram Flux (v2 listen), locally: real turns in the sound it gets, words from a script, faults on demand."""

from __future__ import annotations

import json
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Self

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, ValidationError, model_validator
from starlette.websockets import WebSocket, WebSocketDisconnect

from bargein_simulators.simulated_stt import Script, SimulatedSTT, STTScriptEvent, WordSource
from bargein_simulators.socket import KEPT_LINES, Answers, Json, SimulatedSocket, received, samples_of

Fault = Literal[
    "401", "402", "429", "500", "silent", "error", "drop", "stall", "garbage", "timeless", "slow", "false_start"
]

SLOW_MS = 2_000
TIMELESS = (
    '{"type": "TurnInfo", "request_id": "x", "sequence_id": 99, "event": "EndOfTurn", "turn_index": 0, "words": [],'
    ' "audio_window_start": 0, "audio_window_end": Infinity, "transcript": "can", "end_of_turn_confidence": 0.1}'
)
EVENTS = {
    "update": "Update",
    "started": "StartOfTurn",
    "eager_end": "EagerEndOfTurn",
    "resumed": "TurnResumed",
    "ended": "EndOfTurn",
}


class FluxFaults(BaseModel):
    """Faults for the next lines, one each."""

    faults: list[Fault]


@dataclass(slots=True)
class FluxServerConnection(SimulatedSocket):
    """query: what it asked for; turns: that ended in it; told: when (s, by the monotonic clock) its last events left,
    what they were, and their words."""

    query: dict[str, str]
    told: deque[tuple[float, str, str]] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    turns: list[str] = field(default_factory=list)


@dataclass(slots=True)
class FluxSimulator:
    """words: gives each line its words; delay_ms: from a sound's arrival to what is told of it; idle_s: without sound,
    after which a line is ended with an error; api_key: the key that is demanded, or None; faults: one for each line,
    taken from the left. In the middle of its first turn the line has: "drop" (the socket closes), "error" (a fatal
    message first), "stall" (nothing more is told), "garbage" (no JSON), "timeless" (a
    window that never ends); "false_start": a turn begins and is never
    heard of again. turn_faults: those of the middle of a turn, for whichever line's turn begins next."""

    words: Callable[[], WordSource] = lambda: Script(["Hello there, can you help me?"], repeat=True)
    delay_ms: float = 60.0
    idle_s: float = 25.0
    api_key: str | None = None
    faults: deque[Fault] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    turn_faults: deque[Fault] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    lines: deque[FluxServerConnection] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))


def flux_app(sim: FluxSimulator | None = None) -> FastAPI:
    """A server with nothing but Flux."""
    app = FastAPI(title="Deepgram, simulated", openapi_url=None)
    add_flux(app, sim or FluxSimulator())

    @app.post("/simulator/faults")
    async def add_faults(body: FluxFaults) -> dict[str, int]:
        app.state.flux.faults.extend(body.faults)
        return {"waiting": len(app.state.flux.faults)}

    return app


def add_flux(app: FastAPI, sim: FluxSimulator) -> None:
    """Give an app the route /v2/listen. sim: settings and record, also as app.state.flux."""
    app.state.flux = sim

    @app.websocket("/v2/listen")
    async def listen(socket: WebSocket) -> None:
        line = FluxServerConnection(dict(socket.query_params))
        sim.lines.append(line)
        fault = sim.faults.popleft() if sim.faults else None
        status, why = _refusal(sim, socket, fault)
        if status:
            line.end("refused")
            body = {"err_code": why, "err_msg": why, "request_id": str(uuid.uuid4())}
            await socket.send_denial_response(JSONResponse(body, status_code=status))
            return
        await socket.accept()
        try:
            await _Served(sim, socket, line, fault).run()
        except* WebSocketDisconnect:
            line.end("disconnected")


def _refusal(sim: FluxSimulator, socket: WebSocket, fault: Fault | None) -> tuple[int, str]:
    """The status with which the handshake is refused, and why; 0: it is not."""
    key = socket.headers.get("authorization", "")
    if sim.api_key is not None and key not in (f"Token {sim.api_key}", f"Bearer {sim.api_key}"):
        return 401, "INVALID_AUTH"
    refusals = {"401": "INVALID_AUTH", "402": "ASR_PAYMENT_REQUIRED", "429": "TOO_MANY_REQUESTS", "500": "INTERNAL"}
    if fault in refusals:
        return int(fault), refusals[fault]
    try:
        _Query.model_validate(dict(socket.query_params))
    except ValidationError:
        return 400, "INVALID_QUERY_PARAMETER"
    return 0, ""


class _Query(BaseModel):
    model: Literal["flux-general-en", "flux-general-multi"]
    encoding: Literal["linear16", "mulaw"]
    sample_rate: Literal["8000", "16000", "24000", "44100", "48000"]
    eot_threshold: float = Field(default=0.7, ge=0.5, le=1)
    eager_eot_threshold: float | None = Field(default=None, ge=0.3, le=0.9)
    eot_timeout_ms: int = Field(default=5_000, ge=500, le=60_000)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.eager_eot_threshold is not None and self.eager_eot_threshold > self.eot_threshold:
            raise ValueError("eager_eot_threshold is above eot_threshold")
        return self


class _Served:
    """One connection, as long as it lasts."""

    def __init__(self, sim: FluxSimulator, socket: WebSocket, line: FluxServerConnection, fault: Fault | None) -> None:
        query = _Query.model_validate(line.query)
        self._sim, self._socket, self._line, self._fault = sim, socket, line, fault
        self._mulaw = query.encoding == "mulaw"
        self._rate = int(query.sample_rate)
        self._thresholds: dict[str, object] = {
            "eot_threshold": query.eot_threshold,
            "eager_eot_threshold": query.eager_eot_threshold,
            "eot_timeout_ms": query.eot_timeout_ms,
        }
        self._ears = SimulatedSTT(
            self._rate,
            sim.words(),
            eager=query.eager_eot_threshold,
            end=query.eot_threshold,
            timeout_ms=query.eot_timeout_ms,
        )
        self._request = str(uuid.uuid4())
        self._sequence = 0
        self._answers = Answers(socket, self._sent)
        self._words_told = 0
        self._mute = fault == "silent"

    async def run(self) -> None:
        async with self._answers.told():
            if not self._mute:
                self._tell("Connected")
            await self._receive()
            self._line.end("closed")
            self._answers.close(1000)

    def _sent(self, message: Json) -> None:
        if words := message.get("transcript"):
            self._line.told.append((time.monotonic(), message["event"], words))

    async def _receive(self) -> None:
        while True:
            try:
                message = await received(self._socket, self._sim.idle_s)
            except TimeoutError:
                self._fatal("NET-0001", "Did not receive audio data within the timeout window", 1011)
                return
            if (data := message.get("bytes")) is not None:
                await self._sound(data)
            elif not await self._control(message["text"]):
                return
            if self._line.ended == "faulty":
                return

    async def _sound(self, data: bytes) -> None:
        samples = samples_of(data, mulaw=self._mulaw)
        self._line.heard_ms += len(samples) * 1000 / self._rate
        if self._mute:
            return
        for event in await self._ears.push_audio(samples):
            self._event(event)
            if self._line.ended == "faulty":
                return

    def _event(self, event: STTScriptEvent) -> None:
        if event.kind == "ended":
            self._line.turns.append(event.text)
        self._words_told = max(self._words_told, len(event.words))
        self._tell("TurnInfo", **turn_info(event))
        if event.kind == "started" and self._sim.turn_faults:
            self._fault = self._sim.turn_faults.popleft()
        if event.kind == "started" and self._fault == "false_start":
            self._mute = True
        elif event.words and event.kind == "update":
            self._fail_in_turn()

    def _fail_in_turn(self) -> None:
        match self._fault:
            case "drop":
                self._line.end("faulty")
                self._answers.close(1011)
            case "error":
                self._fatal("INTERNAL_SERVER_ERROR", "An internal error occurred", 1011)
            case "stall":
                self._mute = True
            case "garbage":
                self._answers.garble('{"type": "TurnIn')
                self._mute = True
            case "timeless":
                self._answers.garble(TIMELESS)
                self._mute = True
            case _:
                pass

    def _fatal(self, code: str, description: str, close: int) -> None:
        self._line.end("faulty")
        self._tell("Error", code=code, description=description)
        self._answers.close(close)

    async def _control(self, text: str) -> bool:
        """False: the connection is over."""
        try:
            message = json.loads(text)
        except ValueError:
            message = {}
        kind = message.get("type") if isinstance(message, dict) else None
        if kind == "CloseStream":
            for event in await self._ears.force_end():
                self._event(event)
            return False
        if kind == "ForceEndTurn":
            for event in await self._ears.force_end():
                self._event(event)
        elif kind == "Configure":
            self._configure(message)
        else:
            # Flux knows no KeepAlive and no Finalize, though Deepgram's v1 does.
            self._fatal("UNPARSABLE_CLIENT_MESSAGE", f"Unknown message type {kind!r}", 1008)
            return False
        return True

    def _configure(self, message: Json) -> None:
        thresholds = message.get("thresholds")
        changed = self._thresholds | (dict(thresholds) if isinstance(thresholds, dict) else {})
        eager, end = changed["eager_eot_threshold"], changed["eot_threshold"]
        if not isinstance(end, int | float) or (isinstance(eager, int | float) and eager > end):
            self._tell("ConfigureFailure", code="INVALID_THRESHOLDS", description="eager is above eot")
            return
        self._thresholds = changed
        self._ears.end = float(end)
        self._ears.eager = float(eager) if isinstance(eager, int | float) else None
        keyterms = message.get("keyterms", [])
        self._tell("ConfigureSuccess", thresholds=changed, keyterms=keyterms, language_hints=None)

    def _tell(self, kind: str, **facts: object) -> None:
        message = {"type": kind, "request_id": self._request, "sequence_id": self._sequence, **facts}
        self._sequence += 1
        delay_ms = self._sim.delay_ms + (SLOW_MS if self._fault == "slow" else 0)
        self._answers.tell(message, delay_ms)


def turn_info(event: STTScriptEvent) -> dict[str, object]:
    """What a TurnInfo says of an event."""
    info: dict[str, object] = {
        "event": EVENTS[event.kind],
        "turn_index": event.turn,
        "audio_window_start": round(event.window_start_ms / 1000, 3),
        "audio_window_end": round(event.window_end_ms / 1000, 3),
        "transcript": event.text,
        "words": [
            {
                "word": word.word,
                "confidence": 0.98,
                "start": round(word.start_ms / 1000, 3),
                "end": round(word.end_ms / 1000, 3),
            }
            for word in event.words
        ],
        "end_of_turn_confidence": event.confidence,
    }
    if event.trigger is not None:
        info["trigger"] = event.trigger
    return info
