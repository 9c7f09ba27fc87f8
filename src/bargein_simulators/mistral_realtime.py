"""Mistral's realtime transcription, locally: real turns in the sound it gets, words from a script, faults on demand.

Every event is checked by the SDK's types as it leaves, where the SDK is installed. Where its wire is not documented, it
does what was seen of it: an error ends the session, and without turn detection nothing is told but words.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn, Self

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.websockets import WebSocket, WebSocketDisconnect

from bargein_simulators.simulated_stt import RecognizedWord, Script, SimulatedSTT, STTScriptEvent, WordSource
from bargein_simulators.socket import KEPT_LINES, Answers, Json, SimulatedSocket, received, samples_of

try:
    from mistralai.extra.realtime.connection import UnknownRealtimeEvent, parse_realtime_event

    CHECKED = True
except ImportError:  # it serves as well without Mistral's SDK, and then trusts itself
    CHECKED = False

Fault = Literal["401", "404", "429", "500", "drop", "error", "stall", "garbage"]

MOST_BYTES = 262_144  # decoded, in one message
BAD_SESSION, TIMED_OUT, INTERNAL = 3051, 3804, 3000
EVENTS = {"eager_end": "turn.eager_end", "resumed": "turn.resume"}
OLD = "-2602"  # models without turn detection, languages and context_bias


@dataclass(slots=True)
class MistralServerConnection(SimulatedSocket):
    """model: that was asked for; session: its settings; turns: that ended in it; told: the events that left."""

    model: str
    session: dict[str, Any] = field(default_factory=dict)
    turns: list[str] = field(default_factory=list)
    told: deque[Json] = field(default_factory=lambda: deque(maxlen=2_000))


@dataclass(slots=True)
class MistralRealtimeSimulator:
    """words: gives each line its words; delay_ms: from a sound's arrival to what is told of it; idle_s: without sound,
    after which a line is ended with an error; api_key: the key that is demanded, or None; models: what is served (None:
    any); faults: one for each line, taken from the left. In the middle of its first turn the line has: "drop" (the
    socket closes), "error" (an error event first), "stall" (nothing more is told), "garbage" (no JSON)."""

    words: Callable[[], WordSource] = lambda: Script(["Hello there, can you help me?"], repeat=True)
    delay_ms: float = 200.0
    idle_s: float = 30.0
    api_key: str | None = None
    models: frozenset[str] | None = None
    faults: deque[Fault] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    lines: deque[MistralServerConnection] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))


def add_mistral_realtime(app: FastAPI, sim: MistralRealtimeSimulator) -> None:
    """Give an app the route /v1/audio/transcriptions/realtime. sim: settings and record, also as
    app.state.mistral_realtime."""
    app.state.mistral_realtime = sim

    @app.websocket("/v1/audio/transcriptions/realtime")
    async def transcribe(socket: WebSocket) -> None:
        line = MistralServerConnection(socket.query_params.get("model", ""))
        sim.lines.append(line)
        fault = sim.faults.popleft() if sim.faults else None
        if status := _refusal(sim, socket, line, fault):
            line.end("refused")
            await socket.send_denial_response(JSONResponse({"detail": f"Refused: {status}"}, status_code=status))
            return
        await socket.accept()
        try:
            await _Served(sim, socket, line, fault).run()
        except* WebSocketDisconnect:
            line.end("disconnected")


def _refusal(
    sim: MistralRealtimeSimulator, socket: WebSocket, line: MistralServerConnection, fault: Fault | None
) -> int:
    """The status with which the handshake is refused; 0: it is not."""
    if sim.api_key is not None and socket.headers.get("authorization") != f"Bearer {sim.api_key}":
        return 401
    if fault in ("401", "404", "429", "500"):
        return int(fault)
    if not line.model or (sim.models is not None and line.model not in sim.models):
        return 404
    return 0


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Format(_Strict):
    encoding: Literal["pcm_s16le", "pcm_mulaw"] = "pcm_s16le"  # of the six there are
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


class _Over(Exception):
    """The session is over, with this code of the socket."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class _Served:
    """One connection, as long as it lasts."""

    def __init__(
        self, sim: MistralRealtimeSimulator, socket: WebSocket, line: MistralServerConnection, fault: Fault | None
    ) -> None:
        self._sim, self._socket, self._line, self._fault = sim, socket, line, fault
        self._session = _Session()
        self._request = uuid.uuid4().hex
        self._ears: SimulatedSTT | None = None  # from the first sound on
        self._told = 0  # words of the present turn
        self._in_turn = self._mute = False
        self._text = ""
        self._answers = Answers(socket)

    async def run(self) -> None:
        async with self._answers.told():
            try:
                self._tell("session.created", session=self._described())
                await self._receive()
            except _Over as over:
                self._answers.close(over.code)

    async def _receive(self) -> None:
        while True:
            try:
                message = await received(self._socket, self._sim.idle_s)
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
                self._line.end("closed")
                raise _Over(1000)
            case kind:
                self._error(f"Unknown event type: {kind!r}", INTERNAL)

    def _update(self, wishes: object) -> None:
        if self._ears is not None:
            self._error("Session fields cannot be changed after audio has started", BAD_SESSION)
        changed = self._session.model_dump(exclude_unset=True) | (wishes if isinstance(wishes, dict) else {"": wishes})
        try:
            self._session = _Session.model_validate(changed)
        except ValidationError as error:
            self._error(f"Invalid session: {error.errors()[0]['msg']}", BAD_SESSION)
        s = self._session
        if self._line.model.endswith(OLD) and (s.language or s.context_bias or s.turn_detection):
            self._error("This model does not take these session fields", BAD_SESSION)
        self._line.session = s.model_dump(exclude_none=True)
        self._tell("session.updated", session=self._described())

    def _described(self) -> dict[str, object]:
        session = self._session.model_dump()
        return {"request_id": self._request, "model": self._line.model, **session}

    async def _append(self, audio: object) -> None:
        try:
            data = base64.b64decode(audio, validate=True) if isinstance(audio, str) else b""
        except ValueError:  # no base64, or not even ASCII
            data = b""
        if not data or len(data) > MOST_BYTES:
            self._error(f"Audio must be base64 of 1 to {MOST_BYTES} bytes", INTERNAL)
        rate = self._session.audio_format.sample_rate
        if self._ears is None:
            turns = self._session.turn_detection or _Turns()
            quiet = turns.min_silence_ms / 1000  # the ears' confidence grows by one in a second of it
            self._ears = SimulatedSTT(
                rate,
                self._sim.words(),
                eager=min(1.0, max(1 - turns.eager_end_threshold, quiet)),
                end=min(1.0, max(1 - turns.end_threshold, quiet)),
                timeout_ms=5_000 if turns.end_timeout_ms is None else turns.end_timeout_ms,
            )
        samples = samples_of(data, mulaw=self._session.audio_format.encoding == "pcm_mulaw")
        self._line.heard_ms += len(samples) * 1000 / rate
        if self._mute:
            return  # a script's words are for the line that tells them
        for heard in await self._ears.push_audio(samples):
            self._heard(heard)

    async def _finish(self) -> None:
        """What is open is told to its end."""
        if self._ears is not None:
            for heard in await self._ears.force_end():
                self._heard(heard)
        seconds = round(self._line.heard_ms / 1000)
        usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "prompt_audio_seconds": seconds}
        self._tell(
            "transcription.done", model=self._line.model, text=self._text, language=None, segments=[], usage=usage
        )

    def _heard(self, event: STTScriptEvent) -> None:
        if event.words and not self._in_turn:
            self._in_turn = True
            self._turn("turn.start", event.words[0].start_ms)
        self._words(event.words)
        if event.kind in EVENTS:
            self._turn(EVENTS[event.kind], event.window_end_ms)
        elif event.kind == "ended":
            self._line.turns.append(event.text)
            reason = "timeout" if event.trigger == "timeout" else "threshold"
            self._turn("turn.end", event.window_end_ms, end_reason=reason)
            self._in_turn, self._told = False, 0
        elif event.words and event.kind == "update":
            self._fail_in_turn()

    def _turn(self, kind: str, at_ms: float, **facts: object) -> None:
        if self._session.turn_detection is not None:
            self._tell(kind, time_s=round(at_ms / 1000, 3), **facts)

    def _words(self, words: tuple[RecognizedWord, ...]) -> None:
        for word in words[self._told :]:
            for piece in pieces(word.word, first=not self._text):
                self._text += piece
                self._tell("transcription.text.delta", text=piece)
        self._told = max(self._told, len(words))

    def _fail_in_turn(self) -> None:
        match self._fault:
            case "drop":
                self._line.end("faulty")
                raise _Over(1011)
            case "error":
                self._line.end("faulty")
                self._error("Internal error", INTERNAL)
            case "stall":
                self._mute = True
            case "garbage":
                self._answers.garble('{"type": "turn.sta')
                self._mute = True
            case _:
                pass

    def _error(self, message: str, code: int) -> NoReturn:
        """Raises _Over: none is survived."""
        self._tell("error", error={"message": message, "code": code})
        self._line.end("error")
        raise _Over(1011)

    def _tell(self, kind: str, **facts: object) -> None:
        if self._mute:
            return
        event = checked({"type": kind, **facts})
        self._line.told.append(event)
        self._answers.tell(event, self._sim.delay_ms)


def checked(event: Json) -> Json:
    """The event, as Mistral's SDK reads it, too. Raises ValueError when it does not."""
    if CHECKED:
        typed = parse_realtime_event(event)
        if isinstance(typed, UnknownRealtimeEvent):
            raise ValueError(f"This is none of Mistral's events: {typed.error}")
    return event


def pieces(word: str, *, first: bool) -> tuple[str, ...]:
    """A word as a model writes it: with the space before it, and a longer one in two."""
    spaced = word if first else f" {word}"
    half = len(spaced) // 2
    return (spaced[:half], spaced[half:]) if len(word) > 4 else (spaced,)
