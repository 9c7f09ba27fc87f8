"""RTP packets (RFC 3550): read from a stranger's bytes, and written."""

from __future__ import annotations

import struct

import msgspec

HEADER = 12  # bytes
VERSION = 0x80
MARKER = 0x80
SEQUENCES, STAMPS = 1 << 16, 1 << 32
PACKET_BYTES = 1500  # of a packet that is read; longer ones are no voice
_FIXED = struct.Struct("!BBHII")


class RtpPacket(msgspec.Struct, frozen=True, gc=False):
    """One packet."""

    payload_type: int
    marker: bool
    sequence: int
    stamp: int
    """Timestamp, on the clock of the payload type."""
    source: int
    """SSRC."""
    payload: bytes


def read_packet(data: bytes) -> RtpPacket | None:
    """None: the bytes are no RTP packet."""
    if not HEADER <= len(data) <= PACKET_BYTES or data[0] >> 6 != 2:
        return None
    flags, second, sequence, stamp, source = _FIXED.unpack_from(data)
    begin, end = HEADER + 4 * (flags & 0x0F), len(data)
    if flags & 0x10:  # a header extension
        if end < begin + 4:
            return None
        begin += 4 + 4 * int.from_bytes(data[begin + 2 : begin + 4], "big")
    if flags & 0x20:  # padding, whose last byte counts it
        if data[-1] == 0:
            return None
        end -= data[-1]
    if begin > end:
        return None
    return RtpPacket(second & 0x7F, bool(second & MARKER), sequence, stamp, source, data[begin:end])


def write_packet(payload_type: int, sequence: int, stamp: int, source: int, payload: bytes, *, marker: bool) -> bytes:
    """A packet without extension and padding. sequence, stamp: any whole number; they wrap."""
    second = payload_type | MARKER if marker else payload_type
    return _FIXED.pack(VERSION, second, sequence % SEQUENCES, stamp % STAMPS, source) + payload


def ahead(newer: int, older: int, modulus: int) -> int:
    """How far a counter that wraps has moved: negative where `newer` is the older one."""
    return (newer - older + modulus // 2) % modulus - modulus // 2
