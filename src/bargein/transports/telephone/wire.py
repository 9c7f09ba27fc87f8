"""The WebSocket beneath a telephone's stream, as the server gives it."""

from __future__ import annotations

from typing import Protocol


class Wire(Protocol):
    """An open WebSocket. No method waits."""

    @property
    def unsent(self) -> int:
        """Bytes that the kernel has not taken yet."""
        ...

    def text(self, data: bytes) -> None: ...

    def binary(self, data: bytes) -> None: ...

    def close(self, code: int, reason: str) -> None: ...
