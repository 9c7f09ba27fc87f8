"""A WebRTC door before a server's WebSocket, for the page's tests: text goes through as it is, audio as Opus with its place
(docs/protocol.md), the microphone's track as frames."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Coroutine
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np
from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, MediaStreamTrack
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.server.kit import HEADER

FRAME = 480
PACKET = 960  # samples of 48 kHz
LAST, HELD = 1, 2
SIGNALS = {"hold": HELD, "audio_interrupted": HELD, "resume": 0}


class AgentTrack(AudioStreamTrack):
    """The agent's audio, as packets that are encoded already."""

    def __init__(self) -> None:
        super().__init__()
        self._packets: asyncio.Queue[object] = asyncio.Queue()
        self._encoder = av.CodecContext.create("libopus", "w")
        self._encoder.sample_rate, self._encoder.layout, self._encoder.format = 24_000, "mono", "s16"
        self._encoder.bit_rate, self._encoder.time_base = 32_000, Fraction(1, 24_000)
        self._time = 0
        self._toc = 0xF0
        self._next = (0, 0)

    def push_audio(self, data: bytes) -> None:
        _, flags, _, reply, sequence, sample = HEADER.unpack_from(data)
        pcm = np.frombuffer(data, "<i2", offset=HEADER.size)
        whole = np.zeros((1, FRAME), np.int16)
        whole[0, : len(pcm)] = pcm
        frame = av.AudioFrame.from_ndarray(whole, "s16", "mono")
        frame.sample_rate, frame.pts = 24_000, self._time // 2
        (packet,) = self._encoder.encode(frame)
        opus = bytes(packet)
        self._toc, self._next = opus[0], (sequence + 1, sample + len(pcm))
        header = HEADER.pack(2, flags, len(pcm), reply, sequence, sample)
        for _ in range(3 if flags & LAST else 1):
            self._send(opus[1:] if len(pcm) else b"", header)

    def signal(self, flags: int, reply: int) -> None:
        for _ in range(3):
            self._send(b"", HEADER.pack(2, flags, 0, reply, *self._next))

    def _send(self, frame: bytes, header: bytes) -> None:
        packet = av.Packet(bytes([self._toc | 3, 0x41, HEADER.size]) + frame + header)
        packet.pts, packet.time_base = self._time, Fraction(1, 48_000)
        self._time += PACKET
        self._packets.put_nowait(packet)

    async def recv(self) -> object:  # type: ignore[override]  # aiortc takes packets, too
        return await self._packets.get()


@dataclass
class Bridge:
    """socket_url: of the server."""

    socket_url: str
    _peers: list[RTCPeerConnection] = field(default_factory=list)
    _sockets: list[ClientConnection] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def offer(self, sdp: str) -> str:
        """The answer to an offer."""
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        socket = await connect(self.socket_url, subprotocols=[Subprotocol("bargein.v1")], close_timeout=0.2)
        self._peers.append(peer)
        self._sockets.append(socket)
        out, welcomed = AgentTrack(), asyncio.Event()
        peer.on("track", lambda track: self._start(_up(track, socket, welcomed)))
        peer.on("datachannel", lambda channel: self._start(_down(socket, channel, out, welcomed)))
        await peer.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        peer.addTrack(out)
        await peer.setLocalDescription(await peer.createAnswer())
        return peer.localDescription.sdp

    def _start(self, what: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for peer in self._peers:
            await peer.close()
        for socket in self._sockets:
            await socket.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _up(track: MediaStreamTrack, socket: ClientConnection, welcomed: asyncio.Event) -> None:
    resampler = av.AudioResampler("s16", "mono", 16_000)
    at = sequence = 0
    with contextlib.suppress(MediaStreamError, ConnectionClosed):
        while True:
            frame = await track.recv()
            if not welcomed.is_set():
                continue
            for piece in resampler.resample(frame):  # type: ignore[arg-type]  # an audio track gives audio frames
                pcm = piece.to_ndarray().tobytes()
                await socket.send(HEADER.pack(1, 0, 0, 0, sequence, at) + pcm)
                sequence, at = sequence + 1, at + len(pcm) // 2


async def _down(socket: ClientConnection, channel: RTCDataChannel, out: AgentTrack, welcomed: asyncio.Event) -> None:
    messages: asyncio.Queue[str] = asyncio.Queue()
    channel.on("message", messages.put_nowait)

    async def pass_on() -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await socket.send(await messages.get())

    async with asyncio.TaskGroup() as group:
        passing = group.create_task(pass_on())
        with contextlib.suppress(ConnectionClosed):
            async for message in socket:
                if isinstance(message, bytes):
                    out.push_audio(message)
                    continue
                told = json.loads(message)
                if told["type"] == "welcome":
                    welcomed.set()
                if (flags := SIGNALS.get(told["type"])) is not None:
                    out.signal(flags, told["reply_id"])
                channel.send(message)
        passing.cancel()
