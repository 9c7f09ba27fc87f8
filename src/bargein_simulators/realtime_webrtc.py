"""The WebRTC side of a simulated OpenAI Realtime: one peer, its audio in both directions, and the channel of events.

The client plays audio in real time, so a response waits in the server's output buffer: `output_audio_buffer.clear`
empties that.
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
from bargein_simulators.realtime_events import Json, error_event, parsed
from bargein_simulators.realtime_session import RealtimeSession

RATE = 48_000
FRAME = RATE // 50
CHANNEL = "oai-events"
CONNECT_S = 10.0  # a peer that has not connected by then is closed


class Loudspeaker(MediaStreamTrack):
    """The audio that the client hears: a frame each 20 ms, silence between responses. Satisfies SimulatedSpeaker.

    started, stopped: called with each response, before its first sample and after its last.
    """

    kind = "audio"

    def __init__(self, started: Callable[[str], None], stopped: Callable[[str], None]) -> None:
        super().__init__()
        self._started, self._stopped = started, stopped
        self._queue: deque[tuple[str, Samples]] = deque()
        self._ended: set[str] = set()
        self._playing: str | None = None
        self._sent = 0  # samples of the response that plays
        self._began: float | None = None
        self._frames = 0

    def play(self, response: str, pcm: Pcm) -> None:
        self._queue.append((response, resample(pcm, RATE).samples))

    def end(self, response: str) -> None:
        self._ended.add(response)

    def clear(self) -> tuple[str, float] | None:
        if self._playing is None and not self._queue:
            return None
        response = self._playing or self._queue[0][0]
        sent_ms = self._sent * 1000 / RATE
        self._queue.clear()
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
        send_event = np.zeros(FRAME, np.int16)
        filled = 0
        while self._queue and filled < FRAME:
            response, samples = self._queue[0]
            if response != self._playing:
                self._playing, self._sent = response, 0
                self._started(response)
            count = min(FRAME - filled, len(samples))
            send_event[filled : filled + count] = samples[:count]
            filled += count
            self._sent += count
            if count < len(samples):
                self._queue[0] = (response, samples[count:])
            else:
                self._queue.popleft()
        if self._playing is not None and not self._queue and self._playing in self._ended:
            response, self._playing, self._sent = self._playing, None, 0
            self._ended.discard(response)
            self._stopped(response)
        return send_event


class RealtimePeer:
    """One browser. gone: called once, when it has left."""

    def __init__(self, session: RealtimeSession, gone: Callable[[], Any]) -> None:
        self._session, self._gone = session, gone
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))  # loopback needs no ICE server
        self._channel: RTCDataChannel | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._speaker = Loudspeaker(self._started, self._stopped)
        self._closing = False
        session.speaker = self._speaker
        session.close = lambda _: self._spawn(self.close())

    async def answer(self, offer: str) -> str:
        """The SDP for this offer. Raises ValueError for what is no offer."""
        connection = self._connection
        connection.on("track", self._on_track)
        connection.on("datachannel", self._on_channel)
        connection.on("connectionstatechange", self._on_state)
        try:
            await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            connection.addTrack(self._speaker)
            await connection.setLocalDescription(await connection.createAnswer())
        except Exception as error:  # aiortc raises many kinds for what is no offer
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
        await asyncio.sleep(CONNECT_S)
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
            self._session.handle(parsed(text))
        except ValueError:
            self._send(error_event("invalid_json", "The event could not be parsed as JSON.", None))

    def _send(self, event: Json) -> None:
        if self._channel is not None and self._channel.readyState == "open":
            self._channel.send(json.dumps(event, ensure_ascii=False))

    def _on_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio":
            self._spawn(self._receive_audio(track))

    async def _receive_audio(self, track: MediaStreamTrack) -> None:
        resampler = AudioResampler(format="s16", layout="mono", rate=24_000)
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            assert isinstance(frame, AudioFrame)
            for part in resampler.resample(frame):
                self._session.user.push_audio(part.to_ndarray().reshape(-1).astype(np.int16, copy=False))

    def _started(self, response: str) -> None:
        self._session.send("output_audio_buffer.started", response_id=response)

    def _stopped(self, response: str) -> None:
        self._session.send("output_audio_buffer.stopped", response_id=response)

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
