"""What a telephone network may send, and how long it may wait."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TelephoneLimits:
    """Bounds for a network. Fifty frames and ten marks a second are usual. After a stall many may come at once."""

    messages: float = 200
    """Messages a second. A message beyond the rate is dropped."""
    burst: float = 1000
    """Messages at once."""
    flood: float = 3000
    """Dropped messages a second, beyond which the socket is closed."""
    ahead_ms: float = 4_000
    """Audio that may come ahead of real time without being noted as a burst."""
    start_ms: float = 2_000
    """The stream must start within this time."""
    before_start: int = 100
    """Other messages that may come before the start."""
    unsent: int = 16_000
    """Bytes that may wait for a network that does not read: a second of audio."""
    stuck_ms: float = 10_000
    """The network may read no audio for this long."""
