"""A WebRTC door that stands before a server's WebSocket: what a page sends by data channel and track goes on as `bargein.v1`."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

HEADER = struct.Struct("<BBHIII")


class Packets(AudioStreamTrack):
    def __init__(self):
        super().__init__()
        self.queue: asyncio.Queue = asyncio.Queue()
        self.encoder = av.CodecContext.create("libopus", "w")
        self.encoder.sample_rate = 24000
        self.encoder.layout = "mono"
        self.encoder.format = "s16"
        self.encoder.bit_rate = 32000
        self.encoder.options = {"application": "lowdelay"}
        self.encoder.time_base = Fraction(1, 24000)
        self.time = 0

    def push(self, data: bytes):
        kind, flags, _, reply, sequence, sample = HEADER.unpack_from(data)
        pcm = np.frombuffer(data, "<i2", offset=16)
        n = len(pcm)
        full = np.zeros(480, np.int16)
        full[:n] = pcm
        frame = av.AudioFrame.from_ndarray(full[None, :], "s16", "mono")
        frame.sample_rate = 24000
        frame.pts = self.time // 2
        (packet,) = self.encoder.encode(frame)
        raw = bytes(packet)
        assert raw[0] & 3 == 0, raw[0] & 3
        if n == 0:
            raw = raw[:1]
        out = bytes([raw[0] | 3, 0x41, 16]) + raw[1:] + HEADER.pack(2, flags, n, reply, sequence, sample)
        for _ in range(3 if flags & 1 else 1):
            self.queue.put_nowait((out, self.time))
            self.time += 960

    async def recv(self):
        data, time = await self.queue.get()
        packet = av.Packet(data)
        packet.pts = time
        packet.time_base = Fraction(1, 48000)
        return packet


@dataclass
class Bridge:
    url: str
    peers: list = field(default_factory=list)
    tasks: list = field(default_factory=list)
    outs: list = field(default_factory=list)

    async def offer(self, sdp: str) -> str:
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.peers.append(peer)
        out = Packets()
        self.outs.append(out)
        socket = await connect(self.url, subprotocols=[Subprotocol("bargein.v1")], close_timeout=0.2).__aenter__()
        welcomed = asyncio.Event()

        @peer.on("track")
        def track(track):
            self.tasks.append(asyncio.create_task(self.up(track, socket, welcomed)))

        @peer.on("datachannel")
        def channel(channel):
            @channel.on("message")
            def message(m):
                self.tasks.append(asyncio.create_task(socket.send(m)))
            self.tasks.append(asyncio.create_task(self.down(socket, channel, out, welcomed)))

        await peer.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        peer.addTrack(out)
        await peer.setLocalDescription(await peer.createAnswer())
        return peer.localDescription.sdp

    async def up(self, track, socket, welcomed):
        resampler = av.AudioResampler("s16", "mono", 16000)
        at = n = 0
        with contextlib.suppress(Exception):
            while True:
                frame = await track.recv()
                if not welcomed.is_set():
                    continue
                for piece in resampler.resample(frame):
                    pcm = piece.to_ndarray().tobytes()
                    await socket.send(HEADER.pack(1, 0, 0, 0, n, at) + pcm)
                    n += 1
                    at += len(pcm) // 2

    async def down(self, socket, channel, out, welcomed):
        with contextlib.suppress(Exception):
            async for m in socket:
                if isinstance(m, str):
                    if '"welcome"' in m:
                        welcomed.set()
                    channel.send(m)
                else:
                    out.push(m)

    async def close(self):
        for peer in self.peers:
            await peer.close()
        for task in self.tasks:
            task.cancel()
