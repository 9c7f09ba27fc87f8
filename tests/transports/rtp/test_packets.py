"""RTP packets and RTCP reports: what is written is read, and any bytes may come."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from bargein.transports.rtp.packets import SEQUENCES, ahead, read_packet, write_packet
from bargein.transports.rtp.rtcp import (
    Goodbye,
    JitterBufferReport,
    ReceptionReport,
    SenderReport,
    read_reports,
    write_report,
)


@given(st.integers(0, 127), st.integers(0, 65_535), st.integers(0, 2**32 - 1), st.binary(max_size=400), st.booleans())
def test_what_is_written_is_read(kind: int, sequence: int, stamp: int, payload: bytes, marker: bool) -> None:
    packet = read_packet(write_packet(kind, sequence, stamp, 5, payload, marker=marker))

    assert packet is not None
    assert (packet.payload_type, packet.marker, packet.sequence, packet.stamp, packet.source, packet.payload) == (
        *(kind, marker, sequence, stamp, 5, payload),
    )


@given(st.binary(max_size=80))
def test_any_bytes_are_a_packet_or_none(data: bytes) -> None:
    packet = read_packet(data)

    assert packet is None or len(packet.payload) <= len(data) - 12
    read_reports(data)


def test_sources_extension_and_padding_are_no_audio() -> None:
    head = struct.pack("!BBHII", 0x80 | 0x20 | 0x10 | 2, 0, 1, 2, 3) + b"\1\2\3\4" * 2 + struct.pack("!HH", 0xBEDE, 1)

    packet = read_packet(head + b"\0\0\0\0" + b"audio" + b"\0\0\3")

    assert packet is not None
    assert packet.payload == b"audio"


def test_a_counter_that_wraps_goes_on() -> None:
    assert ahead(3, 65_534, SEQUENCES) == 5
    assert ahead(65_534, 3, SEQUENCES) == -5


def test_a_report_is_read_as_it_was_written() -> None:
    received = ReceptionReport(9, 12, 345, 70_000, 88, 0x1234, 99)
    sent = SenderReport(5, 0x0102030405060708, 1600, 10, 1600)

    found = read_reports(write_report(5, "bargein", received, sent, goodbye=True))

    assert found == [sent, received, Goodbye((5,))]


def test_a_far_end_that_tells_of_its_jitter_buffer_is_believed() -> None:
    block = struct.pack("!BBHI", 7, 0, 8, 5) + bytes(18) + struct.pack("!HHH", 80, 120, 200) + bytes(4)
    block = block[:36]
    packet = struct.pack("!BBHI", 0x80, 207, 1 + len(block) // 4, 6) + block

    found = read_reports(packet)

    assert len(found) == 1
    assert isinstance(found[0], JitterBufferReport)
    assert found[0].source == 5
