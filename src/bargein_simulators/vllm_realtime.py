"""vLLM's `/v1/realtime`, locally, as it serves Voxtral Realtime: words where there is speech, and faults on demand.

vLLM uses OpenAI's path and event names for another protocol: `session.update` is flat, the first commit starts the
generation, errors are plain text and end nothing. The protocol has no turns.
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
from starlette.websockets import WebSocket

from bargein.audio.pcm import Samples
from bargein_simulators.connection import KEPT_CONNECTIONS, SendQueue, SimulatedConnection, receive, serve_connection
from bargein_simulators.faults import take_fault
from bargein_simulators.mistral_realtime import word_deltas
from bargein_simulators.simulated_stt import Script, SimulatedSTT, WordSource

Fault = Literal["401", "404", "500", "drop", "error", "stall", "garbage"]

RATE = 16_000
DELTA_SAMPLES = RATE * 80 // 1000  # the model gives one delta for each 80 ms
MAX_WAITING_SAMPLES = 60 * RATE  # before the first commit; the vendor names no bound
MODEL = "mistralai/Voxtral-Mini-4B-Realtime-2602"


@dataclass(slots=True)
class VLLMServerConnection(SimulatedConnection):
    """The record of one connection."""

    text: str = ""
    """The transcript that was sent."""
    errors: list[str] = field(default_factory=list)
    """Codes of the errors that were sent."""


@dataclass(slots=True)
class VLLMRealtimeSimulator:
    """How the server behaves, and its record.

    A fault happens at a connection's first words: "drop" closes the socket, "error" sends a processing_error and
    nothing more, "stall" sends nothing more, "garbage" sends what is no JSON.
    """

    words: Callable[[], WordSource] = lambda: Script(["Hello there, can you help me?"], repeat=True)
    """Makes the source of each generation's words."""
    model: str = MODEL
    """The model that is served."""
    delay_ms: float = 200.0
    """From the arrival of audio to the events about it."""
    empty: bool = True
    """Send an empty delta for each 80 ms without a word."""
    api_key: str | None = None
    """The key that is required. None: any."""
    faults: deque[Fault] = field(default_factory=lambda: deque(maxlen=KEPT_CONNECTIONS))
    """One for each connection, taken from the left."""
    connections: deque[VLLMServerConnection] = field(default_factory=lambda: deque(maxlen=KEPT_CONNECTIONS))
    """The last connections, the newest last."""


def add_vllm_realtime(app: FastAPI, sim: VLLMRealtimeSimulator) -> None:
    """Give an app the route /v1/realtime. The simulator is also app.state.vllm_realtime.

    OpenAI has the same path: an app serves only one of the two.
    """
    app.state.vllm_realtime = sim

    @app.websocket("/v1/realtime")
    async def realtime(socket: WebSocket) -> None:
        connection = VLLMServerConnection()
        sim.connections.append(connection)
        fault = take_fault(sim.faults)
        status = int(fault) if fault in ("401", "404", "500") else 0
        if sim.api_key is not None and socket.headers.get("authorization") != f"Bearer {sim.api_key}":
            status = 401
        refusal = JSONResponse({"error": f"Refused: {status}"}, status_code=status) if status else None
        await serve_connection(socket, connection, refusal, lambda: _Handler(sim, socket, connection, fault).run())


class _Disconnect(Exception):
    """The fault "drop"."""


class _Handler:
    """Handles one connection."""

    def __init__(
        self, sim: VLLMRealtimeSimulator, socket: WebSocket, connection: VLLMServerConnection, fault: Fault | None
    ) -> None:
        self._sim, self._socket, self._connection, self._fault = sim, socket, connection, fault
        self._validated = self._muted = False
        self._waiting_audio: list[Samples] = []  # audio that came before the generation
        self._stt: SimulatedSTT | None = None  # of the running generation
        self._sent_words = 0  # of the present utterance
        self._samples = self._deltas = 0  # of the generation: audio that came, and deltas that were sent
        self._send_queue = SendQueue(socket)

    async def run(self) -> None:
        async with self._send_queue.sending():
            try:
                self._send("session.created", id=f"sess-{uuid.uuid4().hex}", created=int(time.time()))
                while True:
                    await self._message((await receive(self._socket)).get("text") or "")
            except _Disconnect:
                self._send_queue.close(1011)

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
        elif self._stt is None and sum(map(len, self._waiting_audio)) + len(samples) > MAX_WAITING_SAMPLES:
            self._error("Too much audio before the first commit", "processing_error")
        elif self._stt is None:
            self._waiting_audio.append(samples)
        else:
            await self._push_audio(self._stt, samples)

    async def _start(self) -> None:
        if self._stt is not None:
            return  # a commit during a generation changes nothing
        # A generation has no turns. Here they only move a script to its next text.
        self._stt = SimulatedSTT(RATE, self._sim.words(), eager=None, end=0.7)
        self._samples = self._deltas = self._sent_words = 0
        waiting_audio, self._waiting_audio = self._waiting_audio, []
        for samples in waiting_audio:
            await self._push_audio(self._stt, samples)

    async def _push_audio(self, stt: SimulatedSTT, samples: Samples) -> None:
        self._samples += len(samples)
        self._connection.audio_ms += len(samples) * 1000 / RATE
        if self._muted:
            return  # the script's words are for a connection that can send them
        for event in await stt.push_audio(samples):
            for word in event.words[self._sent_words :]:
                for delta in word_deltas(word.word, first=not self._connection.text):
                    self._send_delta(delta)
            self._sent_words = max(self._sent_words, len(event.words))
            if event.kind == "ended":
                self._sent_words = 0
            elif event.words and event.kind == "update":
                self._fail()
        while self._sim.empty and self._deltas < self._samples // DELTA_SAMPLES:
            self._send_delta("")

    def _send_delta(self, delta: str) -> None:
        self._deltas += 1
        self._connection.text += delta
        self._send("transcription.delta", delta=delta)

    async def _finish(self) -> None:
        if self._stt is None:
            return
        for event in await self._stt.force_end():
            for word in event.words[self._sent_words :]:
                self._send_delta(f" {word.word}")
        self._stt = None
        usage = {"prompt_tokens": self._deltas, "completion_tokens": self._deltas, "total_tokens": 2 * self._deltas}
        self._send("transcription.done", text=self._connection.text, usage=usage)

    def _fail(self) -> None:
        match self._fault:
            case "drop":
                self._connection.end("faulty")
                raise _Disconnect
            case "error":
                self._fault = None
                self._error("The engine died", "processing_error")
                self._muted = True
            case "stall":
                self._muted = True
            case "garbage":
                self._send_queue.send_raw('{"type": "transcr')
                self._muted = True
            case _:
                pass

    def _error(self, message: str, code: str) -> None:
        self._connection.errors.append(code)
        self._send("error", error=message, code=code)

    def _send(self, kind: str, **facts: object) -> None:
        if self._muted:
            return
        self._send_queue.send({"type": kind, **facts}, self._sim.delay_ms)
