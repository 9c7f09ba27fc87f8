"""Bounds of a WebRTC connection."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PeerLimits:
    """What a page may send, and how long it is waited for."""

    open_ms: float = 15_000.0
    """From the answer to an open data channel."""
    silent_ms: float = 6_000.0
    """Without a message and without audio for so long, the connection is lost. A page's pings come each 500 ms."""
    waiting: int = 400
    """Messages and audio that may wait to be read: some seconds."""
    unsent: int = 256 * 1024
    """Bytes of messages that may wait in the data channel for a client that does not read."""
    packets: float = 200.0
    """Packets of audio a second that are looked at. A call sends 50."""
    burst: float = 400.0
    """Packets at once."""
