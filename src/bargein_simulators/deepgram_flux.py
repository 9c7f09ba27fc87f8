"""Deepgram Flux (v2 listen), locally: turns found in real audio, words from a script, faults on demand."""

from __future__ import annotations

import json
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.websockets import WebSocket

from bargein_simulators.connection import (
    KEPT_CONNECTIONS,
    Json,
    SendQueue,
    SimulatedConnection,
    receive,
    serve_connection,
)
from bargein_simulators.deepgram_audio import ClientAudio, UndecodableAudio
from bargein_simulators.deepgram_flux_wire import FluxQuery, FluxThresholds, configured, turn_info
from bargein_simulators.deepgram_handshake import key_fits, refused
from bargein_simulators.faults import add_fault_route, take_fault
from bargein_simulators.simulated_stt import Script, SimulatedSTT, STTScriptEvent, WordSource

Fault = Literal[
    "401", "402", "429", "500", "silent", "error", "drop", "stall", "garbage", "timeless", "slow", "false_start"
]

SLOW_MS = 2_000
TIMELESS = (
    '{"type": "TurnInfo", "request_id": "x", "sequence_id": 99, "event": "EndOfTurn", "turn_index": 0, "words": [],'
    ' "audio_window_start": 0, "audio_window_end": Infinity, "transcript": "can", "end_of_turn_confidence": 0.1}'
)


@dataclass(slots=True)
class FluxServerConnection(SimulatedConnection):
    """The record of one connection."""

    query: dict[str, str]
    """Query of the handshake."""
    sent_turns: deque[tuple[float, str, str]] = field(default_factory=lambda: deque(maxlen=KEPT_CONNECTIONS))
    """Last events with words that left: when (s, by the monotonic clock), the event's name, its transcript."""
    turns: list[str] = field(default_factory=list)
    """Transcripts of the turns that ended."""


@dataclass(slots=True)
class FluxSimulator:
    """How the server behaves, and its record.

    Faults of a turn happen at its first words: "drop" closes the socket, "error" sends a fatal message first, "stall"
    sends nothing more, "garbage" sends what is no JSON, "timeless" sends a window without an end. "false_start" begins
    a turn and sends nothing more.
    """

    words: Callable[[], WordSource] = lambda: Script(["Hello there, can you help me?"], repeat=True)
    """Makes the source of each connection's words."""
    delay_ms: float = 60.0
    """From the arrival of audio to the events about it."""
    idle_s: float = 25.0
    """Without audio, after which a connection ends with an error."""
    api_key: str | None = None
    """The key that is required. None: any."""
    faults: deque[Fault] = field(default_factory=lambda: deque(maxlen=KEPT_CONNECTIONS))
    """One for each connection, taken from the left."""
    turn_faults: deque[Fault] = field(default_factory=lambda: deque(maxlen=KEPT_CONNECTIONS))
    """One for each turn, of any connection, taken from the left."""
    connections: deque[FluxServerConnection] = field(default_factory=lambda: deque(maxlen=KEPT_CONNECTIONS))
    """The last connections, the newest last."""


def flux_app(sim: FluxSimulator | None = None) -> FastAPI:
    """A server with Flux alone."""
    app = FastAPI(title="Deepgram, simulated", openapi_url=None)
    sim = sim or FluxSimulator()
    add_flux(app, sim)
    add_fault_route(app, sim.faults, get_args(Fault))
    return app


def add_flux(app: FastAPI, sim: FluxSimulator) -> None:
    """Give an app the route /v2/listen. The simulator is also app.state.flux."""
    app.state.flux = sim

    @app.websocket("/v2/listen")
    async def listen(socket: WebSocket) -> None:
        connection = FluxServerConnection(dict(socket.query_params))
        sim.connections.append(connection)
        fault = take_fault(sim.faults)
        refusal = _refusal(sim, socket, fault)
        await serve_connection(socket, connection, refusal, lambda: _Handler(sim, socket, connection, fault).run())


def _refusal(sim: FluxSimulator, socket: WebSocket, fault: Fault | None) -> JSONResponse | None:
    """The response to a handshake that is refused."""
    if not key_fits(sim.api_key, socket):
        return refused(401, "INVALID_AUTH")
    refusals = {"401": "INVALID_AUTH", "402": "ASR_PAYMENT_REQUIRED", "429": "TOO_MANY_REQUESTS", "500": "INTERNAL"}
    if fault in refusals:
        return refused(int(fault), refusals[fault])
    try:
        FluxQuery.model_validate(dict(socket.query_params))
    except ValidationError as error:
        first = error.errors()[0]
        where = str(first["loc"][0]) if first["loc"] else "query"
        return refused(400, "INVALID_QUERY_PARAMETER", message=f"Invalid {where}: {first['msg']}")
    return None


class _Handler:
    """Handles one connection."""

    def __init__(
        self, sim: FluxSimulator, socket: WebSocket, connection: FluxServerConnection, fault: Fault | None
    ) -> None:
        query = FluxQuery.model_validate(connection.query)
        self._sim, self._socket, self._connection, self._fault = sim, socket, connection, fault
        self._input = ClientAudio(query.encoding, None if query.sample_rate is None else int(query.sample_rate))
        self._thresholds: FluxThresholds = query
        self._multilingual = query.model == "flux-general-multi"
        self._keyterms: list[str] = socket.query_params.getlist("keyterm")
        self._hints: list[str] = socket.query_params.getlist("language_hint")
        self._stt: SimulatedSTT | None = None  # from the first samples on
        self._request = str(uuid.uuid4())
        self._sequence = 0
        self._send_queue = SendQueue(socket, self._record)
        self._muted = fault == "silent"

    async def run(self) -> None:
        async with self._send_queue.sending():
            if not self._muted:
                self._send("Connected")
            await self._receive()
            self._connection.end("closed")
            self._send_queue.close(1000)

    def _record(self, message: Json) -> None:
        if words := message.get("transcript"):
            self._connection.sent_turns.append((time.monotonic(), message["event"], words))

    async def _receive(self) -> None:
        while True:
            try:
                message = await receive(self._socket, self._sim.idle_s)
            except TimeoutError:
                self._fatal("NET-0001", "Did not receive audio data within the timeout window", 1011)
                return
            if (data := message.get("bytes")) is not None:
                await self._audio(data)
            elif not await self._control(message["text"]):
                return
            if self._connection.ended == "faulty":
                return

    async def _audio(self, data: bytes) -> None:
        try:
            samples = self._input.push(data)
        except UndecodableAudio as error:
            self._fatal("UNPARSABLE_AUDIO", str(error), 1008)
            return
        if samples is None:
            return
        self._connection.audio_ms += len(samples) * 1000 / self._input.rate
        if self._muted:
            return
        if self._stt is None:
            self._stt = SimulatedSTT(self._input.rate, self._sim.words())
            self._apply(self._stt)
        for event in await self._stt.push_audio(samples):
            self._event(event)
            if self._connection.ended == "faulty":
                return

    def _event(self, event: STTScriptEvent) -> None:
        if event.kind == "ended":
            self._connection.turns.append(event.text)
        self._send("TurnInfo", **turn_info(event))
        if event.kind == "started" and self._sim.turn_faults:
            self._fault = self._sim.turn_faults.popleft()
        if event.kind == "started" and self._fault == "false_start":
            self._muted = True
        elif event.words and event.kind == "update":
            self._fail_in_turn()

    def _fail_in_turn(self) -> None:
        match self._fault:
            case "drop":
                self._connection.end("faulty")
                self._send_queue.close(1011)
            case "error":
                self._fatal("INTERNAL_SERVER_ERROR", "An internal error occurred", 1011)
            case "stall":
                self._muted = True
            case "garbage":
                self._send_queue.send_raw('{"type": "TurnIn')
                self._muted = True
            case "timeless":
                self._send_queue.send_raw(TIMELESS)
                self._muted = True
            case _:
                pass

    def _fatal(self, code: str, description: str, close: int) -> None:
        self._connection.end("faulty")
        self._send("Error", code=code, description=description)
        self._send_queue.close(close)

    async def _control(self, text: str) -> bool:
        """Handle a text message. Returns False when the connection is over."""
        try:
            message = json.loads(text)
        except ValueError:
            message = {}
        kind = message.get("type") if isinstance(message, dict) else None
        if kind == "CloseStream":
            await self._force_end()
            return False
        if kind == "ForceEndTurn":
            await self._force_end()
        elif kind == "Configure":
            self._configure(message)
        else:
            # Flux has no KeepAlive and no Finalize, which Deepgram's v1 has.
            self._fatal("UNPARSABLE_CLIENT_MESSAGE", f"Unknown message type {kind!r}", 1008)
            return False
        return True

    async def _force_end(self) -> None:
        for event in [] if self._stt is None else await self._stt.force_end():
            self._event(event)

    def _apply(self, stt: SimulatedSTT) -> None:
        """Give the STT the thresholds."""
        stt.end, stt.eager = self._thresholds.end, self._thresholds.eager_eot_threshold
        stt.timeout_ms = self._thresholds.eot_timeout_ms

    def _configure(self, message: Json) -> None:
        try:
            configure, thresholds = configured(self._thresholds, message)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            self._send("ConfigureFailure", code="INVALID_CONFIGURATION", description=f"{where}: {first['msg']}")
            return
        if configure.language_hints and not self._multilingual:
            words = "language_hints are for flux-general-multi"
            self._send("ConfigureFailure", code="INVALID_CONFIGURATION", description=words)
            return
        self._thresholds = thresholds
        if self._stt is not None:
            self._apply(self._stt)
        self._keyterms = self._keyterms if configure.keyterms is None else configure.keyterms
        self._hints = self._hints if configure.language_hints is None else configure.language_hints
        facts: dict[str, object] = {"thresholds": thresholds.model_dump(include=set(FluxThresholds.model_fields))}
        if self._multilingual:
            facts["language_hints"] = self._hints
        if configure.numerals is not None:
            facts["numerals"] = configure.numerals
        self._send("ConfigureSuccess", keyterms=self._keyterms, **facts)

    def _send(self, kind: str, **facts: object) -> None:
        message = {"type": kind, "request_id": self._request, "sequence_id": self._sequence, **facts}
        self._sequence += 1
        delay_ms = self._sim.delay_ms + (SLOW_MS if self._fault == "slow" else 0)
        self._send_queue.send(message, delay_ms)
