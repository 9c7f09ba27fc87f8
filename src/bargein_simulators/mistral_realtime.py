"""Mistral's realtime transcription, locally: turns found in real audio, words from a script, faults on demand.

Where Mistral's SDK is installed, every event is checked by the SDK's types as it leaves. Two behaviours are not
documented and follow what the vendor was seen to do: an error ends the session, and without turn detection only words
are sent.
"""

from __future__ import annotations

import base64
import json
import math
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn, Self

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.websockets import WebSocket

from bargein_simulators.connection import (
    KEPT_CONNECTIONS,
    Json,
    SendQueue,
    SimulatedConnection,
    receive,
    samples_of,
    serve_connection,
)
from bargein_simulators.faults import take_fault
from bargein_simulators.simulated_stt import RecognizedWord, Script, SimulatedSTT, STTScriptEvent, WordSource

try:
    from mistralai.extra.realtime.connection import UnknownRealtimeEvent, parse_realtime_event

    CHECKED = True
except ImportError:  # without Mistral's SDK the simulator works all the same, and its events are not checked
    CHECKED = False

Fault = Literal["401", "404", "429", "500", "drop", "error", "stall", "garbage"]

MOST_BYTES = 262_144  # of decoded audio, in one message
BAD_SESSION, TIMED_OUT, INTERNAL = 3051, 3804, 3000
EVENTS = {"eager_end": "turn.eager_end", "resumed": "turn.resume"}
OLD = "-2602"  # models without turn detection, language and context_bias


@dataclass(slots=True)
class MistralServerConnection(SimulatedConnection):
    """The record of one connection."""

    model: str
    """Model of the query."""
    session: dict[str, Any] = field(default_factory=dict)
    """Settings of the session, after its last update."""
    turns: list[str] = field(default_factory=list)
    """Transcripts of the turns that ended."""
    sent: deque[Json] = field(default_factory=lambda: deque(maxlen=2_000))
    """The last events to the client."""


@dataclass(slots=True)
class MistralRealtimeSimulator:
    """How the server behaves, and its record.

    A fault happens at the first words of a connection's first turn: "drop" closes the socket, "error" sends an error
    first, "stall" sends nothing more, "garbage" sends what is no JSON.
    """

    words: Callable[[], WordSource] = lambda: Script(["Hello there, can you help me?"], repeat=True)
    """Makes the source of each connection's words."""
    delay_ms: float = 200.0
    """From the arrival of audio to the events about it."""
    idle_s: float = 30.0
    """Without audio, after which a connection ends with an error."""
    api_key: str | None = None
    """The key that is required. None: any."""
    models: frozenset[str] | None = None
    """Models that are served. None: any."""
    faults: deque[Fault] = field(default_factory=lambda: deque(maxlen=KEPT_CONNECTIONS))
    """One for each connection, taken from the left."""
    connections: deque[MistralServerConnection] = field(default_factory=lambda: deque(maxlen=KEPT_CONNECTIONS))
    """The last connections, the newest last."""


def add_mistral_realtime(app: FastAPI, sim: MistralRealtimeSimulator) -> None:
    """Give an app the route /v1/audio/transcriptions/realtime. The simulator is also app.state.mistral_realtime."""
    app.state.mistral_realtime = sim

    @app.websocket("/v1/audio/transcriptions/realtime")
    async def transcribe(socket: WebSocket) -> None:
        connection = MistralServerConnection(socket.query_params.get("model", ""))
        sim.connections.append(connection)
        fault = take_fault(sim.faults)
        status = _refusal(sim, socket, connection, fault)
        refusal = JSONResponse({"detail": f"Refused: {status}"}, status_code=status) if status else None
        await serve_connection(socket, connection, refusal, lambda: _Handler(sim, socket, connection, fault).run())


def _refusal(
    sim: MistralRealtimeSimulator, socket: WebSocket, connection: MistralServerConnection, fault: Fault | None
) -> int:
    """The status of a refused handshake. 0: it is accepted."""
    if sim.api_key is not None and socket.headers.get("authorization") != f"Bearer {sim.api_key}":
        return 401
    if fault in ("401", "404", "429", "500"):
        return int(fault)
    if not connection.model or (sim.models is not None and connection.model not in sim.models):
        return 404
    return 0


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Format(_Strict):
    encoding: Literal["pcm_s16le", "pcm_s32le", "pcm_f16le", "pcm_f32le", "pcm_mulaw", "pcm_alaw"] = "pcm_s16le"
    sample_rate: Literal[8_000, 16_000, 22_050, 24_000, 44_100, 48_000] = 16_000


class _Turns(_Strict):
    start_threshold: float = Field(default=0.5, ge=0, le=1)
    eager_end_threshold: float = Field(default=0.5, ge=0, le=1)
    end_threshold: float = Field(default=0.33, ge=0, le=1)
    min_silence_ms: int = Field(default=500, ge=0)
    end_timeout_ms: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.start_threshold >= self.eager_end_threshold > self.end_threshold:
            raise ValueError("start_threshold >= eager_end_threshold > end_threshold is demanded")
        if self.end_timeout_ms is not None and self.end_timeout_ms < self.min_silence_ms:
            raise ValueError("end_timeout_ms is below min_silence_ms")
        return self


class _Session(_Strict):
    audio_format: _Format = _Format()
    target_streaming_delay_ms: int | None = Field(default=None, gt=0)
    language: str | None = None
    context_bias: list[str] | None = None
    diarize: bool | None = None
    turn_detection: _Turns | None = None

    @model_validator(mode="after")
    def _compatible(self) -> Self:
        if self.diarize and self.turn_detection is not None:
            raise ValueError("Diarization is not compatible with turn detection")
        return self


class _SessionEnded(Exception):
    """The session is over. code: of the socket's close."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class _Handler:
    """Handles one connection."""

    def __init__(
        self, sim: MistralRealtimeSimulator, socket: WebSocket, connection: MistralServerConnection, fault: Fault | None
    ) -> None:
        self._sim, self._socket, self._connection, self._fault = sim, socket, connection, fault
        self._session = _Session()
        self._request = uuid.uuid4().hex
        self._stt: SimulatedSTT | None = None  # from the first audio on
        self._sent_words = 0  # of the present turn
        self._in_turn = self._muted = False
        self._text = ""  # since the last flush
        self._done_ms = 0.0  # audio position up to which the last flush told
        self._segments: list[dict[str, object]] = []  # turns since the last flush
        self._send_queue = SendQueue(socket)

    async def run(self) -> None:
        async with self._send_queue.sending():
            try:
                self._send("session.created", session=self._described())
                await self._receive()
            except _SessionEnded as over:
                self._send_queue.close(over.code)

    async def _receive(self) -> None:
        while True:
            try:
                message = await receive(self._socket, self._sim.idle_s)
            except TimeoutError:
                self._error("Timeout waiting for response from streaming transcription.", TIMED_OUT)
            try:
                event = json.loads(message.get("text") or "")
            except ValueError:
                self._error("Invalid JSON", INTERNAL)
            await self._event(event if isinstance(event, dict) else {})

    async def _event(self, event: Json) -> None:
        match event.get("type"):
            case "session.update":
                self._update(event.get("session"))
            case "input_audio.append":
                await self._append(event.get("audio"))
            case "input_audio.flush":
                await self._finish()
            case "input_audio.end":
                await self._finish()
                self._connection.end("closed")
                raise _SessionEnded(1000)
            case kind:
                self._error(f"Unknown event type: {kind!r}", INTERNAL)

    def _update(self, changes: object) -> None:
        if self._stt is not None:
            self._error("Session fields cannot be changed after audio has started", BAD_SESSION)
        changed = self._session.model_dump(exclude_unset=True) | (
            changes if isinstance(changes, dict) else {"": changes}
        )
        try:
            self._session = _Session.model_validate(changed)
        except ValidationError as error:
            self._error(f"Invalid session: {error.errors()[0]['msg']}", BAD_SESSION)
        s = self._session
        if self._connection.model.endswith(OLD) and (s.language or s.context_bias or s.turn_detection):
            self._error("This model does not take these session fields", BAD_SESSION)
        self._connection.session = s.model_dump(exclude_none=True)
        self._send("session.updated", session=self._described())

    def _described(self) -> dict[str, object]:
        session = self._session.model_dump()
        return {"request_id": self._request, "model": self._connection.model, **session}

    async def _append(self, audio: object) -> None:
        try:
            data = base64.b64decode(audio, validate=True) if isinstance(audio, str) else b""
        except ValueError:  # not base64, or not ASCII
            data = b""
        if not data or len(data) > MOST_BYTES:
            self._error(f"Audio must be base64 of 1 to {MOST_BYTES} bytes", INTERNAL)
        rate = self._session.audio_format.sample_rate
        if self._stt is None:
            turns = self._session.turn_detection or _Turns()
            quiet = turns.min_silence_ms / 1000  # SimulatedSTT's confidence grows from 0 to 1 in a second of quiet
            self._stt = SimulatedSTT(
                rate,
                self._sim.words(),
                eager=min(1.0, max(1 - turns.eager_end_threshold, quiet)),
                end=min(1.0, max(1 - turns.end_threshold, quiet)),
                timeout_ms=5_000 if turns.end_timeout_ms is None else turns.end_timeout_ms,
            )
        samples = samples_of(data, self._session.audio_format.encoding.removeprefix("pcm_"))
        self._connection.audio_ms += len(samples) * 1000 / rate
        if self._muted:
            return  # the script's words are for a connection that can send them
        for event in await self._stt.push_audio(samples):
            self._on_event(event)

    async def _finish(self) -> None:
        """End the open turn, and send its last words and the totals since the last flush."""
        if self._stt is not None:
            for event in await self._stt.force_end():
                self._on_event(event)
        audio_ms = self._connection.audio_ms
        tokens = len(self._text.split())
        usage = {
            "prompt_tokens": 0,
            "completion_tokens": tokens,
            "total_tokens": tokens,
            "prompt_audio_seconds": math.ceil((audio_ms - self._done_ms) / 1000),
        }
        self._send(
            "transcription.done",
            model=self._connection.model,
            text=self._text,
            language=None,
            segments=self._segments,
            usage=usage,
        )
        self._text, self._segments, self._done_ms = "", [], audio_ms

    def _on_event(self, event: STTScriptEvent) -> None:
        if event.words and not self._in_turn:
            self._in_turn = True
            self._turn("turn.start", event.words[0].start_ms)
        self._words(event.words)
        if event.kind in EVENTS:
            self._turn(EVENTS[event.kind], event.window_end_ms)
        elif event.kind == "ended":
            self._connection.turns.append(event.text)
            if event.words:
                self._segments.append(
                    {
                        "type": "transcription_segment",
                        "text": event.text,
                        "start": round(event.words[0].start_ms / 1000, 3),
                        "end": round(event.words[-1].end_ms / 1000, 3),
                    }
                )
            reason = "timeout" if event.trigger == "timeout" else "threshold"
            self._turn("turn.end", event.window_end_ms, end_reason=reason)
            self._in_turn, self._sent_words = False, 0
        elif event.words and event.kind == "update":
            self._fail_in_turn()

    def _turn(self, kind: str, at_ms: float, **facts: object) -> None:
        if self._session.turn_detection is not None:
            self._send(kind, time_s=round(at_ms / 1000, 3), **facts)

    def _words(self, words: tuple[RecognizedWord, ...]) -> None:
        for word in words[self._sent_words :]:
            for delta in word_deltas(word.word, first=not self._text):
                self._text += delta
                self._send("transcription.text.delta", text=delta)
        self._sent_words = max(self._sent_words, len(words))

    def _fail_in_turn(self) -> None:
        match self._fault:
            case "drop":
                self._connection.end("faulty")
                raise _SessionEnded(1011)
            case "error":
                self._connection.end("faulty")
                self._error("Internal error", INTERNAL)
            case "stall":
                self._muted = True
            case "garbage":
                self._send_queue.send_raw('{"type": "turn.sta')
                self._muted = True
            case _:
                pass

    def _error(self, message: str, code: int) -> NoReturn:
        """Raises _SessionEnded: the session survives no error."""
        self._send("error", error={"message": message, "code": code})
        self._connection.end("error")
        raise _SessionEnded(1011)

    def _send(self, kind: str, **facts: object) -> None:
        if self._muted:
            return
        event = checked({"type": kind, **facts})
        self._connection.sent.append(event)
        self._send_queue.send(event, self._sim.delay_ms)


def checked(event: Json) -> Json:
    """The event, once Mistral's SDK has read it. Raises ValueError for an event that the SDK does not know."""
    if CHECKED:
        typed = parse_realtime_event(event)
        if isinstance(typed, UnknownRealtimeEvent):
            raise ValueError(f"This is none of Mistral's events: {typed.error}")
    return event


def word_deltas(word: str, *, first: bool) -> tuple[str, ...]:
    """A word as a model writes it: after a space, and a word of more than four letters in two deltas.

    first: of the transcript, which no space precedes.
    """
    spaced = word if first else f" {word}"
    half = len(spaced) // 2
    return (spaced[:half], spaced[half:]) if len(word) > 4 else (spaced,)
