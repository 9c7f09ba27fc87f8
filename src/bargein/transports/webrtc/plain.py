"""A client that has no data channel: it hears a track, and speaks on one. A call with it is a call over RTP.

Nothing can be taken back at such a client, and it reports nothing: a hold is silence in the track, and what was heard
is what left, less half the round trip and the client's jitter buffer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from bargein.clock import Clock
from bargein.transports.rtp.agreed import AgreedAudio
from bargein.transports.rtp.packets import read_packet
from bargein.transports.rtp.ports import Address
from bargein.transports.rtp.transport import Rounds, RtpTransport
from bargein.transports.webrtc.opus import OpusCodec
from bargein.transports.webrtc.peer import WebRTCPeer

CLIENT: Address = ("webrtc", 1)
FAR_BUFFER_MS = 60.0  # of a browser: its jitter buffer, and its sound card


class PeerPort:
    """An RtpPort by shape. aiortc sends the reports of RTCP, and reads those that come."""

    host, port = "webrtc", 0

    def __init__(self, peer: WebRTCPeer) -> None:
        self.on_rtp: Callable[[bytes, Address], None] = _nothing
        self.on_rtcp: Callable[[bytes, Address], None] = _nothing
        self.on_error: Callable[[OSError], None] = _no_error
        self._peer = peer

    async def open(self) -> None:
        """Receive from now on."""
        self._peer.on_data = self._data

    def _data(self, data: bytes) -> None:
        self.on_rtp(data, CLIENT)

    def send(self, packet: bytes, to: Address) -> None:
        """RTP. A packet that cannot leave is lost."""
        read = read_packet(packet)
        with contextlib.suppress(ConnectionError):
            self._peer.send_written(packet, 0 if read is None else read.stamp)

    def send_rtcp(self, packet: bytes, to: Address) -> None:
        """Aiortc has told it."""

    def close(self) -> None:
        """Nothing comes any more."""
        self.on_rtp = self.on_rtcp = _nothing
        self._peer.on_data = _nothing_of_it


class PlainWebRTCTransport(RtpTransport):
    """The transport of such a client. Close the peer after it."""

    def __init__(self, peer: WebRTCPeer, clock: Clock, rounds: Rounds) -> None:
        agreed = AgreedAudio(*CLIENT, "OPUS", peer.payload, noise_payload=None)
        port, codec = PeerPort(peer), OpusCodec(peer.payload)
        super().__init__(port, agreed, clock, rounds, far_buffer_ms=FAR_BUFFER_MS, codec=codec, source=peer.source)
        self._peer = peer
        peer.on_lost = self.over

    def _tick(self, now_ms: float) -> None:
        if (rtt_ms := self._peer.round_trip_ms) is not None:
            self.tell_round_trip(rtt_ms)
        super()._tick(now_ms)


def _nothing(_: bytes, __: Address) -> None:
    """The port is not in use."""


def _nothing_of_it(_: bytes) -> None:
    """The port is not in use."""


def _no_error(_: OSError) -> None:
    """The port is not in use."""
