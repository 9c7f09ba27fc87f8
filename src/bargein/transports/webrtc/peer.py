"""One WebRTC connection on aiortc: its data channel and its audio, each way.

aiortc does ICE, DTLS and the data channel. Audio goes past its encoder, its jitter buffer and their threads: packets
are made and read here, and only encrypted there. docs/webrtc.md has the cost.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import secrets
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from bargein.errors import ProtocolError, Unavailable
from bargein.transports.rtp.packets import RtpPacket, read_packet, write_packet
from bargein.transports.webrtc.opus import INSTALL, UNITS

try:
    import aiortc
    from aiortc import clock as aiortc_clock
    from aiortc.rtcrtpreceiver import StreamStatistics
except ImportError:
    aiortc = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

AUDIO, CHANNEL = "audio", "bargein.v1"
SOURCES = 4  # of packets that are counted for the reports: a client has one, and another after a change
CLOSE_S = 10.0  # that a connection may take to close, beside many that close
NO_OPUS = ProtocolError("The offer's audio has no Opus", advice="Offer Opus, as browsers do", code="no_opus")
ABSENT = ProtocolError("The offer has no audio", advice="Add a microphone's track, and offer again", code="no_audio")


@dataclass(frozen=True, slots=True)
class IceServer:
    """STUN or TURN, as a browser takes it."""

    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = None


@dataclass(frozen=True, slots=True)
class _Counted:
    """Of a packet, what aiortc counts for its reports."""

    sequence_number: int
    timestamp: int


def _nothing(*_: object) -> None:
    """Until a listener is set."""


class WebRTCPeer:
    """public: an address that stands for this machine's own in the candidates. Raises Unavailable without aiortc."""

    def __init__(self, servers: Sequence[IceServer] = (), public: str | None = None) -> None:
        if aiortc is None:
            raise Unavailable("WebRTC needs the package aiortc", advice=INSTALL)
        self.on_packet: Callable[[RtpPacket], None] = _nothing
        self.on_data: Callable[[bytes], None] = _nothing
        """Gets each packet as it came, decrypted."""
        self.on_message: Callable[[str | bytes], None] = _nothing
        self.on_lost: Callable[[str], None] = _nothing
        self.opened = asyncio.Event()
        """The data channel is open, or the connection stands without one, or neither will be."""
        self.connected = False
        self.plain = False
        """The offer has no data channel."""
        self.has_channel = False
        self.lost = False
        self.rtt_ms: float | None = None
        self._public = public
        ice = [aiortc.RTCIceServer(list(s.urls), s.username, s.credential) for s in servers]
        self._peer = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=ice))
        self._channel: Any = None
        self._payload = 111
        self._sender: Any = None
        self._receiver: Any = None
        self._sequence = secrets.randbits(15)
        self._stamp = secrets.randbits(31)
        self._peer.on("connectionstatechange", self._state_changed)
        self._peer.on("datachannel", self._channel_made)

    async def answer(self, offer: str) -> str:
        """The answer to an offer's SDP. Raises ProtocolError for an offer that cannot be taken."""
        try:
            await self._peer.setRemoteDescription(aiortc.RTCSessionDescription(offer, "offer"))
        except Exception as error:  # a stranger's text: the parser raises whatever it meets
            raise ProtocolError(
                f"The offer cannot be read: {error}", advice="Send a browser's offer as it is", code="bad_sdp"
            ) from None
        self.plain = "m=application " not in offer
        found = [each for each in self._peer.getTransceivers() if each.kind == AUDIO]
        if not found:
            raise ABSENT
        transceiver = found[0]
        transceiver.sender.replaceTrack(_Silent())
        transceiver.direction = "sendrecv"
        await self._peer.setLocalDescription(await self._peer.createAnswer())
        self._take_over(transceiver)
        return self._shown(self._peer.localDescription.sdp)

    async def offer(self) -> str:
        """An offer's SDP, of a client without a data channel."""
        self.plain = True
        self._peer.addTransceiver(_Silent(), "sendrecv")
        await self._peer.setLocalDescription(await self._peer.createOffer())
        return str(self._peer.localDescription.sdp)

    async def accept(self, answer: str) -> None:
        """The answer to `offer`. Raises ProtocolError for one that cannot be taken."""
        try:
            await self._peer.setRemoteDescription(aiortc.RTCSessionDescription(answer, "answer"))
        except Exception as error:
            raise ProtocolError(
                f"The answer cannot be read: {error}", advice="Look at what answers there", code="bad_sdp"
            ) from None
        self._take_over(self._peer.getTransceivers()[0])

    def _take_over(self, transceiver: Any) -> None:
        """Packets of audio go past aiortc. Raises ProtocolError where Opus was not agreed on."""
        codecs = [codec for codec in transceiver._codecs if codec.mimeType.lower() == "audio/opus"]  # noqa: SLF001
        if not codecs:
            raise NO_OPUS
        self._payload = int(codecs[0].payloadType or 0)
        self._sender, self._receiver = transceiver.sender, transceiver.receiver
        self._receiver.transport._handle_rtp_data = self._take_packet  # noqa: SLF001  # past the decoder's thread

    def _shown(self, sdp: str) -> str:
        """The answer as a page gets it: repair asked for, and the public address beside our own."""
        sdp = re.sub(rf"a=fmtp:{self._payload} [^\r\n]*\r\n", "", sdp)
        told = f"a=fmtp:{self._payload} minptime=20;useinbandfec=1;usedtx=0;maxaveragebitrate=32000\r\n"
        sdp = re.sub(rf"(a=rtpmap:{self._payload} [^\r\n]*\r\n)", rf"\1{told}", sdp, count=1)
        if self._public is None:
            return sdp
        return re.sub(
            r"(a=candidate:\S+ \d udp \d+ )([0-9a-fA-F.:]+)( \d+ typ host\r\n)", rf"\1\2\3\g<1>{self._public}\3", sdp
        )

    # ------------------------------------------------------------------------------------------------- incoming

    async def _take_packet(self, data: bytes, arrival_time_ms: int) -> None:
        packet = read_packet(data)
        if packet is None or packet.payload_type != self._payload:
            return
        streams = self._receiver._RTCRtpReceiver__remote_streams  # noqa: SLF001  # its reports are made of it
        statistics = streams.get(packet.source)
        if statistics is None:
            if len(streams) >= SOURCES:
                del streams[next(iter(streams))]
            statistics = streams[packet.source] = StreamStatistics(48_000)
        statistics.add(_Counted(packet.sequence, packet.stamp))
        self.on_packet(packet)
        self.on_data(data)

    def _channel_made(self, channel: Any) -> None:
        if channel.label != CHANNEL or self._channel is not None:
            return
        self._channel = channel
        self.has_channel = True
        channel.on("message", self._message)
        channel.on("close", lambda: self._lose("the client closed the data channel"))
        self.opened.set()

    def _message(self, message: str | bytes) -> None:
        self.on_message(message)

    def _state_changed(self) -> None:
        state = self._peer.connectionState
        if state == "connected":
            self.connected = True
            if self.plain:
                self.opened.set()
        elif state in ("failed", "closed"):
            self._lose(f"the connection is {state}")

    def give_up(self) -> None:
        """Nothing more is expected from the client: `opened` does not wait for it."""
        self._lose("given up")

    def _lose(self, why: str) -> None:
        if not self.lost:
            self.lost = True
            self.opened.set()
            self.on_lost(why)

    # ------------------------------------------------------------------------------------------------- outgoing

    @property
    def unsent(self) -> int:
        """Bytes of messages that wait in the data channel."""
        return 0 if self._channel is None else int(self._channel.bufferedAmount)

    def send_text(self, text: str) -> None:
        """Raises ConnectionError where no channel is open."""
        if self._channel is None or self._channel.readyState != "open":
            raise ConnectionError("The data channel is closed")
        self._channel.send(text)

    @property
    def payload(self) -> int:
        """Payload type of Opus."""
        return self._payload

    @property
    def source(self) -> int:
        """SSRC of our audio, as the answer told it."""
        return int(self._sender._ssrc)  # noqa: SLF001

    def pass_time(self, units: int) -> None:
        """The timestamps pass over a pause."""
        self._stamp += units

    def send_packet(self, payload: bytes, *, marker: bool) -> None:
        """One packet of 20 ms. Never waits; a packet that cannot leave is lost. Raises ConnectionError once the
        connection is closed."""
        if self._sender is None:
            return
        packet = write_packet(self._payload, self._sequence, self._stamp, self.source, payload, marker=marker)
        self._sequence += 1
        self._stamp += UNITS
        self.send_written(packet, self._stamp - UNITS)

    def send_written(self, packet: bytes, stamp: int) -> None:
        """A packet that is whole already. As `send_packet`."""
        sender = self._sender
        _at_once(sender.transport._send_rtp(packet))  # noqa: SLF001
        # What its sender reports tell.
        sender._RTCRtpSender__packet_count += 1  # noqa: SLF001
        sender._RTCRtpSender__octet_count += len(packet) - 12  # noqa: SLF001
        sender._RTCRtpSender__rtp_timestamp = stamp % (1 << 32)  # noqa: SLF001
        sender._RTCRtpSender__ntp_timestamp = aiortc_clock.current_ntp_time()  # noqa: SLF001

    @property
    def round_trip_ms(self) -> float | None:
        """As the client's reports tell. None: there is none yet."""
        rtt = None if self._sender is None else self._sender._RTCRtpSender__rtt  # noqa: SLF001
        return None if rtt is None else float(rtt) * 1000

    async def close(self) -> None:
        """Close the connection, and free its ports. A second close does nothing."""
        self._lose("closed")
        self.on_packet = self.on_data = self.on_message = self.on_lost = _nothing
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._peer.close()


def _at_once(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that has nothing to wait for: to encrypt and to hand to a UDP socket."""
    try:
        work.send(None)
    except StopIteration:
        return
    work.close()
    log.warning("A packet of audio would have had to wait, and was dropped")


if aiortc is not None:

    class _Silent(aiortc.MediaStreamTrack):
        """A track that gives nothing: our packets do not come from it."""

        kind = AUDIO

        async def recv(self) -> Any:
            await asyncio.Event().wait()
