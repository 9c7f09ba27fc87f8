"""AssemblyAI Universal-Streaming (v3), locally: turns found in real audio, words from a script, faults on demand.

Every message is one of the SDK's own types as it leaves, and the query is read by the SDK's parameters.
"""

from __future__ import annotations

import json
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

import numpy as np
from assemblyai.streaming.v3.models import (
    BeginEvent,
    Encoding,
    ErrorEvent,
    HeartbeatEvent,
    RealTimeParameters,
    SpeechModel,
    TerminationEvent,
    TurnEvent,
)
from fastapi import FastAPI
from pydantic import BaseModel, ValidationError
from starlette.responses import JSONResponse
from starlette.websockets import WebSocket

from bargein.audio.mulaw import from_mulaw
from bargein.audio.pcm import Samples
from bargein_simulators.connection import KEPT_CONNECTIONS, SendQueue, SimulatedConnection, receive, serve_connection
from bargein_simulators.faults import add_fault_route, take_fault
from bargein_simulators.simulated_stt import Script, SimulatedSTT, STTScriptEvent, WordSource

Fault = Literal["401", "500", "4001", "3008", "silent", "error", "drop", "stall", "garbage", "slow"]

SLOW_MS = 2_000
HEARTBEAT_MS = 1_000.0
CHUNK_MS = (50.0, 1_000.0)
VERSION = "2025-05-12"
IDLE_S = 30.0
CODES = {"NOT_AUTHORIZED": 4001, "EXPIRED": 3008, "CHUNK": 3007, "INPUT": 3006, "JSON": 4100, "SCHEMA": 4101}


@dataclass(slots=True)
class UniversalServerConnection(SimulatedConnection):
    """The record of one connection."""

    query: dict[str, str]
    """Query of the handshake."""
    turns: list[str] = field(default_factory=list)
    """Transcripts of the turns that ended."""
    said: list[str] = field(default_factory=list)
    """Types of the client's messages of text."""


@dataclass(slots=True)
class UniversalSimulator:
    """How the server behaves, and its record.

    Faults of a turn happen at its first words: "drop" closes the socket, "error" sends an error first, "stall" sends
    nothing more, "garbage" sends what is no JSON. "4001" and "3008" close a session as it begins, with that code.
    """

    words: Callable[[], WordSource] = lambda: Script(["Hello there, can you help me?"], repeat=True)
    """Makes the source of each connection's words."""
    delay_ms: float = 80.0
    """From the arrival of audio to the messages about it."""
    api_key: str | None = None
    """The key that is required. None: any."""
    faults: deque[Fault] = field(default_factory=lambda: deque(maxlen=KEPT_CONNECTIONS))
    """One for each connection, taken from the left."""
    turn_faults: deque[Fault] = field(default_factory=lambda: deque(maxlen=KEPT_CONNECTIONS))
    """One for each turn, of any connection, taken from the left."""
    connections: deque[UniversalServerConnection] = field(default_factory=lambda: deque(maxlen=KEPT_CONNECTIONS))
    """The last connections, the newest last."""


def assemblyai_app(sim: UniversalSimulator | None = None) -> FastAPI:
    """A server with AssemblyAI alone."""
    app = FastAPI(title="AssemblyAI, simulated", openapi_url=None)
    sim = sim or UniversalSimulator()
    add_assemblyai(app, sim)
    add_fault_route(app, sim.faults, get_args(Fault))
    return app


def add_assemblyai(app: FastAPI, sim: UniversalSimulator) -> None:
    """Give an app the route /assemblyai/v3/ws."""

    @app.websocket("/assemblyai/v3/ws")
    async def listen(socket: WebSocket) -> None:
        connection = UniversalServerConnection(dict(socket.query_params))
        sim.connections.append(connection)
        fault = take_fault(sim.faults)
        handler = _Handler(sim, socket, connection, fault)
        await serve_connection(socket, connection, _refusal(fault), handler.run)


def _refusal(fault: Fault | None) -> JSONResponse | None:
    return JSONResponse({"error": fault}, int(fault)) if fault in ("401", "500") else None


def parameters(query: dict[str, str]) -> RealTimeParameters:
    """The query of a handshake. Raises ValidationError, ValueError."""
    given: dict[str, Any] = dict(query)
    for name in ("keyterms_prompt", "language_codes"):
        if name in given:
            given[name] = json.loads(given[name])
    read = RealTimeParameters.model_validate(given)
    if read.sample_rate is None or read.sample_rate <= 0:
        raise ValueError("Sample rate must be a positive integer")
    return read


class _Handler:
    """Handles one connection."""

    def __init__(
        self, sim: UniversalSimulator, socket: WebSocket, connection: UniversalServerConnection, fault: Fault | None
    ) -> None:
        self._sim, self._socket, self._connection, self._fault = sim, socket, connection, fault
        self._stt: SimulatedSTT | None = None
        self._rate = 16_000
        self._mulaw = False
        self._heartbeats = False
        self._told_ms = 0.0
        self._formats = False
        self._send_queue = SendQueue(socket)
        self._muted = fault == "silent"
        self._began_s = time.monotonic()

    async def run(self) -> None:
        async with self._send_queue.sending():
            if self._begins():
                await self._receive()
                self._connection.end("closed")
                self._send_queue.close(1000)

    def _begins(self) -> bool:
        """Whether the session begins. A wrong key is told by a close code, after the handshake."""
        key = self._socket.headers.get("authorization")
        if self._sim.api_key not in (None, key) or self._fault == "4001":
            return self._close("NOT_AUTHORIZED", "Not Authorized")
        if self._fault == "3008":
            return self._close("EXPIRED", "Session expired: maximum session duration exceeded")
        if self._socket.headers.get("assemblyai-version") != VERSION:
            return self._close("INPUT", "Unknown API version")
        try:
            read = parameters(self._connection.query)
        except (ValidationError, ValueError):
            return self._close("INPUT", "Input validation error")
        self._rate = int(read.sample_rate or 16_000)
        self._mulaw = read.encoding is Encoding.pcm_mulaw
        self._heartbeats, self._formats = bool(read.session_heartbeat), bool(read.format_turns)
        stt = self._stt = SimulatedSTT(self._rate, self._sim.words())
        if read.end_of_turn_confidence_threshold is not None:
            stt.end = max(read.end_of_turn_confidence_threshold, (read.min_turn_silence or 0) / 1000)
        stt.timeout_ms = float(read.max_turn_silence or stt.timeout_ms)
        if not self._muted:
            expires = datetime.now(UTC) + timedelta(hours=3)
            model = str(read.speech_model or SpeechModel.universal_streaming_english)
            self._send(BeginEvent(id=str(uuid.uuid4()), expires_at=expires, configuration={"model": model}))  # type: ignore[arg-type]
        return True

    def _close(self, code: str, reason: str) -> bool:
        self._connection.end("faulty")
        self._send_queue.close(CODES[code], reason)
        return False

    async def _receive(self) -> None:
        while self._connection.ended != "faulty":
            try:
                message = await receive(self._socket, IDLE_S)
            except TimeoutError:
                self._fatal(4031, "Session idle for too long")
                return
            if (data := message.get("bytes")) is not None:
                await self._audio(data)
            elif not await self._control(message["text"]):
                return

    async def _audio(self, data: bytes) -> None:
        samples: Samples = from_mulaw(data) if self._mulaw else np.frombuffer(data[: len(data) // 2 * 2], "<i2")
        lasts_ms = len(samples) * 1000 / self._rate
        if not CHUNK_MS[0] <= lasts_ms <= CHUNK_MS[1]:
            self._fatal(CODES["CHUNK"], f"Input Duration Violation: {lasts_ms:g} ms. Expected between 50 and 1000 ms")
            return
        self._connection.audio_ms += lasts_ms
        if self._muted or self._stt is None:
            return
        for event in await self._stt.push_audio(samples):
            self._event(event)
            if self._connection.ended == "faulty":
                return
        self._heartbeat()

    def _heartbeat(self) -> None:
        heard_ms = self._connection.audio_ms
        if self._heartbeats and not self._muted and heard_ms - self._told_ms >= HEARTBEAT_MS:
            self._told_ms = heard_ms
            lasted = int((time.monotonic() - self._began_s) * 1000)
            factor = heard_ms / max(lasted, 1)
            self._send(
                HeartbeatEvent(total_audio_received_ms=int(heard_ms), total_duration_ms=lasted, realtime_factor=factor)
            )

    def _event(self, event: STTScriptEvent) -> None:
        if event.kind in ("eager_end", "resumed") or not event.words:
            return
        over = event.kind == "ended"
        if over:
            self._connection.turns.append(event.text)
        self._turn(event, over=over, formatted=False)
        if over and self._formats:
            self._turn(event, over=True, formatted=True)
        if event.kind == "started" and self._sim.turn_faults:
            self._fault = self._sim.turn_faults.popleft()
        if event.kind == "update":
            self._fail_in_turn()

    def _turn(self, event: STTScriptEvent, *, over: bool, formatted: bool) -> None:
        final = len(event.words) if over else len(event.words) - 1
        words = [
            {
                "start": round(word.start_ms),
                "end": round(word.end_ms),
                "confidence": 0.98,
                "text": word.word,
                "word_is_final": n < final,
            }
            for n, word in enumerate(event.words)
        ]
        self._send(
            TurnEvent.model_validate(
                {
                    "type": "Turn",
                    "turn_order": event.turn,
                    "turn_is_formatted": formatted,
                    "end_of_turn": over,
                    "transcript": " ".join(word.word for word in event.words[:final]),
                    "end_of_turn_confidence": event.confidence,
                    "words": words,
                }
            )
        )

    def _fail_in_turn(self) -> None:
        match self._fault:
            case "drop":
                self._connection.end("faulty")
                self._send_queue.close(1011)
            case "error":
                self._fatal(3005, "Server error")
            case "stall":
                self._muted = True
            case "garbage":
                self._send_queue.send_raw('{"type": "Tur')
                self._muted = True
            case _:
                pass

    def _fatal(self, code: int, reason: str) -> None:
        self._connection.end("faulty")
        self._send(ErrorEvent(error_code=code, error=reason))
        self._send_queue.close(code, reason)

    async def _control(self, text: str) -> bool:
        """Handle a message of text. Returns False when the session is over."""
        try:
            message = json.loads(text)
        except ValueError:
            self._fatal(CODES["JSON"], "Endpoint received invalid JSON")
            return False
        kind = message.get("type") if isinstance(message, dict) else None
        self._connection.said.append(str(kind))
        if kind == "Terminate":
            await self._end_turn()
            self._send(TerminationEvent(audio_duration_seconds=int(self._connection.audio_ms / 1000)))
            return False
        if kind == "ForceEndpoint":
            await self._end_turn()
        elif kind not in ("KeepAlive", "UpdateConfiguration"):
            self._fatal(CODES["SCHEMA"], "Endpoint received a message with an invalid schema")
            return False
        return True

    async def _end_turn(self) -> None:
        for event in [] if self._stt is None else await self._stt.force_end():
            self._event(event)

    def _send(self, message: BaseModel) -> None:
        delay_ms = self._sim.delay_ms + (SLOW_MS if self._fault == "slow" else 0)
        self._send_queue.send(message.model_dump(mode="json", exclude_none=True), delay_ms)
