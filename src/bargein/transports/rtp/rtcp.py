"""RTCP (RFC 3550, 3611): what each end says of the packets it has sent and received."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

SENDER, RECEIVER, DESCRIPTION, GOODBYE, EXTENDED = 200, 201, 202, 203, 207
REPORTS = 31  # of a packet, at most
NTP_1970 = 2_208_988_800  # seconds from 1900 to 1970
VOIP_METRICS = 7  # block type of an extended report
_BLOCK = struct.Struct("!IIIIII")


@dataclass(frozen=True, slots=True)
class ReceptionReport:
    """What one end received of a source."""

    source: int
    fraction_lost: int
    """Of 256, since the last report."""
    lost: int
    """Packets since the beginning."""
    highest: int
    """Sequence number, with its wraps in the upper 16 bits."""
    jitter: int
    """In units of the stream's clock."""
    last_report: int
    """Middle 32 bits of the NTP time of the newest sender report that came. 0: none came."""
    delay: int
    """Since that report came, in 1/65536 s."""


@dataclass(frozen=True, slots=True)
class SenderReport:
    """What one end has sent."""

    source: int
    ntp: int
    stamp: int
    packets: int
    octets: int


@dataclass(frozen=True, slots=True)
class Goodbye:
    """A source leaves."""

    sources: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class JitterBufferReport:
    """The nominal delay of the far end's jitter buffer in ms (RFC 3611, 4.7)."""

    source: int
    nominal_ms: int


Report = ReceptionReport | SenderReport | Goodbye | JitterBufferReport


def read_reports(data: bytes) -> list[Report]:
    """All reports of a compound packet. What cannot be read is left out; any bytes may come."""
    found: list[Report] = []
    at = 0
    while at + 4 <= len(data) and data[at] >> 6 == 2:
        count, kind = data[at] & 0x1F, data[at + 1]
        end = at + 4 + 4 * int.from_bytes(data[at + 2 : at + 4], "big")
        if end > len(data):
            break
        found += _of_one(kind, count, data[at + 4 : end])
        at = end
    return found


def _of_one(kind: int, count: int, body: bytes) -> Iterator[Report]:
    if kind == SENDER and len(body) >= 24:
        source, high, low, stamp, packets, octets = _BLOCK.unpack_from(body)
        yield SenderReport(source, high << 32 | low, stamp, packets, octets)
        yield from _blocks(body[24:], count)
    elif kind == RECEIVER and len(body) >= 4:
        yield from _blocks(body[4:], count)
    elif kind == GOODBYE and len(body) >= 4 * count:
        yield Goodbye(struct.unpack_from(f"!{count}I", body))
    elif kind == EXTENDED:
        yield from _extended(body[4:])


def _blocks(body: bytes, count: int) -> Iterator[ReceptionReport]:
    for at in range(0, min(count * 24, len(body) // 24 * 24), 24):
        source, lost, highest, jitter, last, delay = _BLOCK.unpack_from(body, at)
        signed = lost & 0xFFFFFF
        signed -= (signed & 0x800000) << 1
        yield ReceptionReport(source, lost >> 24, signed, highest, jitter, last, delay)


def _extended(body: bytes) -> Iterator[JitterBufferReport]:
    at = 0
    while at + 4 <= len(body):
        size = 4 + 4 * int.from_bytes(body[at + 2 : at + 4], "big")
        if body[at] == VOIP_METRICS and size == 36 and at + size <= len(body):
            yield JitterBufferReport(
                int.from_bytes(body[at + 4 : at + 8], "big"), int.from_bytes(body[at + 30 : at + 32], "big")
            )
        at += size


def write_report(
    source: int, name: str, received: ReceptionReport | None, sent: SenderReport | None, *, goodbye: bool = False
) -> bytes:
    """A compound packet: a sender or receiver report, our name, and perhaps a goodbye."""
    block = b""
    if received is not None:
        lost = received.fraction_lost << 24 | (received.lost & 0xFFFFFF)
        block = _BLOCK.pack(
            received.source,
            lost,
            received.highest & 0xFFFFFFFF,
            received.jitter & 0xFFFFFFFF,
            received.last_report,
            received.delay & 0xFFFFFFFF,
        )
    head = struct.pack("!I", source)
    if sent is not None:
        head = _BLOCK.pack(
            source,
            sent.ntp >> 32,
            sent.ntp & 0xFFFFFFFF,
            sent.stamp & 0xFFFFFFFF,
            sent.packets & 0xFFFFFFFF,
            sent.octets & 0xFFFFFFFF,
        )
    text = name.encode()[:255]
    item = struct.pack("!IBB", source, 1, len(text)) + text + b"\0"
    packets = _packet(SENDER if sent is not None else RECEIVER, 1 if received else 0, head + block)
    packets += _packet(DESCRIPTION, 1, item + b"\0" * (-len(item) % 4))
    return packets + _packet(GOODBYE, 1, struct.pack("!I", source)) if goodbye else packets


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body


def middle(ntp: int) -> int:
    """The 32 bits of an NTP time that reports refer to."""
    return ntp >> 16 & 0xFFFFFFFF
