"""Opus, by PyAV: mono both ways; and the place of a packet in its reply, in the packet itself.

The 16 bytes of the binary frame's header (docs/protocol.md) lie in the padding of an Opus packet of code 3 (RFC 6716,
3.2.5). Every decoder skips the padding; the page reads it, and knows the place of each packet however many are lost.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from bargein.audio.pcm import Samples
from bargein.errors import Unavailable
from bargein.protocols import WireSamples
from bargein.transports.browser.wire import AGENT, HEADER, LAST

try:
    import av
except ImportError:
    av = None  # type: ignore[assignment]

CLOCK = 48_000  # Hz of the timestamps, of every Opus stream
RATE_OUT, RATE_IN = 24_000, 16_000
BITS = 32_000  # a second: speech in full band
COMPLEXITY = 3  # of 10: beyond it little is heard, and the time grows
UNITS = CLOCK // 50  # of the clock, in a packet
HELD = 2  # flag: the reply is held, and no audio is in this packet
CODE, ONE, PADDED = 0x03, 0x01, 0x40
INSTALL = "Install it with pip install 'bargein[webrtc]'"


def demand_av() -> None:
    """Raises Unavailable where PyAV is not installed."""
    if av is None:
        raise Unavailable("WebRTC needs the package av", advice=INSTALL)


class OpusEncoder:
    """The agent's voice. Raises Unavailable without PyAV."""

    def __init__(self, rate: int = RATE_OUT) -> None:
        demand_av()
        self._rate = rate
        self._frame = rate // 50
        context = av.CodecContext.create("libopus", "w")
        context.sample_rate = rate
        context.layout = "mono"
        context.format = av.AudioFormat("s16")
        context.bit_rate = BITS
        context.time_base = Fraction(1, rate)
        context.options = {"application": "voip", "compression_level": str(COMPLEXITY), "frame_duration": "20"}
        self._context = context
        self._at = 0
        self._code = 0xF0  # the newest packet's first byte: frames of 20 ms

    def encode(self, samples: Samples, header: bytes) -> bytes:
        """A packet of 20 ms, with a header. samples: 20 ms at most; silence follows fewer."""
        data = self.plain(samples)
        self._code = data[0]
        return self._padded(data[1:], header)

    def plain(self, samples: Samples) -> bytes:
        """As `encode`, without a header."""
        if len(samples) < self._frame:
            samples = np.concatenate((samples, np.zeros(self._frame - len(samples), np.int16)))
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), "s16", "mono")
        frame.sample_rate = self._rate
        frame.pts = self._at
        self._at += self._frame
        (packet,) = self._context.encode(frame)
        return bytes(packet)

    def empty(self, header: bytes) -> bytes:
        """A packet without audio, with a header."""
        return self._padded(b"", header)

    def _padded(self, audio: bytes, header: bytes) -> bytes:
        return bytes((self._code | CODE, ONE | PADDED, len(header))) + audio + header


class OpusDecoder:
    """The user's voice: a Decoder by shape. Late packets are decoded by a decoder of their own, which has not heard
    what was before them: a few milliseconds of their beginning are off, and the words are whole."""

    rate = RATE_IN
    clock = CLOCK

    def __init__(self) -> None:
        demand_av()
        self._decoder = _Decoder()
        self._late: _Decoder | None = None

    def decode(self, payload: bytes) -> Samples:
        return self._decoder.decode(payload)

    def decode_late(self, payload: bytes) -> Samples | None:
        if self._late is None:
            self._late = _Decoder()
        return self._late.decode(payload)


class _Decoder:
    def __init__(self) -> None:
        self._context = av.CodecContext.create("libopus", "r")
        self._context.sample_rate = CLOCK
        self._context.layout = "mono"
        self._resampler = av.AudioResampler("s16", "mono", RATE_IN)

    def decode(self, payload: bytes) -> Samples:
        found = [
            piece.to_ndarray().reshape(-1)
            for frame in self._context.decode(av.Packet(payload))
            for piece in self._resampler.resample(_untimed(frame))
        ]
        samples: Samples = np.concatenate(found or [np.zeros(0, np.int16)])
        return samples


def _untimed(frame: av.AudioFrame) -> av.AudioFrame:
    """Without its time: the resampler would fill what is missing, and that is not its part."""
    frame.pts = None
    return frame


def held_header(reply: int, sequence: int, sample: int) -> bytes:
    """Of a packet that says: the reply is held."""
    return HEADER.pack(AGENT, HELD, 0, reply, sequence, sample)


def going_header(reply: int, sequence: int, sample: int) -> bytes:
    """Of a packet that says: the reply is not held any more."""
    return HEADER.pack(AGENT, 0, 0, reply, sequence, sample)


def audio_header(frame: bytes) -> tuple[bytes, int, bool]:
    """The header of a packet, of a binary frame's; the frame's reply; whether it is the last one."""
    kind, flags, _, reply, sequence, sample = HEADER.unpack_from(frame)
    samples = (len(frame) - HEADER.size) // 2
    return HEADER.pack(kind, flags, samples, reply, sequence, sample), reply, bool(flags & LAST)


class OpusCodec(OpusDecoder):
    """Both ways at 16000 Hz, for clients that play what comes: a Codec by shape."""

    name = "OPUS"
    mulaw = False

    def __init__(self, payload: int) -> None:
        super().__init__()
        self.static_payload = payload
        self._encoder = OpusEncoder(RATE_IN)

    def encode(self, samples: WireSamples) -> bytes:
        return self._encoder.plain(samples.astype(np.int16, copy=False))
