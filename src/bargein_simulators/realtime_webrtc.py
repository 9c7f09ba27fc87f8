"""The WebRTC side of a simulated OpenAI Realtime: one peer, its sound in both directions, and the events' channel.

The far end hears in real time, so what a response says waits here, in the server's own output buffer: that is what
`output_audio_buffer.clear` empties.
"""

from __future__ import annotations

import asyncio
import fractions
import json
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame
from av.audio.resampler import AudioResampler

from bargein.audio.pcm import Pcm, Samples
from bargein.audio.resample import resample
from bargein_simulators.realtime_events import Json, error_event
from bargein_simulators.realtime_session import RealtimeSession

RATE = 48_000
FRAME = RATE // 50
CHANNEL = "oai-events"
LEAVE_S = 10.0  # a peer that never connects is forgotten


class Loudspeaker(MediaStreamTrack):
    """What the far end hears: a frame each 20 ms, silence when there is nothing to say. Also a Speaker, by shape.

    started, stopped: told of each response, as its first sample leaves and after its last."""

    kind = "audio"

    def __init__(self, started: Callable[[str], None], stopped: Callable[[str], None]) -> None:
        super().__init__()
        self._started, self._stopped = started, stopped
        self._line: deque[tuple[str, Samples]] = deque()
        self._ended: set[str] = set()
        self._playing: str | None = None
        self._sent = 0  # samples of the response that plays
        self._began: float | None = None
        self._frames = 0

    def play(self, response: str, pcm: Pcm) -> None:
        self._line.append((response, resample(pcm, RATE).samples))

    def end(self, response: str) -> None:
        self._ended.add(response)

    def clear(self) -> tuple[str, float] | None:
        if self._playing is None and not self._line:
            return None
        response = self._playing or self._line[0][0]
        sent_ms = self._sent * 1000 / RATE
        self._line.clear()
        self._playing, self._sent = None, 0
        self._ended.add(response)
        return response, sent_ms

    async def recv(self) -> AudioFrame:
        if self._began is None:
            self._began = time.monotonic()
        await asyncio.sleep(max(0.0, self._began + self._frames * 0.02 - time.monotonic()))
        samples = self._next()
        frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = RATE, fractions.Fraction(1, RATE), self._frames * FRAME
        self._frames += 1
        return frame

    def _next(self) -> Samples:
        out = np.zeros(FRAME, np.int16)
        filled = 0
        while self._line and filled < FRAME:
            response, samples = self._line[0]
            if response != self._playing:
                self._playing, self._sent = response, 0
                self._started(response)
            take = min(FRAME - filled, len(samples))
            out[filled : filled + take] = samples[:take]
            filled += take
            self._sent += take
            if take < len(samples):
                self._line[0] = (response, samples[take:])
            else:
                self._line.popleft()
        if self._playing is not None and not self._line and self._playing in self._ended:
            response, self._playing, self._sent = self._playing, None, 0
            self._ended.discard(response)
            self._stopped(response)
        return out


class WebRTCPeer:
    """One browser. gone: told once when it has left."""

    def __init__(self, session: RealtimeSession, gone: Callable[[], Any]) -> None:
        self._session, self._gone = session, gone
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))  # loopback needs none
        self._channel: RTCDataChannel | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._speaker = Loudspeaker(self._started, self._stopped)
        self._closing = False
        session.speaker = self._speaker
        session.close = lambda _: self._spawn(self.close())

    async def answer(self, offer: str) -> str:
        """The SDP for this offer. Raises ValueError for what is none."""
        connection = self._connection
        connection.on("track", self._on_track)
        connection.on("datachannel", self._on_channel)
        connection.on("connectionstatechange", self._on_state)
        try:
            await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            connection.addTrack(self._speaker)
            await connection.setLocalDescription(await connection.createAnswer())
        except Exception as error:  # aiortc has many for what is no offer
            await connection.close()
            raise ValueError(str(error)) from error
        self._spawn(self._expect())
        return str(connection.localDescription.sdp)

    async def close(self) -> None:
        """End the call."""
        if self._closing:
            return
        self._closing = True
        self._gone()
        await self._connection.close()
        await self._session.end()
        for task in self._tasks - {asyncio.current_task()}:
            task.cancel()

    async def _expect(self) -> None:
        await asyncio.sleep(LEAVE_S)
        if self._connection.connectionState in ("new", "connecting"):
            await self.close()

    def _on_state(self) -> None:
        if self._connection.connectionState in ("failed", "closed"):
            self._spawn(self.close())

    def _on_channel(self, channel: RTCDataChannel) -> None:
        self._channel = channel
        channel.on("message", self._on_message)
        channel.on("close", lambda: self._spawn(self.close()))
        self._session.join(self._send)

    def _on_message(self, text: str | bytes) -> None:
        try:
            self._session.take(json.loads(text))
        except ValueError:
            self._send(error_event("invalid_json", "The event could not be parsed as JSON.", None))

    def _send(self, event: Json) -> None:
        if self._channel is not None and self._channel.readyState == "open":
            self._channel.send(json.dumps(event, ensure_ascii=False))

    def _on_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio":
            self._spawn(self._hear(track))

    async def _hear(self, track: MediaStreamTrack) -> None:
        resampler = AudioResampler(format="s16", layout="mono", rate=24_000)
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            assert isinstance(frame, AudioFrame)
            for part in resampler.resample(frame):
                self._session.user.hear(part.to_ndarray().reshape(-1).astype(np.int16, copy=False))

    def _started(self, response: str) -> None:
        self._session.tell("output_audio_buffer.started", response_id=response)

    def _stopped(self, response: str) -> None:
        self._session.tell("output_audio_buffer.stopped", response_id=response)

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
