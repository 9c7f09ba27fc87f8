"""How much a browser may send, how fast, and how much of it may wait."""

from __future__ import annotations

from dataclasses import dataclass

from bargein.transports.websocket import MESSAGE_BYTES


@dataclass(frozen=True, slots=True)
class BrowserLimits:
    """Bounds for a client, but for the size of one message."""

    messages: float = 200
    """Messages a second. A message beyond the rate is dropped."""
    burst: float = 400
    """Messages at once."""
    flood: float = 2000
    """Messages a second, beyond which the socket is closed."""
    typed: float = 200
    """Typed characters a second. A text beyond the rate is dropped: what was said is kept as long as the call."""
    typed_burst: float = 20_000
    """Typed characters at once."""
    ahead_ms: float = 2_000
    """Microphone audio that may come ahead of real time without an error."""
    backlog_ms: float = 3_000
    """Microphone audio that may come after the welcome to a client that was away, spoken meanwhile."""
    hello_ms: float = 10_000
    """A `hello` must come within this time."""
    unread_ms: float = 4_000
    """Audio in the send queue, and the time that one message may take to leave."""

    def as_sent(self) -> dict[str, float]:
        """The bounds as `welcome` names them."""
        return {
            "message_bytes": MESSAGE_BYTES,
            "messages_per_s": self.messages,
            "messages_burst": self.burst,
            "audio_ahead_ms": self.ahead_ms,
            "backlog_ms": self.backlog_ms,
            "unread_ms": self.unread_ms,
        }
