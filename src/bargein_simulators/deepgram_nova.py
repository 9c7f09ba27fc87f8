"""Deepgram Nova (v1 listen), locally: turns found in real audio, words from a script, faults on demand."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args
from weakref import WeakKeyDictionary

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.websockets import WebSocket

from bargein.audio.pcm import Pcm
from bargein_simulators.connection import (
    KEPT_CONNECTIONS,
    SendQueue,
    SimulatedConnection,
    receive,
    serve_connection,
)
from bargein_simulators.deepgram_audio import ClientAudio, UndecodableAudio
from bargein_simulators.deepgram_handshake import key_fits, refused
from bargein_simulators.deepgram_nova_wire import NovaQuery, configured, metadata, results
from bargein_simulators.faults import add_fault_route, take_fault
from bargein_simulators.simulated_stt import (
    NEVER,
    WORD_MS,
    RecognizedWord,
    Script,
    SimulatedSTT,
    STTScriptEvent,
    WordSource,
)

Fault = Literal[
    "400", "401", "402", "403", "404", "429", "500",
    "silent", "error", "drop", "stall", "garbage", "malformed", "timeless", "slow",
]  # fmt: skip

SLOW_MS = 2_000
TIMELESS = (
    '{"type": "Results", "channel_index": [0, 1], "start": 0, "duration": Infinity, "is_final": false,'
    ' "speech_final": false, "channel": {"alternatives": [{"transcript": "can", "confidence": 0.9, "words": []}]},'
    ' "metadata": {"request_id": "x", "model_info": {"name": "x", "version": "x", "arch": "x"}, "model_uuid": "x"}}'
)
QUIET_INTERIM_MS, QUIET_FINAL_MS = 1_000, 3_000  # how often silence is reported, by interim and by final results
NO_AUDIO = "Deepgram did not receive audio data or a text message within the timeout window. See NET-0001"
UNDECODABLE = "DATA-0000"  # reason of the close


@dataclass(slots=True)
class NovaServerConnection(SimulatedConnection):
    """The record of one connection."""

    query: dict[str, str]
    """Query of the handshake."""
    finals: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_CONNECTIONS))
    """Transcripts of the final results that were sent."""
    controls: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_CONNECTIONS))
    """Types of the text messages that came."""
    kept_alive: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    """Released once for each KeepAlive that comes."""


@dataclass(slots=True)
class NovaSimulator:
    """How the server behaves, and its record.

    A fault happens at the update `fail_at` of a connection's first turn: "drop" closes the socket, "error" sends an
    error first, "stall" sends nothing more, "garbage" sends what is no JSON, "malformed" sends Results without words
    or times, "timeless" sends Results without an end.
    """

    words: Callable[[], WordSource] = lambda: Script(["Hello there, can you help me?"], repeat=True)
    """Makes the source of each connection's words."""
    delay_ms: float = 60.0
    """From the arrival of audio to the results about it."""
    final_ms: float = 3_000.0
    """Length of speech after which its words become final within a turn."""
    idle_s: float = 10.0
    """Without audio or KeepAlive, after which a connection is closed."""
    fail_at: int = 1
    """Number of the update within turns, from 1, at which a fault happens."""
    api_key: str | None = None
    """The key that is required. None: any."""
    faults: deque[Fault] = field(default_factory=lambda: deque(maxlen=KEPT_CONNECTIONS))
    """One for each connection, taken from the left."""
    connections: deque[NovaServerConnection] = field(default_factory=lambda: deque(maxlen=KEPT_CONNECTIONS))
    """The last connections, the newest last."""
    final_words: WeakKeyDictionary[WordSource, int] = field(default_factory=WeakKeyDictionary)
    """For each source: how many words of its present turn are final, over all connections."""


def nova_app(sim: NovaSimulator | None = None) -> FastAPI:
    """A server with Nova alone."""
    app = FastAPI(title="Deepgram Nova, simulated", openapi_url=None)
    sim = sim or NovaSimulator()
    add_nova(app, sim)
    add_fault_route(app, sim.faults, get_args(Fault))
    return app


def add_nova(app: FastAPI, sim: NovaSimulator) -> None:
    """Give an app the route /v1/listen. The simulator is also app.state.nova."""
    app.state.nova = sim

    @app.websocket("/v1/listen")
    async def listen(socket: WebSocket) -> None:
        connection = NovaServerConnection(dict(socket.query_params))
        sim.connections.append(connection)
        fault = take_fault(sim.faults)
        refusal = _refusal(sim, socket, fault)
        await serve_connection(socket, connection, refusal, lambda: _Handler(sim, socket, connection, fault).run())


def _refusal(sim: NovaSimulator, socket: WebSocket, fault: Fault | None) -> JSONResponse | None:
    """The response to a handshake that is refused."""
    key = socket.headers.get("authorization", "")
    if not key_fits(sim.api_key, socket):
        return refused(401, "INVALID_AUTH", key)
    if fault is not None and fault.isdigit():
        code = {"401": "INVALID_AUTH", "402": "ASR_PAYMENT_REQUIRED"}.get(fault, "Bad Request")
        return refused(int(fault), code, key)
    try:
        NovaQuery.model_validate(dict(socket.query_params))
    except ValidationError:
        return refused(400, "Bad Request", key)
    return None


class _UnsentWords:
    """A WordSource that gives the words of a turn which no earlier connection made final.

    The client keeps final words, and does not send their audio again.
    """

    def __init__(self, sim: NovaSimulator, source: WordSource) -> None:
        self._final_words, self._words = sim.final_words, source
        self._skip: int | None = None  # known once the turn's words are first read

    async def words(self, pcm: Pcm, pauses: int, lasted_ms: float, over: bool) -> Sequence[str]:
        if self._skip is None:
            self._skip = self._final_words.get(self._words, 0)
        # The first word comes at once, as in a script that begins here.
        spoken_ms = max(lasted_ms, WORD_MS) + self._skip * WORD_MS
        words = await self._words.words(pcm, pauses, spoken_ms, over)
        return words[self._skip :]

    def final(self, count: int) -> None:
        """Make words of the turn final. count: of them, from the first on this connection."""
        if isinstance(self._words, Script):  # real STT gets only the audio that is sent again
            self._final_words[self._words] = (self._skip or 0) + count

    def ended(self) -> None:
        self._final_words.pop(self._words, None)
        self._skip = None
        self._words.ended()


class _Handler:
    """Handles one connection."""

    def __init__(
        self, sim: NovaSimulator, socket: WebSocket, connection: NovaServerConnection, fault: Fault | None
    ) -> None:
        self._query = NovaQuery.model_validate(connection.query)
        self._sim, self._socket, self._connection, self._fault = sim, socket, connection, fault
        self._input = ClientAudio(self._query.encoding, self._query.sample_rate)
        self._source = _UnsentWords(sim, sim.words())
        self._stt: SimulatedSTT | None = None  # from the first samples on
        self._request = str(uuid.uuid4())
        self._send_queue = SendQueue(socket)
        self._from_ms = 0.0  # audio position up to which everything is final
        self._final = 0  # final words of the present turn
        self._updates = 0  # within turns, so far
        self._reported_ms = 0.0  # audio position of the last results
        self._gap_ms: float | None = None  # audio position at which an UtteranceEnd is due
        self._last_ms = 0.0  # end of the last word
        self._muted = fault == "silent"

    async def run(self) -> None:
        async with self._send_queue.sending():
            await self._receive()
            self._connection.end("closed")
            self._send_queue.close(1000)

    async def _receive(self) -> None:
        while True:
            try:
                message = await receive(self._socket, self._sim.idle_s)
            except TimeoutError:
                self._connection.end("faulty")
                self._send_queue.close(1011, NO_AUDIO)
                return
            if (data := message.get("bytes")) is not None:
                await self._audio(data)
            elif not await self._control(message["text"]):
                return
            if self._connection.ended == "faulty":
                return

    async def _control(self, text: str) -> bool:
        """Handle a text message. Returns False when the connection is over."""
        try:
            message = json.loads(text)
        except ValueError:
            message = None
        kind = str(message.get("type")) if isinstance(message, dict) else "no JSON"
        self._connection.controls.append(kind)
        if kind in ("Finalize", "CloseStream"):
            for event in [] if self._muted or self._stt is None else await self._stt.force_end():
                self._ended(event, finalize=kind == "Finalize")
            if kind == "CloseStream":
                self._send(metadata(self._request, self._connection.audio_ms))
                return False
        elif kind == "KeepAlive":
            self._connection.kept_alive.release()
        elif kind == "Configure":
            answer = configured(self._request, self._query.model, message)
            if answer["type"] == "ConfigureSuccess":
                self._query = self._query.with_features(message.get("features") or {})
            self._send(answer)
        else:
            self._send({"type": "Error", "variant": "SchemaError", "description": "Unknown message", "message": text})
        return True

    async def _audio(self, data: bytes) -> None:
        if self._muted:
            return  # the audio is ignored: the script's words are for a connection that can send them
        try:
            samples = self._input.push(data)
        except UndecodableAudio:
            self._connection.end("faulty")
            self._send_queue.close(1008, UNDECODABLE)
            return
        if samples is None:
            return
        self._connection.audio_ms += len(samples) * 1000 / self._input.rate
        if self._stt is None:
            self._stt = self._listener()
        for event in await self._stt.push_audio(samples):
            match event.kind:
                case "started":
                    self._started(event)
                case "update" if event.words:
                    self._update(event)
                case "update":
                    self._quiet(event)
                case "ended":
                    self._ended(event)
                case _:
                    pass
            if self._over():
                return

    def _listener(self) -> SimulatedSTT:
        """The STT with the query's settings."""
        pause_ms = self._query.pause_ms
        return SimulatedSTT(
            self._input.rate,
            self._source,
            eager=None,
            end=NEVER if pause_ms is None or pause_ms > 1_000 else max(pause_ms, 50) / 1_000,
            timeout_ms=pause_ms or self._query.utterance_end_ms or 1_000,
        )

    def _over(self) -> bool:
        """Whether a fault has ended the connection or its answers."""
        return self._muted or self._connection.ended == "faulty"

    # ------------------------------------------------------------------------------------------------ results

    def _started(self, event: STTScriptEvent) -> None:
        self._gap_ms = None
        if self._query.vad_events == "true":
            self._send({"type": "SpeechStarted", "channel": [0], "timestamp": round(event.words[0].start_ms / 1000, 3)})
        self._interim(event)

    def _update(self, event: STTScriptEvent) -> None:
        words = self._words(event)
        if len(words) > 1 and event.window_end_ms - max(self._from_ms, words[0].start_ms) >= self._sim.final_ms:
            # All words but the last, which may still be growing.
            until_ms = words[-1].start_ms
            self._results(words[:-1], until_ms, final=True)
            self._final += len(words) - 1
            self._source.final(self._final)
            self._from_ms = until_ms
        self._interim(event)
        self._updates += 1
        if self._updates == self._sim.fail_at:
            self._fail()

    def _interim(self, event: STTScriptEvent) -> None:
        if self._query.interim_results == "true":
            self._results(self._words(event), event.window_end_ms)

    def _quiet(self, event: STTScriptEvent) -> None:
        now = event.window_end_ms
        if self._gap_ms is not None and now >= self._gap_ms:
            self._utterance_end()
        if now - self._from_ms >= QUIET_FINAL_MS:
            self._results((), now, final=True)
            self._from_ms = now
        elif self._query.interim_results == "true" and now - self._reported_ms >= QUIET_INTERIM_MS:
            self._results((), now)

    def _ended(self, event: STTScriptEvent, *, finalize: bool = False) -> None:
        words = self._words(event)
        pause = self._query.pause_ms is not None and not finalize
        self._results(words, event.window_end_ms, final=True, over=pause, from_finalize=finalize)
        self._from_ms, self._final = event.window_end_ms, 0
        self._last_ms = event.words[-1].end_ms if event.words else event.window_end_ms
        if self._query.utterance_end_ms is not None:
            self._gap_ms = self._last_ms + self._query.utterance_end_ms
            if event.window_end_ms >= self._gap_ms:
                self._utterance_end()

    def _words(self, event: STTScriptEvent) -> Sequence[RecognizedWord]:
        """The words that are not final yet.

        The STT spreads all words of a turn over its audio at every update. Final words keep their times, so the other
        words share the rest of the audio.
        """
        words = event.words[self._final :]
        if not words or not self._final:
            return words
        each = max(words[-1].end_ms - self._from_ms, 1.0) / len(words)
        return tuple(
            RecognizedWord(word.word, self._from_ms + each * k, self._from_ms + each * (k + 1))
            for k, word in enumerate(words)
        )

    def _utterance_end(self) -> None:
        self._gap_ms = None
        self._send({"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": round(self._last_ms / 1000, 3)})

    def _results(
        self,
        words: Sequence[RecognizedWord],
        until_ms: float,
        *,
        final: bool = False,
        over: bool = False,
        from_finalize: bool = False,
    ) -> None:
        self._reported_ms = until_ms
        written = "true" in (self._query.punctuate, self._query.smart_format)
        message = results(self._request, words, self._from_ms, until_ms, final, over, written, from_finalize)
        if final and words:
            self._connection.finals.append(" ".join(word.word for word in words))
        self._send(message)

    def _fail(self) -> None:
        match self._fault:
            case "drop":
                self._connection.end("faulty")
                self._send_queue.close(1011, "NET-0000")
            case "error":
                self._connection.end("faulty")
                self._send({"type": "Error", "variant": "InternalError", "description": "Something went wrong"})
                self._send_queue.close(1011, "NET-0000")
            case "stall":
                self._muted = True
            case "garbage":
                self._send_queue.send_raw('{"type": "Resul')
                self._muted = True
            case "malformed":
                self._send_queue.send_raw('{"type": "Results", "channel": {"alternatives": []}}')
                self._muted = True
            case "timeless":
                self._send_queue.send_raw(TIMELESS)
                self._muted = True
            case _:
                pass

    def _send(self, message: dict[str, object]) -> None:
        if self._muted:
            return
        delay_ms = self._sim.delay_ms + (SLOW_MS if self._fault == "slow" else 0)
        self._send_queue.send(message, delay_ms)
