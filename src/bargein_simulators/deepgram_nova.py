"""Deepgram Nova (v1 listen), locally: real turns in the sound it gets, words from a script, faults on demand."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal
from weakref import WeakKeyDictionary

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from bargein.audio.pcm import Pcm
from bargein_simulators.deepgram_nova_wire import NovaQuery, metadata, results
from bargein_simulators.simulated_stt import WORD_MS, RecognizedWord, Script, SimulatedSTT, STTScriptEvent, WordSource
from bargein_simulators.socket import KEPT_LINES, Answers, SimulatedSocket, received, samples_of

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
QUIET_INTERIM_MS, QUIET_FINAL_MS = 1_000, 3_000  # how often something is told of silence
NO_SOUND = "Deepgram did not receive audio data or a text message within the timeout window. See NET-0001"
NEVER = 1.1  # a confidence that is not reached


class NovaFaults(BaseModel):
    """Faults for the next lines, one each."""

    faults: list[Fault]


@dataclass(slots=True)
class NovaServerConnection(SimulatedSocket):
    """query: what it asked for; finals: that were told; controls: messages that came (kept_alive: released by each
    KeepAlive)."""

    query: dict[str, str]
    finals: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    controls: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    kept_alive: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))


@dataclass(slots=True)
class NovaSimulator:
    """words: gives each line its words; delay_ms: from a sound's arrival to what is told of it; final_ms: of speech,
    after which its words are made final within a turn; idle_s: without sound or KeepAlive, after which a line is
    ended; api_key: the key that is demanded, or None; faults: one for each line, taken from the left. At the
    `fail_at`th update of its first turn the line has: "drop" (the socket closes), "error" (a message first), "stall"
    (nothing more is told), "garbage" (no JSON), "malformed" (Results without words or times), "timeless"
    (Results that never end)."""

    words: Callable[[], WordSource] = lambda: Script(["Hello there, can you help me?"], repeat=True)
    delay_ms: float = 60.0
    final_ms: float = 3_000.0
    idle_s: float = 10.0
    fail_at: int = 1
    api_key: str | None = None
    faults: deque[Fault] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    lines: deque[NovaServerConnection] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    said: WeakKeyDictionary[WordSource, int] = field(default_factory=WeakKeyDictionary)  # words that are final


def nova_app(sim: NovaSimulator | None = None) -> FastAPI:
    """A server with nothing but Nova."""
    app = FastAPI(title="Deepgram Nova, simulated", openapi_url=None)
    sim = sim or NovaSimulator()
    add_nova(app, sim)

    @app.post("/simulator/faults")
    async def add_faults(body: NovaFaults) -> dict[str, int]:
        sim.faults.extend(body.faults)
        return {"waiting": len(sim.faults)}

    return app


def add_nova(app: FastAPI, sim: NovaSimulator) -> None:
    """Give an app the route /v1/listen. sim: settings and record, also as app.state.nova."""
    app.state.nova = sim

    @app.websocket("/v1/listen")
    async def listen(socket: WebSocket) -> None:
        line = NovaServerConnection(dict(socket.query_params))
        sim.lines.append(line)
        fault = sim.faults.popleft() if sim.faults else None
        status, why = _refusal(sim, socket, fault)
        if status:
            line.end("refused")
            key = socket.headers.get("authorization", "")  # said back, as real servers may: no adapter may pass it on
            body = {"err_code": why, "err_msg": f"{why}: {key}", "request_id": str(uuid.uuid4())}
            await socket.send_denial_response(JSONResponse(body, status_code=status))
            return
        await socket.accept()
        try:
            await _Served(sim, socket, line, fault).run()
        except* WebSocketDisconnect:
            line.end("disconnected")


def _refusal(sim: NovaSimulator, socket: WebSocket, fault: Fault | None) -> tuple[int, str]:
    """The status with which the handshake is refused, and why; 0: it is not."""
    key = socket.headers.get("authorization", "")
    if sim.api_key is not None and key not in (f"Token {sim.api_key}", f"Bearer {sim.api_key}"):
        return 401, "INVALID_AUTH"
    if fault is not None and fault.isdigit():
        return int(fault), {"401": "INVALID_AUTH", "402": "ASR_PAYMENT_REQUIRED"}.get(fault, "Bad Request")
    try:
        NovaQuery.model_validate(dict(socket.query_params))
    except ValidationError:
        return 400, "Bad Request"
    return 0, ""


class _Rest:
    """A WordSource that gives what earlier lines did not make final in the present turn: those were kept by whoever
    heard them, and are not sent again."""

    def __init__(self, sim: NovaSimulator, source: WordSource) -> None:
        self._said, self._source = sim.said, source
        self._skip: int | None = None  # known with the turn's first look

    async def words(self, pcm: Pcm, stretch: int, lasted_ms: float, over: bool) -> Sequence[str]:
        if self._skip is None:
            self._skip = self._said.get(self._source, 0)
        # The first word at once, as in a script that begins here.
        spoken_ms = max(lasted_ms, WORD_MS) + self._skip * WORD_MS
        words = await self._source.words(pcm, stretch, spoken_ms, over)
        return words[self._skip :]

    def final(self, count: int) -> None:
        """So many words of the turn, from its first on this line, are final."""
        if isinstance(self._source, Script):  # one who reads hears only the sound that is sent again
            self._said[self._source] = (self._skip or 0) + count

    def ended(self) -> None:
        self._said.pop(self._source, None)
        self._skip = None
        self._source.ended()


class _Served:
    """One connection, as long as it lasts."""

    def __init__(self, sim: NovaSimulator, socket: WebSocket, line: NovaServerConnection, fault: Fault | None) -> None:
        self._query = NovaQuery.model_validate(line.query)
        self._sim, self._socket, self._line, self._fault = sim, socket, line, fault
        self._rate = self._query.sample_rate
        self._rest = _Rest(sim, sim.words())
        pause_ms = self._query.pause_ms
        self._ears = SimulatedSTT(
            self._rate,
            self._rest,
            eager=None,
            end=NEVER if pause_ms is None or pause_ms > 1_000 else max(pause_ms, 50) / 1_000,
            timeout_ms=pause_ms or self._query.utterance_end_ms or 1_000,
        )
        self._request = str(uuid.uuid4())
        self._answers = Answers(socket)
        self._from_ms = 0.0  # where the present stretch begins: what is before it is final
        self._final = 0  # words of the present turn that are
        self._updates = 0  # in turns
        self._told_ms = 0.0  # how far
        self._gap_ms: float | None = None  # when an UtteranceEnd is due
        self._last_ms = 0.0  # end of the last word
        self._mute = fault == "silent"

    async def run(self) -> None:
        async with self._answers.told():
            await self._receive()
            self._line.end("closed")
            self._answers.close(1000)

    async def _receive(self) -> None:
        while True:
            try:
                message = await received(self._socket, self._sim.idle_s)
            except TimeoutError:
                self._line.end("faulty")
                self._answers.close(1011, NO_SOUND)
                return
            if (data := message.get("bytes")) is not None:
                await self._sound(data)
            elif not await self._control(message["text"]):
                return
            if self._line.ended == "faulty":
                return

    async def _control(self, text: str) -> bool:
        """False: the connection is over."""
        try:
            message = json.loads(text)
        except ValueError:
            message = None
        kind = str(message.get("type")) if isinstance(message, dict) else "no JSON"
        self._line.controls.append(kind)
        if kind in ("Finalize", "CloseStream"):
            for event in [] if self._mute else await self._ears.force_end():
                self._ended(event, finalize=kind == "Finalize")
            if kind == "CloseStream":
                self._tell(metadata(self._request, self._line.heard_ms))
                return False
        elif kind == "KeepAlive":
            self._line.kept_alive.release()
        else:
            self._tell({"type": "Error", "variant": "SchemaError", "description": "Unknown message", "message": text})
        return True

    async def _sound(self, data: bytes) -> None:
        if self._mute:
            return  # and nothing is heard: the words wait for a line that tells them
        samples = samples_of(data, mulaw=self._query.encoding == "mulaw")
        self._line.heard_ms += len(samples) * 1000 / self._rate
        for event in await self._ears.push_audio(samples):
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

    def _over(self) -> bool:
        """Whether the line has failed."""
        return self._mute or self._line.ended == "faulty"

    # ------------------------------------------------------------------------------------------- what is told

    def _started(self, event: STTScriptEvent) -> None:
        self._gap_ms = None
        if self._query.vad_events == "true":
            self._tell({"type": "SpeechStarted", "channel": [0], "timestamp": round(event.words[0].start_ms / 1000, 3)})
        self._interim(event)

    def _update(self, event: STTScriptEvent) -> None:
        words = self._words(event)
        if len(words) > 1 and event.window_end_ms - max(self._from_ms, words[0].start_ms) >= self._sim.final_ms:
            # All but the last, which may not be over.
            until_ms = words[-1].start_ms
            self._results(words[:-1], until_ms, final=True)
            self._final += len(words) - 1
            self._rest.final(self._final)
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
        elif self._query.interim_results == "true" and now - self._told_ms >= QUIET_INTERIM_MS:
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
        """Those that are not final yet. The ears spread all words of the turn over its sound, ever anew; final ones
        keep their times, so that the others have the rest."""
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
        self._tell({"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": round(self._last_ms / 1000, 3)})

    def _results(
        self,
        words: Sequence[RecognizedWord],
        until_ms: float,
        *,
        final: bool = False,
        over: bool = False,
        from_finalize: bool = False,
    ) -> None:
        self._told_ms = until_ms
        written = "true" in (self._query.punctuate, self._query.smart_format)
        message = results(self._request, words, self._from_ms, until_ms, final, over, written, from_finalize)
        if final and words:
            self._line.finals.append(" ".join(word.word for word in words))
        self._tell(message)

    def _fail(self) -> None:
        match self._fault:
            case "drop":
                self._line.end("faulty")
                self._answers.close(1011, "NET-0000")
            case "error":
                self._line.end("faulty")
                self._tell({"type": "Error", "variant": "InternalError", "description": "Something went wrong"})
                self._answers.close(1011, "NET-0000")
            case "stall":
                self._mute = True
            case "garbage":
                self._answers.garble('{"type": "Resul')
                self._mute = True
            case "malformed":
                self._answers.garble('{"type": "Results", "channel": {"alternatives": []}}')
                self._mute = True
            case "timeless":
                self._answers.garble(TIMELESS)
                self._mute = True
            case _:
                pass

    def _tell(self, message: dict[str, object]) -> None:
        if self._mute:
            return
        delay_ms = self._sim.delay_ms + (SLOW_MS if self._fault == "slow" else 0)
        self._answers.tell(message, delay_ms)
