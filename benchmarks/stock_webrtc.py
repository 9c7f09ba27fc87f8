"""A WebRTC server on aiortc as it comes, for its cost: it plays a tone to each caller, and hears the caller.

`python -m benchmarks.stock_webrtc` prints its address, and ends when its input closes.
"""

from __future__ import annotations

import asyncio
from fractions import Fraction
from typing import Any

import av
import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaBlackhole
from fastapi import FastAPI, Request
from fastapi.responses import Response

from bargein_simulators.all_vendors import serve_until_input_closes

RATE, FRAME = 24_000, 480


class Tone(MediaStreamTrack):
    """20 ms of a tone, at the time of each."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._at = 0
        self._began = asyncio.get_running_loop().time()

    async def recv(self) -> Any:
        await asyncio.sleep(max(0.0, self._began + self._at / RATE - asyncio.get_running_loop().time()))
        wave = (np.sin(np.arange(self._at, self._at + FRAME) * 0.06) * 8000).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(wave.reshape(1, -1), "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._at, Fraction(1, RATE)
        self._at += FRAME
        return frame


def app() -> FastAPI:
    server = FastAPI(openapi_url=None)
    kept: list[Any] = []

    @server.post("/webrtc/offer", status_code=201)
    async def offer(request: Request) -> Response:
        peer, sink = RTCPeerConnection(RTCConfiguration(iceServers=[])), MediaBlackhole()
        kept.extend((peer, sink))
        peer.on("track", sink.addTrack)
        await peer.setRemoteDescription(RTCSessionDescription((await request.body()).decode(), "offer"))
        peer.addTrack(Tone())
        await peer.setLocalDescription(await peer.createAnswer())
        await sink.start()
        return Response(peer.localDescription.sdp, 201, media_type="application/sdp")

    return server


if __name__ == "__main__":
    serve_until_input_closes(app())
