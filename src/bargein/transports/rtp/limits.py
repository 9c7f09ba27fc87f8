"""Bounds of one RTP stream."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RtpLimits:
    """What a far end may send, and how long we wait for it."""

    packets: float = 200.0
    """Packets a second that are looked at. A call sends 50, or 100 in frames of 10 ms."""
    burst: float = 400.0
    """Packets at once."""
    silent_ms: float = 10_000.0
    """Without a packet for so long, the record gets a fault."""
    gone_ms: float = 60_000.0
    """Without a packet for so long, the call ends: the far end has vanished without a goodbye."""
    ahead_ms: float = 2_000.0
    """Audio that may come ahead of real time without being noted as a burst."""
    quiet_ms: float = 5_000.0
    """After so long without a packet from the address that was locked, another may take its place."""
    report_ms: float = 5_000.0
    """Between two RTCP reports of ours."""
    first_report_ms: float = 500.0
    """Until our first RTCP report: the round trip is known soon."""
