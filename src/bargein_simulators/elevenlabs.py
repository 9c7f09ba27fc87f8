"""ElevenLabs' multi-context WebSocket, locally: espeak's voice with the true time of every character, and faults."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from dataclasses import dataclass
from functools import partial

from fastapi import FastAPI
from starlette.websockets import WebSocket

from bargein.protocols import Word
from bargein_simulators.simulated_tts import Chunk, Spoke, TTSContext, TTSSettings, receive_json, serve_tts

MOST_CONTEXTS = 5
VOICES = ("EXAVITQu4vr4xnSDxMaL",)


@dataclass(slots=True)
class ElevenLabsSimulator(TTSSettings):
    """How the server behaves, and its record."""

    voices: tuple[str, ...] = ()
    """Ids of the voices that exist. Empty: any."""
    inactive_s: float = 60.0
    """Without a message and without a reply under way, after which the socket is closed."""


@dataclass(slots=True)
class _Context(TTSContext):
    pending: str = ""
    """Text that was not flushed yet."""


def elevenlabs_app(sim: ElevenLabsSimulator | None = None) -> FastAPI:
    """A server with ElevenLabs alone."""
    app = FastAPI(title="ElevenLabs, simulated", openapi_url=None)
    add_elevenlabs(app, sim or ElevenLabsSimulator())
    return app


def add_elevenlabs(app: FastAPI, sim: ElevenLabsSimulator) -> None:
    """Give an app the vendor's route. The simulator is also app.state.elevenlabs."""
    app.state.elevenlabs = sim

    @app.websocket("/v1/text-to-speech/{voice}/multi-stream-input")
    async def speak(socket: WebSocket, voice: str) -> None:
        denial = {"detail": {"status": "refused"}}
        await serve_tts(sim, socket, socket.headers.get("xi-api-key"), denial, lambda: _Handler(sim, socket, voice))


class _Handler:
    """Handles one connection."""

    def __init__(self, sim: ElevenLabsSimulator, socket: WebSocket, voice: str) -> None:
        self._sim, self._socket, self._voice = sim, socket, voice
        self._rate = int(socket.query_params.get("output_format", "pcm_24000").removeprefix("pcm_"))
        self._contexts: dict[str, _Context] = {}
        self._over = asyncio.Event()

    async def run(self) -> None:
        if self._sim.voices and self._voice not in self._sim.voices:
            await _refuse(self._socket, "voice_id_does_not_exist", f"No {self._voice}")
            return
        while not self._over.is_set():
            receiving = asyncio.ensure_future(receive_json(self._socket))
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
            if not done and self._contexts:
                continue  # a reply is under way
            if not done:
                await self._socket.close(1008, "input_timeout_exceeded")
                return
            try:
                message = receiving.result()
            except ValueError:
                await _refuse(self._socket, "invalid_message", "The message is no JSON object")
                return
            if not await self._handle(message):
                return

    async def stop(self) -> None:
        for context in list(self._contexts.values()):
            await context.stop()

    async def _handle(self, message: dict[str, object]) -> bool:
        if message.get("close_socket"):
            await self._socket.close(1000)
            return False
        name = str(message.get("context_id") or "default")
        context = self._contexts.get(name)
        if message.get("close_context"):
            if context is not None:
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
            speaking = context.speak(self._sim, self._rate, partial(self._send, context), partial(self._done, context))
            context.task = asyncio.create_task(speaking)
        text = str(message.get("text") or "")
        if text.strip() and not context.spoke.text:
            context.spoke.came_s = time.monotonic()
        if text != " ":
            context.pending += text
            context.spoke.text += text
        if message.get("flush"):
            self._flush(context)
        return True

    def _flush(self, context: _Context) -> None:
        if context.pending.strip():
            context.texts.put_nowait(context.pending)
        context.pending = ""

    async def _done(self, context: _Context) -> None:
        event = {"isFinal": True, "contextId": context.id}
        await self._socket.send_text(json.dumps(event))
        del self._contexts[context.id]

    async def _send(self, context: _Context, chunk: Chunk) -> bool:
        """Send a chunk. Returns False when the context sends nothing more."""
        if context.breaks():
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
        began_ms = context.spoke.sent_ms - chunk.at_ms
        context.spoke.words += [Word(began_ms + w.start_ms, began_ms + w.end_ms, 0, 0) for w in chunk.words]
        context.spoke.sent_ms += chunk.pcm.ms
        return True


async def _refuse(socket: WebSocket, error: str, why: str) -> None:
    """Send the vendor's error, and close."""
    await socket.send_text(json.dumps({"error": error, "message": why, "code": 1008}))
    await socket.close(1008, error)


def alignment(chunk: Chunk) -> dict[str, list[object]] | None:
    """The vendor's alignment of a chunk: the characters that begin to sound in it. None: there is none.

    Times count from the chunk's first sample. The characters of a word share its time evenly.
    """
    speech, chars, starts, lasts = chunk.speech, [], [], []
    before = 0
    for index, word in enumerate(speech.words):
        if word not in chunk.words:
            continue
        gap = speech.words[index - 1].end if index else 0
        for char in speech.text[gap : word.begin]:
            chars.append(char)
            starts.append(round(word.start_ms - chunk.at_ms))
            lasts.append(0)
        each = (word.end_ms - word.start_ms) / max(word.end - word.begin, 1)
        for place, char in enumerate(speech.text[word.begin : word.end]):
            chars.append(char)
            start = round(word.start_ms - chunk.at_ms + each * place)
            starts.append(start)
            lasts.append(round(word.start_ms - chunk.at_ms + each * (place + 1)) - start)
        before = word.end
    if chunk.last and chars:
        rest = speech.text[before:]
        chars += list(rest)
        starts += [starts[-1] + lasts[-1]] * len(rest)
        lasts += [0] * len(rest)
    if not chars:
        return None
    return {"chars": list(chars), "charStartTimesMs": list(starts), "charDurationsMs": list(lasts)}
