"""Callers that are no WebSocket: a browser by WebRTC, and a transport that takes audio long before its time."""

from __future__ import annotations

import asyncio
import fractions
from typing import Any

import numpy as np
import soxr
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from av import AudioFrame
from pipecat.frames.frames import InputAudioRawFrame, OutputAudioRawFrame, StartFrame
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import BaseTransport, TransportParams
from pipecat.transports.smallwebrtc import transport as small
from pipecat.transports.smallwebrtc.connection import SmallWebRTCConnection
from pipecat.transports.smallwebrtc.transport import SmallWebRTCTransport

MIC_RATE = 48_000
USER_RATE = 16_000


class Microphone(MediaStreamTrack):
    """Says the user's audio in real time, and silence after it."""

    kind = "audio"

    def __init__(self, pcm: np.ndarray) -> None:
        super().__init__()
        self._pcm, self._at = pcm, 0
        self.began = 0.0
        self.starts, self.over = asyncio.Event(), asyncio.Event()

    async def recv(self) -> AudioFrame:
        loop = asyncio.get_running_loop()
        size = MIC_RATE // 50
        if not self.starts.is_set():
            self.began = loop.time()
            self.starts.set()
        await asyncio.sleep(max(0.0, self.began + self._at / MIC_RATE - loop.time()))
        samples = np.zeros(size, np.int16)
        part = self._pcm[self._at : self._at + size]
        samples[: len(part)] = part
        frame = AudioFrame.from_ndarray(samples[None, :], layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = MIC_RATE, self._at, fractions.Fraction(1, MIC_RATE)
        self._at += size
        if self._at >= len(self._pcm):
            self.over.set()
        return frame


async def webrtc(call: Any) -> None:
    """The caller is a peer of aiortc. What Pipecat's track gives to the encoder is what was heard."""
    connection = SmallWebRTCConnection()
    transport = SmallWebRTCTransport(
        connection,
        TransportParams(
            audio_in_enabled=True, audio_out_enabled=True, audio_out_end_silence_secs=0, **call.bargein.output()
        ),
    )
    peer = RTCPeerConnection()
    microphone = Microphone(soxr.resample(np.frombuffer(call.user, "<i2"), USER_RATE, MIC_RATE).astype(np.int16))
    peer.addTrack(microphone)
    peer.addTransceiver("video", direction="recvonly")

    def tracked(track: Any) -> None:
        if track.kind == "audio":
            hearing.append(asyncio.create_task(listen(track)))

    async def listen(track: Any) -> None:
        try:
            while True:
                await track.recv()
        except Exception:
            return

    hearing: list[asyncio.Task[None]] = []
    peer.on("track", tracked)
    original = small.RawAudioTrack.recv

    async def recv(self: Any) -> Any:
        frame = await original(self)
        call.heard(frame.to_ndarray().astype(np.int16).tobytes())
        return frame

    small.RawAudioTrack.recv = recv
    await peer.setLocalDescription(await peer.createOffer())
    await connection.initialize(peer.localDescription.sdp, peer.localDescription.type)
    answer = connection.get_answer()
    running = asyncio.create_task(call.run(transport))
    await connection.connect()
    await peer.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))
    call.began = asyncio.get_running_loop().time()
    await microphone.starts.wait()
    call.began = microphone.began
    await microphone.over.wait()
    call.over.set()
    await running
    await peer.close()
    for each in hearing:
        each.cancel()


class AheadOutput(BaseOutputTransport):
    """Takes every chunk at once, plays it in its time, and drops what it has when interrupted."""

    def __init__(self, params: TransportParams, call: Any) -> None:
        super().__init__(params)
        self._call = call

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        self._call.heard(frame.audio)
        return True


class AheadInput(BaseInputTransport):
    """The user's audio comes from a file."""

    def __init__(self, params: TransportParams) -> None:
        super().__init__(params)
        self.ready = asyncio.Event()

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)
        self.ready.set()


class AheadTransport(BaseTransport):
    """Both."""

    def __init__(self, params: TransportParams, call: Any) -> None:
        super().__init__()
        self._input, self._output, self._call = AheadInput(params), AheadOutput(params, call), call

    def input(self) -> AheadInput:
        return self._input

    def output(self) -> AheadOutput:
        return self._output

    async def plays(self, pcm: bytes, rate: int) -> None:
        """Say the user's audio in real time."""
        size, loop = rate // 50 * 2, asyncio.get_running_loop()
        await self._input.ready.wait()
        self._call.began = loop.time()
        for at in range(0, len(pcm), size):
            await asyncio.sleep(max(0.0, self._call.began + at / size * 0.02 - loop.time()))
            await self._input.push_audio_frame(InputAudioRawFrame(pcm[at : at + size], rate, 1))
