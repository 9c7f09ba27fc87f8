"""One caller by WebRTC: calls any server that takes an offer by HTTP, speaks a script, and keeps what it hears.

The client has no data channel: it is anybody's. What counts as the agent's is what can be heard.
"""

from __future__ import annotations

import asyncio
from binascii import a2b_base64
from collections.abc import Mapping, Sequence

import httpx
import numpy as np

from bargein.audio.mulaw import from_mulaw, to_mulaw
from bargein.audio.resample import HotResampler
from bargein.clock import Clock
from bargein.errors import ProtocolError, VendorLost, VendorRefused
from bargein.transports.rtp.packets import STAMPS, RtpPacket, ahead
from bargein.transports.webrtc.opus import CLOCK, RATE_IN, OpusDecoder, OpusEncoder
from bargein.transports.webrtc.peer import WebRTCPeer
from bargein_bench.callers.caller_audio import Echo, Step
from bargein_bench.callers.line import CallerLine
from bargein_bench.callers.result import Result
from bargein_bench.callers.sip_phone import RtpTelephone
from bargein_bench.callers.telephone import RATE

OPEN_S = 10.0
SDP = "application/sdp"


class WebRTCCaller:
    """Makes one call, and is its line's LineStream. url: takes the offer, as application/sdp or, where it refuses that,
    as JSON. parameters: of the query. lasts_ms, way_ms, keep: as in SipCaller."""

    def __init__(
        self,
        url: str,
        steps: Sequence[Step],
        lasts_ms: float,
        *,
        headers: Mapping[str, str] | None = None,
        parameters: Mapping[str, str] | None = None,
        echo: Echo | None = None,
        way_ms: float = 0.0,
        seed: int = 1,
        clock: Clock | None = None,
        keep: bool = False,
    ) -> None:
        self._url, self._headers, self._parameters = url, dict(headers or {}), dict(parameters or {})
        self._telephone = RtpTelephone(lasts_ms + 2000)
        self._line = CallerLine(
            steps, lasts_ms, echo=echo, way_ms=way_ms, seed=seed, clock=clock, keep=keep, telephone=self._telephone
        )
        self._peer = WebRTCPeer()
        self._encoder, self._decoder = OpusEncoder(RATE_IN), OpusDecoder()
        self._up, self._down = HotResampler(RATE, RATE_IN), HotResampler(RATE_IN, RATE)
        self._first: int | None = None  # timestamp

    async def run(self) -> Result:
        """Make the call, to its end. Raises VendorRefused when it is refused, VendorLost when no server answers."""
        line, result = self._line, self._line.result
        began = line.clock.now_ms()
        try:
            await self._connect()
            line.begin()
            result.connected_ms = result.began_ms - began
            line.stream = self
            await line.speak()
        finally:
            result.lasted = line.now if result.began_ms else 0
            result.closed_by = "the server" if line.over.is_set() else "us"
            await self._peer.close()
        return result

    async def _connect(self) -> None:
        peer, line = self._peer, self._line
        try:
            async with httpx.AsyncClient(timeout=OPEN_S, headers=self._headers) as http:
                offer = await peer.offer()
                answer = await http.post(
                    self._url, content=offer, headers={"content-type": SDP}, params=self._parameters
                )
                if answer.status_code == httpx.codes.UNSUPPORTED_MEDIA_TYPE:
                    answer = await http.post(self._url, json={"sdp": offer, "type": "offer"})
        except httpx.HTTPError as error:
            raise VendorLost(f"No server answers at {self._url}: {error}", advice="Start the agent first") from None
        if answer.status_code not in (httpx.codes.OK, httpx.codes.CREATED):
            raise VendorRefused(
                f"{self._url} answered {answer.status_code} {answer.text[:200]}",
                advice="Look at the address, and at --key",
            )
        sdp = answer.text if answer.headers.get("content-type", "").startswith(SDP) else str(answer.json().get("sdp"))
        line.result.stream = answer.headers.get("location", "").rpartition("/")[2]
        peer.on_packet, peer.on_lost = self._packet, lambda _: line.over.set()
        try:
            await peer.accept(sdp)
            async with asyncio.timeout(OPEN_S):
                await peer.opened.wait()
        except (ProtocolError, TimeoutError) as error:
            raise VendorLost(f"No connection to {self._url}: {error}", advice="Look at the network") from None
        if not peer.connected:
            raise VendorLost(f"No connection to {self._url}", advice="Look at the network: ICE has failed")

    def frame(self, place: int, payload: bytes) -> None:
        """20 ms of the caller. payload: base64 of mu-law."""
        samples = self._up.push_audio(from_mulaw(a2b_base64(payload)))
        packet = self._encoder.plain(samples)
        self._line.result.sent_bytes += len(packet)
        if self._line.way_s:
            asyncio.get_running_loop().call_later(self._line.way_s, self._put, packet)
        else:
            self._put(packet)

    def _put(self, packet: bytes) -> None:
        if not self._peer.lost:
            self._peer.send_packet(packet, marker=False)

    def key(self, key: str) -> None:
        """The wire has no keys here."""

    def _packet(self, packet: RtpPacket) -> None:
        if self._line.way_s:
            asyncio.get_running_loop().call_later(self._line.way_s, self._take, packet)
        else:
            self._take(packet)

    def _take(self, packet: RtpPacket) -> None:
        result = self._line.result
        result.got_bytes += len(packet.payload)
        if not result.began_ms or not packet.payload:
            return
        if self._first is None:
            self._first = packet.stamp
        samples = self._down.push_audio(self._decoder.decode(packet.payload))
        stamp = ahead(packet.stamp, self._first, STAMPS) * RATE // CLOCK
        if len(samples):
            self._telephone.packet(self._line.now, stamp, to_mulaw(samples.astype(np.int16, copy=False)))
