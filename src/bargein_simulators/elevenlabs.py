"""ElevenLabs' multi-context WebSocket, locally: espeak's voice with true times for every character, and faults."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from dataclasses import dataclass, field

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from bargein_simulators.simulated_tts import FAULT_AFTER, Chunk, Fault, Spoke, VoiceSettings, chunks, message, stopped

MOST_CONTEXTS = 5
VOICES = ("EXAVITQu4vr4xnSDxMaL",)


@dataclass(slots=True)
class ElevenLabsSimulator(VoiceSettings):
    """voices: whose ids are known (an empty tuple takes any); inactive_s: without a message, after which the socket is
    closed."""

    voices: tuple[str, ...] = ()
    inactive_s: float = 60.0


@dataclass(slots=True)
class _Context:
    id: str
    spoke: Spoke
    fault: Fault | None
    pending: str = ""
    told_ms: float = 0.0
    sent: int = 0
    closing: bool = False
    texts: asyncio.Queue[str | None] = field(default_factory=lambda: asyncio.Queue(maxsize=1_000))
    task: asyncio.Task[None] | None = None


def elevenlabs_app(sim: ElevenLabsSimulator | None = None) -> FastAPI:
    """A server with nothing but ElevenLabs."""
    app = FastAPI(title="ElevenLabs, simulated", openapi_url=None)
    add_elevenlabs(app, sim or ElevenLabsSimulator())
    return app


def add_elevenlabs(app: FastAPI, sim: ElevenLabsSimulator) -> None:
    """Give an app the vendor's route. sim: settings and record, also as app.state.elevenlabs."""
    app.state.elevenlabs = sim

    @app.websocket("/v1/text-to-speech/{voice}/multi-stream-input")
    async def speak(socket: WebSocket, voice: str) -> None:
        status = sim.refusal(socket.headers.get("xi-api-key"))
        if status:
            await socket.send_denial_response(JSONResponse({"detail": {"status": "refused"}}, status_code=status))
            return
        await socket.accept()
        sim.sockets += 1
        if sim.voices and voice not in sim.voices:
            await _refuse(socket, "voice_id_does_not_exist", f"No {voice}")
            return
        rate = int(socket.query_params.get("output_format", "pcm_24000").removeprefix("pcm_"))
        served = _Served(sim, socket, rate)
        try:
            await served.run()
        except WebSocketDisconnect:
            served.end("disconnected")
        finally:
            await served.stop()


class _Served:
    """One socket."""

    def __init__(self, sim: ElevenLabsSimulator, socket: WebSocket, rate: int) -> None:
        self._sim, self._socket, self._rate = sim, socket, rate
        self._contexts: dict[str, _Context] = {}
        self._over = asyncio.Event()

    async def run(self) -> None:
        while not self._over.is_set():
            receiving = asyncio.ensure_future(message(self._socket))
            over = asyncio.ensure_future(self._over.wait())
            try:
                done, _ = await asyncio.wait(
                    {receiving, over}, timeout=self._sim.inactive_s, return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                over.cancel()
                if not receiving.done():
                    receiving.cancel()
            if over in done:
                return
            if not done:
                await self._socket.close(1008, "input_timeout_exceeded")
                return
            try:
                told = receiving.result()
            except ValueError:
                await _refuse(self._socket, "invalid_message", "The message is no JSON object")
                return
            if not await self._take(told):
                return

    def end(self, how: str) -> None:
        for context in self._contexts.values():
            context.spoke.end("disconnected" if how == "disconnected" else "cancelled")

    async def stop(self) -> None:
        for context in self._contexts.values():
            if context.task is not None:
                await stopped(context.task)
            context.spoke.end("disconnected")

    async def _take(self, told: dict[str, object]) -> bool:
        if told.get("close_socket"):
            await self._socket.close(1000)
            return False
        name = str(told.get("context_id") or "default")
        context = self._contexts.get(name)
        if told.get("close_context"):
            if context is not None:
                context.closing = True
                self._flush(context)
                context.texts.put_nowait(None)
            return True
        if context is None:
            if len(self._contexts) >= MOST_CONTEXTS:
                await self._socket.close(1008, "max_active_conversations")
                return False
            spoke = Spoke()
            self._sim.spoke.append(spoke)
            context = self._contexts[name] = _Context(name, spoke, self._sim.next_fault())
            context.task = asyncio.create_task(self._speak(context))
        text = str(told.get("text") or "")
        if text.strip() and not context.spoke.text:
            context.spoke.came_s = time.monotonic()
        if text != " ":
            context.pending += text
            context.spoke.text += text
        if told.get("flush"):
            self._flush(context)
        return True

    def _flush(self, context: _Context) -> None:
        if context.pending.strip():
            context.texts.put_nowait(context.pending)
        context.pending = ""

    async def _speak(self, context: _Context) -> None:
        try:
            while (text := await context.texts.get()) is not None:
                if context.fault == "silent":
                    continue
                async for chunk in chunks(self._sim, text, self._rate, slow=context.fault == "slow"):
                    if not await self._send(context, chunk):
                        return
            if context.fault not in ("silent", "stall"):
                await self._socket.send_text(json.dumps({"isFinal": True, "contextId": context.id}))
                context.spoke.end("completed")
                del self._contexts[context.id]
        except (WebSocketDisconnect, RuntimeError):  # the client is gone
            context.spoke.end("disconnected")

    async def _send(self, context: _Context, chunk: Chunk) -> bool:
        """False: nothing more comes."""
        context.sent += 1
        if context.sent > FAULT_AFTER and context.fault in ("stall", "drop", "garbage"):
            context.spoke.end("faulty")
            if context.fault == "drop":
                await self._socket.close(1011, "internal")
                self._over.set()
            elif context.fault == "garbage":
                await self._socket.send_text('{"audio": "%%%", "contextId": "' + context.id + '"}')
            return False
        context.spoke.first_s = context.spoke.first_s or time.monotonic()
        timed = context.fault != "untimed"
        event = {
            "audio": base64.b64encode(chunk.pcm.to_bytes()).decode(),
            "isFinal": None,
            "alignment": alignment(chunk) if timed else None,
            "normalizedAlignment": alignment(chunk) if timed else None,
            "contextId": context.id,
        }
        await self._socket.send_text(json.dumps(event))
        context.spoke.words += [
            type(w)(
                w.start_ms + context.spoke.sent_ms - chunk.at_ms, w.end_ms + context.spoke.sent_ms - chunk.at_ms, 0, 0
            )
            for w in chunk.words
        ]
        context.spoke.sent_ms += chunk.pcm.ms
        return True


async def _refuse(socket: WebSocket, error: str, why: str) -> None:
    """The vendor's error, after which it closes."""
    await socket.send_text(json.dumps({"error": error, "message": why, "code": 1008}))
    await socket.close(1008, error)


def alignment(chunk: Chunk) -> dict[str, list[object]] | None:
    """The characters that begin to sound in a chunk, from its own first sample; those of a word share its time."""
    said, chars, starts, lasts = chunk.said, [], [], []
    before = 0
    for index, word in enumerate(said.words):
        if word not in chunk.words:
            continue
        gap = said.words[index - 1].end if index else 0
        for char in said.text[gap : word.begin]:
            chars.append(char)
            starts.append(round(word.start_ms - chunk.at_ms))
            lasts.append(0)
        each = (word.end_ms - word.start_ms) / max(word.end - word.begin, 1)
        for place, char in enumerate(said.text[word.begin : word.end]):
            chars.append(char)
            start = round(word.start_ms - chunk.at_ms + each * place)
            starts.append(start)
            lasts.append(round(word.start_ms - chunk.at_ms + each * (place + 1)) - start)
        before = word.end
    if chunk.last and chars:
        rest = said.text[before:]
        chars += list(rest)
        starts += [starts[-1] + lasts[-1]] * len(rest)
        lasts += [0] * len(rest)
    if not chars:
        return None
    return {"chars": list(chars), "charStartTimesMs": list(starts), "charDurationsMs": list(lasts)}
