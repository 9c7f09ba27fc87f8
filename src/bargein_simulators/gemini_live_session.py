"""One connection to the simulated Gemini Live: its turns, its generation, its tool calls."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from base64 import b64encode
from collections import deque
from typing import Any

import numpy as np
from google.genai import types
from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from bargein.audio.pcm import Pcm, Samples
from bargein.audio.resample import resample
from bargein_simulators.chat_wire import ServedToolCall
from bargein_simulators.connection import SimulatedConnection, receive, samples_of
from bargein_simulators.gemini_live_behavior import KEPT, GeminiLiveSimulator, LiveTurn
from bargein_simulators.realtime_vad import SimulatedServerVAD

RATE, VAD_RATE = 24_000, 16_000
OUTER = {
    "realtime_input": "realtimeInput",
    "client_content": "clientContent",
    "tool_response": "toolResponse",
    "context_update": "contextUpdate",
}
Json = dict[str, Any]


class LiveClose(Exception):
    """The server closes the connection. code: of the close frame."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class GeminiLiveSession(SimulatedConnection):
    """The record of one connection, and the connection itself."""

    def __init__(self, sim: GeminiLiveSimulator, socket: WebSocket) -> None:
        super().__init__()
        self._sim, self._socket = sim, socket
        self.setup: types.LiveClientSetup | None = None
        self.input: types.RealtimeInputConfig | None = None
        self.resumed = False
        """The connection went on with a handle."""
        self.turns: list[LiveTurn] = []
        self.received: deque[Json] = deque(maxlen=20_000)
        """Messages that came, without audio."""
        self.sent: deque[Json] = deque(maxlen=20_000)
        """Messages that were sent, without audio."""
        self.closed = 0
        """The code with which we closed."""
        self.activity_ms: list[float] = []
        """Length of the audio of each activity."""
        self.starts_ms: list[float] = []
        """When each activityStart came, by the monotonic clock."""
        self._activity: list[Samples] | None = None
        self._activity_rate = 16_000
        self._texts: list[str] = []
        self._vad: SimulatedServerVAD | None = None
        self._generation: asyncio.Task[None] | None = None
        self._said = ""  # by the running generation
        self._waiting: dict[str, str] = {}  # tool calls: id -> name
        self._cancelled: set[str] = set()
        self._results: list[str] = []
        self._history = False  # the next clientContent is the conversation so far
        self._quiet = False  # the fault "no_end" of the generation
        self._tasks: set[asyncio.Task[None]] = set()
        self._over: asyncio.Future[LiveClose] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Serve the connection until its end."""
        reading = asyncio.create_task(self._read(), name="simulated gemini live: read")
        try:
            waited: list[asyncio.Future[Any]] = [reading, self._over]
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            close = self._over.result() if self._over.done() else None
            if close is None:
                error = reading.exception()
                if error is not None and not isinstance(error, LiveClose | WebSocketDisconnect):
                    raise error
                close = error if isinstance(error, LiveClose) else None
            if close is None:
                self.end("disconnected")
            else:
                self.closed = close.code
                self.end("faulty" if close.code == 1006 else "closed")
                await self._socket.close(1011 if close.code == 1006 else close.code, close.reason)
        finally:
            self._over.cancel()
            tasks = [reading, *self._tasks, *([self._generation] if self._generation else [])]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def close(self, code: int, reason: str = "") -> None:
        """Close the connection now."""
        if not self._over.done():
            self._over.set_result(LiveClose(code, reason))

    async def send(self, message: Json) -> None:
        """Send a message, as a binary frame. It is one of the SDK's own type, or a ValidationError."""
        types.LiveServerMessage.model_validate(message)
        if "modelTurn" not in message.get("serverContent", {}):
            self.sent.append(message)
        await self._socket.send_bytes(json.dumps(message).encode())

    async def go_away(self) -> None:
        """Tell the client to go, and end the connection when its time is over."""
        left = self._sim.go_away_ms / 1000
        await self.send({"goAway": {"timeLeft": f"{left:g}s"}})
        await asyncio.sleep(left)
        self.close(1011, "Deadline expired before operation could complete.")

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -------------------------------------------------------------------------------------------------- messages

    async def _read(self) -> None:
        await self._set_up(await self._next())
        if self._sim.life_ms is not None:
            self._spawn(self._live(self._sim.life_ms))
        while True:
            message = await self._next()
            for outer, inner in OUTER.items():
                if outer in message:
                    message[inner] = message.pop(outer)
            try:
                parsed = types.LiveClientMessage.model_validate(message)
            except ValidationError as error:
                raise LiveClose(1007, f"Invalid JSON payload received: {error.errors()[0]['loc']}"[:120]) from error
            if parsed.realtime_input is not None:
                await self._realtime_input(parsed.realtime_input)
            elif parsed.client_content is not None:
                await self._client_content(parsed.client_content)
            elif parsed.tool_response is not None:
                await self._tool_response(parsed.tool_response)
            else:
                raise LiveClose(1007, "Setup is allowed once only")

    async def _next(self) -> Json:
        message = await receive(self._socket)
        try:
            data = json.loads(message.get("text") or message.get("bytes") or b"")
        except ValueError as error:
            raise LiveClose(1007, "Invalid JSON payload received.") from error
        if not isinstance(data, dict) or len(data) != 1:
            raise LiveClose(1007, "Exactly one field of the message must be set")
        if "audio" not in (data.get("realtimeInput") or data.get("realtime_input") or {}):
            self.received.append(data)
        return data

    async def _set_up(self, message: Json) -> None:
        if "setup" not in message:
            raise LiveClose(1007, "The first message must be setup")
        given = dict(message["setup"])
        try:
            self.input = types.RealtimeInputConfig.model_validate(given.pop("realtimeInputConfig", None) or {})
            self.setup = types.LiveClientSetup.model_validate(given)
        except ValidationError as error:
            raise LiveClose(1007, f"Invalid setup: {error.errors()[0]['loc']}"[:120]) from error
        if not (self.setup.model or "").startswith(("models/", "tunedModels/")):
            raise LiveClose(1008, f"{self.setup.model} is not found for API version v1beta")
        resumption = self.setup.session_resumption
        refused = self._sim.fault("refuse_handle") if resumption and resumption.handle else None
        if resumption is not None and resumption.handle:
            if refused or self._sim.forget_handles or resumption.handle not in self._sim.handles:
                raise LiveClose(1007, "BidiGenerateContent session not found")
            self.turns = list(self._sim.handles[resumption.handle])
            self.resumed = True
        if (fault := self._sim.fault("1007", "1008", "1011")) is not None:
            reason = {"1007": "Request contains an invalid argument.", "1008": "The model is not found"}
            raise LiveClose(int(fault), reason.get(fault, "Internal error encountered."))
        self._history = bool(self.setup.history_config and self.setup.history_config.initial_history_in_client_content)
        detection = self.input.automatic_activity_detection
        if detection is None or not detection.disabled:
            self._vad = SimulatedServerVAD(VAD_RATE)
        await self.send({"setupComplete": {"sessionId": uuid.uuid4().hex}})

    async def _live(self, life_ms: float) -> None:
        await asyncio.sleep(max(0.0, life_ms - self._sim.go_away_ms) / 1000)
        await self.go_away()

    # ------------------------------------------------------------------------------------------------- the user

    async def _realtime_input(self, given: types.LiveClientRealtimeInput) -> None:
        if given.audio is not None:
            await self._audio(given.audio)
        elif given.activity_start is not None or given.activity_end is not None:
            if self._vad is not None:
                raise LiveClose(1007, "Explicit activity control is not supported with automatic detection")
            await (self._start() if given.activity_start is not None else self._end())
        elif given.text is not None:
            if self._activity is not None:
                self._texts.append(given.text)
            else:
                await self._interrupt()
                await self._user("", [given.text])

    async def _audio(self, blob: types.Blob) -> None:
        if self._waiting:
            raise LiveClose(1008, "Operation is not implemented, or supported, or enabled.")
        kind, _, rate = (blob.mime_type or "").partition(";rate=")
        if kind != "audio/pcm":
            raise LiveClose(1007, "The audio must be audio/pcm")
        self._activity_rate = int(rate or 16_000)
        samples = samples_of(blob.data or b"")
        self.audio_ms += len(samples) * 1000 / self._activity_rate
        if self._activity is not None:
            self._activity.append(samples)
        if self._vad is not None:
            for found in self._vad.push_audio(resample(Pcm(samples, self._activity_rate), VAD_RATE).samples):
                await (self._start() if found.kind == "started" else self._end())

    async def _start(self) -> None:
        if self._activity is None:
            self._activity = []
            self.starts_ms.append(time.monotonic() * 1000)
            await self._interrupt()

    async def _end(self) -> None:
        if self._activity is None:
            raise LiveClose(1007, "activityEnd without activityStart")
        samples = np.concatenate(self._activity or [np.zeros(0, np.int16)])
        self._activity = None
        pcm = resample(Pcm(samples, self._activity_rate), VAD_RATE)
        self.activity_ms.append(pcm.ms)
        texts, self._texts = self._texts, []
        said = await self._sim.words(pcm) if len(samples) else ""
        if said and self._sim.fault("no_transcript") is None:
            self._spawn(self._transcript(said))
        await self._user(said, texts)

    async def _transcript(self, said: str) -> None:
        await asyncio.sleep(self._sim.transcript_ms / 1000)
        for number, word in enumerate(said.split()):
            text = f" {word}" if number else word
            await self.send({"serverContent": {"inputTranscription": {"text": text}}})

    async def _user(self, said: str, texts: list[str]) -> None:
        notes = tuple(text for text in texts if text.startswith("["))
        typed = [text for text in texts if not text.startswith("[")]
        self.turns.append(LiveTurn("user", " ".join(part for part in (said, *typed) if part), notes))
        self._generate(self.turns[-1].text)

    async def _client_content(self, given: types.LiveClientContent) -> None:
        history, self._history = self._history, self._history and not given.turn_complete
        if not history and given.turn_complete:
            await self._interrupt()
        made = [(turn.role or "user", [part.text or "" for part in turn.parts or ()]) for turn in given.turns or ()]
        for role, texts in made:
            notes = tuple(text for text in texts if text.startswith("["))
            words = " ".join(text for text in texts if not text.startswith("["))
            self.turns.append(LiveTurn("model" if role == "model" else "user", words, notes))
        if given.turn_complete and not history:
            users = [turn.text for turn in self.turns if turn.role == "user" and turn.text]
            last = self.turns[-1] if self.turns else None
            self._generate(last.text if last and last.text else users[-1] if users else "")

    async def _tool_response(self, given: types.LiveClientToolResponse) -> None:
        for response in given.function_responses or ():
            if response.id not in self._waiting:
                raise LiveClose(1008, f"No function call {response.id} waits for a response")
            del self._waiting[response.id]
            self._results.append(str((response.response or {}).get("output") or response.response))
            if self._sim.fault("cancel_tool"):
                await self.send({"toolCallCancellation": {"ids": [response.id]}})
        if not self._waiting and self._results:
            results, self._results = self._results, []
            self._generate(f"Result: {' '.join(results)}", calls=False)

    # ------------------------------------------------------------------------------------------------ the model

    async def _interrupt(self) -> None:
        if self._waiting:
            self._cancelled |= set(self._waiting)
            await self.send({"toolCallCancellation": {"ids": list(self._waiting)}})
            self._waiting.clear()
            self._results.clear()
        if self._generation is None or self._generation.done():
            return
        self._generation.cancel()
        await asyncio.gather(self._generation, return_exceptions=True)
        if self._said:
            self.turns.append(LiveTurn("model", self._said))
        if self._sim.fault("no_end") is not None:
            return
        if self._sim.fault("only_complete") is None:
            await self.send({"serverContent": {"interrupted": True}})
        await self.send({"serverContent": {"turnComplete": True}})

    def _generate(self, said: str, *, calls: bool = True) -> None:
        self._said = ""
        declared = bool(self.setup and self.setup.tools)
        parts = self._sim.answer(said, self.turns, calls=calls and declared)
        self._generation = asyncio.create_task(self._speak(parts), name="simulated gemini live: generate")

    async def _speak(self, parts: list[str | ServedToolCall]) -> None:
        await asyncio.sleep(self._sim.first_audio_ms / 1000)
        if self._sim.fault("silent") is not None:
            return
        for part in parts:
            if isinstance(part, str):
                await self._say(part)
            else:
                name = f"call-{uuid.uuid4().hex[:12]}"
                self._waiting[name] = part.tool
                call = {"id": name, "name": part.tool, "args": json.loads(part.arguments)}
                await self.send({"toolCall": {"functionCalls": [call]}})
        if self._waiting:
            return
        await self.send({"serverContent": {"generationComplete": True}})
        self.turns.append(LiveTurn("model", self._said))
        self._said = ""
        await self.send({"serverContent": {"turnComplete": True}, "usageMetadata": {"totalTokenCount": 1}})
        if self.setup is not None and self.setup.session_resumption is not None:
            handle = uuid.uuid4().hex
            self._sim.handles[handle] = tuple(self.turns)
            while len(self._sim.handles) > KEPT:
                del self._sim.handles[next(iter(self._sim.handles))]
            await self.send({"sessionResumptionUpdate": {"newHandle": handle, "resumable": True}})

    async def _say(self, text: str) -> None:
        spoken = await self._sim.speech.say(text, RATE)
        samples, size = spoken.pcm.samples, int(RATE * self._sim.chunk_ms / 1000)
        words, told = list(spoken.words), 0
        middle = len(samples) // 2
        for at in range(0, len(samples), size):
            now_ms = at * 1000 / RATE
            while words and words[0].start_ms <= now_ms + 1000:  # text comes ahead of its audio
                words.pop(0)
                until = words[0].begin if words else len(text)
                await self._text(text[told:until] if told or not self._said else f" {text[told:until]}")
                told = until
            data = b64encode(samples[at : at + size].tobytes()).decode()
            blob = {"mimeType": f"audio/pcm;rate={RATE}", "data": data}
            await self.send({"serverContent": {"modelTurn": {"role": "model", "parts": [{"inlineData": blob}]}}})
            if self._sim.speed:
                await asyncio.sleep(self._sim.chunk_ms / 1000 / self._sim.speed)
            if at <= middle < at + size:
                await self._middle()
        if told < len(text):
            await self._text(text[told:])

    async def _text(self, text: str) -> None:
        self._said += text
        await self.send({"serverContent": {"outputTranscription": {"text": text}}})

    async def _middle(self) -> None:
        """The middle of a reply: the faults of a turn happen here."""
        match self._sim.fault("drop", "go_away", "phantom", "stall", "garbage"):
            case "drop":
                self.close(1006)
                await asyncio.Event().wait()
            case "go_away":
                self._spawn(self.go_away())
            case "stall":
                await asyncio.Event().wait()
            case "garbage":
                await self._socket.send_bytes(b'{"serverContent": {"modelT')
            case "phantom":
                await self.send({"serverContent": {"interrupted": True}})
                await self.send({"serverContent": {"turnComplete": True}})
                self._generation = None  # a later turn finds nothing to interrupt
                raise asyncio.CancelledError
            case _:
                pass
