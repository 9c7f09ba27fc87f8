"""A LiveKit agent on the telephone (Twilio Media Streams), with our floor in it. Lines with # <- are ours.

pip install 'bargein[livekit]' livekit-plugins-deepgram livekit-plugins-openai livekit-plugins-cartesia fastapi uvicorn
bargein simulate deepgram & bargein simulate chat & bargein simulate cartesia &     # or set the vendors' keys and URLs
python examples/frameworks/livekit_telephone.py
bargein simulate twilio ws://127.0.0.1:8766/media

No LiveKit server is needed: an input and an output of our own bridge the session to Twilio. What is set and is not
LiveKit's default: `aec_warmup_duration=None`, because LiveKit would be deaf to interruptions in the first 3 s of each
call's speech, and a telephone has no echo canceller to wait for; `use_tts_aligned_transcript=True`, because the
context after an interruption is nearer to the words heard then; and LiveKit's transcript synchronizer around the
output, because a room has it, too. All else is LiveKit's default.
"""

import asyncio
import base64
import contextlib
import json
import os
import sys
import time
from typing import Any

import aiohttp
import numpy as np
import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from livekit import rtc
from livekit.agents import Agent, AgentSession
from livekit.agents.voice import TranscriptSynchronizer, io
from livekit.plugins import cartesia, deepgram, openai

from bargein.integrations.livekit import BargeinFloor, attach, turn_handling  # <-

DEEPGRAM = os.environ.get("DEEPGRAM_URL", "http://127.0.0.1:8082")
OPENAI = os.environ.get("OPENAI_URL", "http://127.0.0.1:8083/v1")
CARTESIA = os.environ.get("CARTESIA_URL", "http://127.0.0.1:8085")
MODEL = os.environ.get("OPENAI_MODEL", "simulated-chat")

RATE = 8000
FRAME = 160  # samples; 20 ms
LEAD_S = 0.02  # the telephone gets each frame so much before its time: a pause is heard as much later

app = FastAPI()


@app.websocket("/media")
async def media(websocket: WebSocket) -> None:
    """One call."""
    await websocket.accept()
    stream = ""
    while not stream:
        message = json.loads(await websocket.receive_text())
        if message["event"] == "start":
            stream = message["start"]["streamSid"]
    async with aiohttp.ClientSession() as http:
        session: AgentSession[None] = AgentSession(
            stt=deepgram.STT(
                base_url=f"{DEEPGRAM}/v1/listen", api_key=os.environ.get("DEEPGRAM_API_KEY", "none"), http_session=http
            ),
            llm=openai.LLM(model=MODEL, base_url=OPENAI, api_key=os.environ.get("OPENAI_API_KEY", "none")),
            tts=cartesia.TTS(base_url=CARTESIA, api_key=os.environ.get("CARTESIA_API_KEY", "none"), http_session=http),
            aec_warmup_duration=None,
            use_tts_aligned_transcript=True,
            vad=None,  # <-
            turn_handling=turn_handling(),  # <-
        )
        telephone_input, telephone_output = TwilioInput(), TwilioOutput(websocket, stream)
        synchronizer = TranscriptSynchronizer(next_in_chain_audio=telephone_output, next_in_chain_text=None)
        session.input.audio, session.output.audio = telephone_input, synchronizer.audio_output
        session.output.transcription = synchronizer.text_output
        speaking = asyncio.create_task(telephone_output.play())
        try:
            await session.start(Agent(instructions="You tell long stories."))
            floor = BargeinFloor("balanced", record=os.environ.get("RECORDS"), name="livekit_telephone")  # <-
            await attach(floor, session)  # <-
            session.generate_reply(user_input="Say hello, and tell me a long story.")
            while (message := json.loads(await websocket.receive_text()))["event"] != "stop":
                if message["event"] == "media":
                    telephone_input.push(base64.b64decode(message["media"]["payload"]))
        except WebSocketDisconnect:
            pass
        finally:
            speaking.cancel()
            await session.aclose()
            await synchronizer.aclose()


class TwilioInput(io.AudioInput):
    """The caller's audio."""

    def __init__(self) -> None:
        super().__init__(label="Twilio")
        self._frames: asyncio.Queue[rtc.AudioFrame] = asyncio.Queue(maxsize=500)  # 10 s, while the session starts

    def push(self, codes: bytes) -> None:
        """Take a message's audio. Later audio is dropped where the session does not read."""
        if not self._frames.full():
            self._frames.put_nowait(rtc.AudioFrame(from_mulaw(codes), RATE, 1, len(codes)))

    async def __anext__(self) -> rtc.AudioFrame:
        return await self._frames.get()


class TwilioOutput(io.AudioOutput):
    """The agent's audio, sent in real time: the telephone gets each frame LEAD_S before it sounds.

    So a pause is heard after LEAD_S, and no sample is lost by it. What has been sent and has not sounded yet is taken
    back by Twilio's `clear` when LiveKit clears the buffer; how much that was is known by our clock, to a few ms. So
    the floor's holds do not empty it: they would lose or repeat those.
    """

    def __init__(self, websocket: WebSocket, stream: str) -> None:
        super().__init__(label="Twilio", capabilities=io.AudioOutputCapabilities(pause=True), sample_rate=RATE)
        self._websocket, self._stream = websocket, stream
        self._waiting = bytearray()  # mu-law codes of the segment that have not been sent
        self._sent = 0  # samples of the segment
        self._dry_at = 0.0  # when all that was sent will have sounded
        self._open = self._flushed = self._dropped = self._cleared = False
        self._enabled = True
        self._moved, self._over = asyncio.Event(), asyncio.Event()

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        while self._open and self._flushed:  # the segment before still sounds
            self._over.clear()
            await self._over.wait()
        await super().capture_frame(frame)
        if self._dropped:
            return
        self._open = True
        self._waiting += to_mulaw(bytes(frame.data))
        self._moved.set()

    def flush(self) -> None:
        super().flush()
        self._dropped = False
        self._flushed = self._open
        self._moved.set()

    def clear_buffer(self) -> None:
        if not self._open:
            return
        unheard = min(self._sent, max(0, round((self._dry_at - time.monotonic()) * RATE)))
        self._dropped = not self._flushed  # the rest of the segment may still come
        self._cleared = True
        self._waiting.clear()
        self._finish(self._sent - unheard, interrupted=True)
        self._dry_at = 0.0
        self._moved.set()

    def pause(self) -> None:
        self._enabled = False

    def resume(self) -> None:
        self._enabled = True
        self._moved.set()

    def _finish(self, played: int, *, interrupted: bool) -> None:
        self._open = self._flushed = False
        self._sent = 0
        self._over.set()
        self.on_playback_finished(playback_position=played / RATE, interrupted=interrupted)

    async def play(self) -> None:
        """Send what waits, frame by frame, until cancelled."""
        while True:
            self._moved.clear()
            if self._cleared:
                self._cleared = False
                await self._send({"event": "clear", "streamSid": self._stream})
                continue
            now = time.monotonic()
            if self._enabled and (len(self._waiting) >= FRAME or (self._waiting and self._flushed)):
                early = self._dry_at - LEAD_S - now
                if early <= 0:
                    await self._send_frame(now)
                    continue
            elif self._open and self._flushed and not self._waiting:
                early = self._dry_at - now
                if early <= 0:
                    self._finish(self._sent, interrupted=False)
                    continue
            else:
                early = None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), early)

    async def _send_frame(self, now: float) -> None:
        codes = bytes(self._waiting[:FRAME])
        del self._waiting[:FRAME]
        if not self._sent:
            self.on_playback_started(created_at=time.time())
        self._sent += len(codes)
        self._dry_at = max(self._dry_at, now) + len(codes) / RATE
        payload = base64.b64encode(codes).decode()
        await self._send({"event": "media", "streamSid": self._stream, "media": {"payload": payload}})

    async def _send(self, message: dict[str, Any]) -> None:
        await self._websocket.send_text(json.dumps(message))


# G.711: the 256 codes' samples, and the nearest code of each sample.
CODES = ~np.arange(256, dtype=np.int32) & 255
SIZES = (((CODES & 15) * 2 + 33) << ((CODES >> 4) & 7)) - 33
SAMPLES = np.where(CODES & 128, -SIZES, SIZES).astype(np.int16) * 4
ORDER = np.argsort(SAMPLES, kind="stable")
MIDDLES = (SAMPLES[ORDER][1:].astype(np.int32) + SAMPLES[ORDER][:-1]) // 2
NEAREST = ORDER[np.searchsorted(MIDDLES, np.arange(-32768, 32768))].astype(np.uint8)


def from_mulaw(codes: bytes) -> bytes:
    return bytes(SAMPLES[np.frombuffer(codes, np.uint8)].tobytes())


def to_mulaw(pcm: bytes) -> bytes:
    return bytes(NEAREST[np.frombuffer(pcm, np.int16).astype(np.int32) + 32768].tobytes())


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]) if len(sys.argv) > 1 else 8766, log_level="warning")
