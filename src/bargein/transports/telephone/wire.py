"""The WebSocket beneath a telephone's stream, as the server gives it."""

from __future__ import annotations

from typing import Protocol

REASON_BYTES = 100  # a close frame has room for 123
NORMAL_CLOSES = (1000, 1001)  # a peer that closes so has nothing more to say
REFUSED_CLOSES = (1007, 1008)  # the server's own bound on frames has closed the stream


def close_reason(reason: str) -> str:
    """A reason as a close frame takes it."""
    return reason.encode()[:REASON_BYTES].decode(errors="ignore")


class Wire(Protocol):
    """An open WebSocket. No method waits."""

    @property
    def unsent(self) -> int:
        """Bytes that the kernel has not taken yet."""
        ...

    def text(self, data: bytes) -> None: ...

    def binary(self, data: bytes) -> None: ...

    def close(self, code: int, reason: str) -> None: ...
