"""A WebRTC client on aiortc: a microphone that plays what a test says, a data channel, and the packets as they come."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import httpx
import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from bargein.audio.pcm import Samples
from bargein.transports.browser.wire import HEADER
from bargein.transports.rtp.packets import RtpPacket, read_packet
from tests.server.kit import HELLO

FRAME = 960


class Microphone(MediaStreamTrack):
    """Silence, in real time, or what a test says."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._words: Samples = np.zeros(0, np.int16)
        self._at = 0
        self._began = asyncio.get_running_loop().time()

    def say(self, words: Samples) -> None:
        """At 48000 Hz, from now on."""
        self._words = words

    async def recv(self) -> av.AudioFrame:
        due = self._began + self._at / 48_000
        await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
        wave, self._words = self._words[:FRAME], self._words[FRAME:]
        wave = np.concatenate((wave, np.zeros(FRAME - len(wave), np.int16)))
        frame = av.AudioFrame.from_ndarray(wave.reshape(1, -1), "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, self._at, Fraction(1, 48_000)
        self._at += FRAME
        return frame


@dataclass
class PeerClient:
    """messages: every JSON message so far; packets: every packet of audio."""

    peer: RTCPeerConnection
    channel: Any
    microphone: Microphone
    answer: dict[str, Any] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)
    packets: list[RtpPacket] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    def send(self, message: object) -> None:
        self.channel.send(json.dumps(message))

    async def until(self, kind: str, seconds: float = 5, **facts: object) -> dict[str, Any]:
        """The first message of that type, from the beginning, that was not returned before."""
        async with asyncio.timeout(seconds):
            while True:
                for at, message in enumerate(self.messages):
                    if message["type"] == kind and all(message.get(k) == v for k, v in facts.items()):
                        return self.messages.pop(at)
                self.came.clear()
                await self.came.wait()

    async def packet(self, seconds: float = 5) -> RtpPacket:
        """The next packet of audio."""
        async with asyncio.timeout(seconds):
            while not self.packets:
                self.came.clear()
                await self.came.wait()
            return self.packets.pop(0)

    def _message(self, text: str) -> None:
        self.messages.append(json.loads(text))
        self.came.set()

    async def _data(self, data: bytes, arrival_time_ms: int) -> None:
        packet = read_packet(data)
        if packet is not None:
            self.packets.append(packet)
            self.came.set()


def header_of(packet: RtpPacket) -> tuple[int, ...]:
    """Kind, flags, samples, reply, sequence and sample of a packet of ours."""
    assert packet.payload[0] & 3 == 3
    assert packet.payload[1] == 0x41
    assert packet.payload[2] == HEADER.size
    found: tuple[int, ...] = HEADER.unpack(packet.payload[-HEADER.size :])
    return found


async def offered(*, audio: bool = True, channel: bool = True) -> PeerClient:
    """A client that has made its offer."""
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    microphone = Microphone()
    made = peer.createDataChannel("bargein.v1") if channel else None
    client = PeerClient(peer, made, microphone)
    if made is not None:
        made.on("message", client._message)
    if audio:
        peer.addTrack(microphone)
    if not audio and not channel:
        peer.addTransceiver("video", direction="recvonly")
    await peer.setLocalDescription(await peer.createOffer())
    return client


@asynccontextmanager
async def plainly_called(address: str, query: str = "") -> AsyncIterator[PeerClient]:
    """A client without a data channel, as WHIP has it."""
    client = await offered(channel=False)
    try:
        async with httpx.AsyncClient(base_url=f"http://{address}") as http:
            kind = {"content-type": "application/sdp"}
            sdp = client.peer.localDescription.sdp
            answered = await http.post(f"/webrtc/offer{query}", content=sdp, headers=kind)
        assert answered.status_code == 201, answered.text
        client.answer = {"id": answered.headers["location"].rpartition("/")[2]}
        await client.peer.setRemoteDescription(RTCSessionDescription(answered.text, "answer"))
        client.peer.getTransceivers()[0].receiver.transport._handle_rtp_data = client._data  # type: ignore[method-assign]
        yield client
    finally:
        await client.peer.close()


@asynccontextmanager
async def called(address: str, hello: object = HELLO, *, opens: bool = True) -> AsyncIterator[PeerClient]:
    """A client that has said hello over its data channel. opens: it takes the answer, so that the channel can open."""
    client = await offered()
    try:
        async with httpx.AsyncClient(base_url=f"http://{address}") as http:
            body = {"sdp": client.peer.localDescription.sdp, "type": "offer"}
            answered = await http.post("/webrtc/offer", json=body)
        assert answered.status_code == 201, answered.text
        client.answer = answered.json()
        if opens:
            await client.peer.setRemoteDescription(RTCSessionDescription(client.answer["sdp"], "answer"))
            client.peer.getTransceivers()[0].receiver.transport._handle_rtp_data = client._data  # type: ignore[method-assign]
            async with asyncio.timeout(8):
                opened = asyncio.Event()
                client.channel.on("open", opened.set)
                if client.channel.readyState != "open":
                    await opened.wait()
            client.send(hello)
        yield client
    finally:
        await client.peer.close()
