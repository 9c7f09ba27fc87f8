"""vLLM's `/v1/realtime`, locally, as it serves Voxtral Realtime: words where there is speech, and faults on demand.

It borrows OpenAI's names and path, and is another protocol: a flat `session.update`, a first commit that starts the
generation, errors that are plain text and end nothing. It knows no turns.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from bargein.audio.pcm import Samples
from bargein_simulators.mistral_realtime import pieces
from bargein_simulators.simulated_stt import Script, SimulatedSTT, WordSource
from bargein_simulators.socket import KEPT_LINES, Answers, SimulatedSocket, received

Fault = Literal["401", "404", "500", "drop", "error", "stall", "garbage"]

RATE = 16_000
PIECE = RATE * 80 // 1000  # samples for which the model gives one piece
MOST_WAITING = 60 * RATE  # samples before the first commit; the vendor itself names no bound
MODEL = "mistralai/Voxtral-Mini-4B-Realtime-2602"


@dataclass(slots=True)
class VLLMServerConnection(SimulatedSocket):
    """text: that was told; errors: their codes."""

    text: str = ""
    errors: list[str] = field(default_factory=list)


@dataclass(slots=True)
class VLLMRealtimeSimulator:
    """words: gives each generation its words; model: what is served; delay_ms: from a sound's arrival to what is told
    of it; empty: an empty piece for each 80 ms without a word; api_key: the key that is demanded, or None; faults: one
    for each line, taken from the left. In the middle of its first words the line has: "drop" (the socket closes),
    "error" (processing_error, and nothing more), "stall" (nothing more), "garbage" (no JSON)."""

    words: Callable[[], WordSource] = lambda: Script(["Hello there, can you help me?"], repeat=True)
    model: str = MODEL
    delay_ms: float = 200.0
    empty: bool = True
    api_key: str | None = None
    faults: deque[Fault] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    lines: deque[VLLMServerConnection] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))


def add_vllm_realtime(app: FastAPI, sim: VLLMRealtimeSimulator) -> None:
    """Give an app the route /v1/realtime, which is also OpenAI's: the two go on no app together. sim: settings and
    record, also as app.state.vllm_realtime."""
    app.state.vllm_realtime = sim

    @app.websocket("/v1/realtime")
    async def realtime(socket: WebSocket) -> None:
        line = VLLMServerConnection()
        sim.lines.append(line)
        fault = sim.faults.popleft() if sim.faults else None
        status = int(fault) if fault in ("401", "404", "500") else 0
        if sim.api_key is not None and socket.headers.get("authorization") != f"Bearer {sim.api_key}":
            status = 401
        if status:
            line.end("refused")
            await socket.send_denial_response(JSONResponse({"error": f"Refused: {status}"}, status_code=status))
            return
        await socket.accept()
        try:
            await _Served(sim, socket, line, fault).run()
        except* WebSocketDisconnect:
            line.end("disconnected")


class _Dropped(Exception):
    """The fault "drop"."""


class _Served:
    """One connection, as long as it lasts."""

    def __init__(
        self, sim: VLLMRealtimeSimulator, socket: WebSocket, line: VLLMServerConnection, fault: Fault | None
    ) -> None:
        self._sim, self._socket, self._line, self._fault = sim, socket, line, fault
        self._validated = self._mute = False
        self._waiting: list[Samples] = []  # sound that came before the start
        self._ears: SimulatedSTT | None = None  # the running generation
        self._told = 0  # words of the present utterance
        self._samples = self._given = 0  # of the generation: heard, and pieces told
        self._answers = Answers(socket)

    async def run(self) -> None:
        async with self._answers.told():
            try:
                self._tell("session.created", id=f"sess-{uuid.uuid4().hex}", created=int(time.time()))
                while True:
                    await self._message((await received(self._socket)).get("text") or "")
            except _Dropped:
                self._answers.close(1011)

    async def _message(self, text: str) -> None:
        try:
            event = json.loads(text)
        except ValueError:
            self._error("Invalid JSON", "invalid_json")
            return
        if not isinstance(event, dict):
            self._error("The event is no object", "processing_error")
            return
        match event.get("type"):
            case "session.update":
                self._update(event.get("model"))
            case "input_audio_buffer.append":
                await self._append(event.get("audio"))
            case "input_audio_buffer.commit" if not self._validated:
                self._error("Model not validated: send a session.update event", "model_not_validated")
            case "input_audio_buffer.commit" if event.get("final"):
                await self._finish()
            case "input_audio_buffer.commit":
                await self._start()
            case kind:
                self._error(f"Unknown event type: {kind}", "unknown_event")

    def _update(self, model: object) -> None:
        if model is None:
            self._error("Missing required field: model", "invalid_event")
        elif model != self._sim.model:
            self._error(f"The model `{model}` does not exist.", "model_not_found")
        else:
            self._validated = True

    async def _append(self, audio: object) -> None:
        if not isinstance(audio, str):
            self._error("The field audio is missing", "processing_error")
            return
        try:
            data = base64.b64decode(audio)
            samples = np.frombuffer(data, "<i2").astype(np.int16)
        except (binascii.Error, ValueError):
            samples = np.zeros(0, np.int16)
        if not len(samples):
            self._error("Invalid audio data", "invalid_audio")
        elif self._ears is None and sum(map(len, self._waiting)) + len(samples) > MOST_WAITING:
            self._error("Too much audio before the first commit", "processing_error")
        elif self._ears is None:
            self._waiting.append(samples)
        else:
            await self._hear(self._ears, samples)

    async def _start(self) -> None:
        if self._ears is not None:
            return  # it is ignored
        # A generation knows no turns: in these ears they serve only to take the next text of a script.
        self._ears = SimulatedSTT(RATE, self._sim.words(), eager=None, end=0.7)
        self._samples = self._given = self._told = 0
        waiting, self._waiting = self._waiting, []
        for samples in waiting:
            await self._hear(self._ears, samples)

    async def _hear(self, ears: SimulatedSTT, samples: Samples) -> None:
        self._samples += len(samples)
        self._line.heard_ms += len(samples) * 1000 / RATE
        if self._mute:
            return  # a script's words are for the line that tells them
        for event in await ears.push_audio(samples):
            for word in event.words[self._told :]:
                for piece in pieces(word.word, first=not self._line.text):
                    self._delta(piece)
            self._told = max(self._told, len(event.words))
            if event.kind == "ended":
                self._told = 0
            elif event.words and event.kind == "update":
                self._fail()
        while self._sim.empty and self._given < self._samples // PIECE:
            self._delta("")

    def _delta(self, piece: str) -> None:
        self._given += 1
        self._line.text += piece
        self._tell("transcription.delta", delta=piece)

    async def _finish(self) -> None:
        if self._ears is None:
            return
        for event in await self._ears.force_end():
            for word in event.words[self._told :]:
                self._delta(f" {word.word}")
        self._ears = None
        usage = {"prompt_tokens": self._given, "completion_tokens": self._given, "total_tokens": 2 * self._given}
        self._tell("transcription.done", text=self._line.text, usage=usage)

    def _fail(self) -> None:
        match self._fault:
            case "drop":
                self._line.end("faulty")
                raise _Dropped
            case "error":
                self._fault = None
                self._error("The engine died", "processing_error")
                self._mute = True
            case "stall":
                self._mute = True
            case "garbage":
                self._answers.garble('{"type": "transcr')
                self._mute = True
            case _:
                pass

    def _error(self, message: str, code: str) -> None:
        self._line.errors.append(code)
        self._tell("error", error=message, code=code)

    def _tell(self, kind: str, **facts: object) -> None:
        if self._mute:
            return
        self._answers.tell({"type": kind, **facts}, self._sim.delay_ms)
