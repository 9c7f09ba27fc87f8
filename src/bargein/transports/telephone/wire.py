"""The WebSocket beneath a telephone's stream, as the server gives it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from bargein.audio.ambience import Ambience


class Wire(Protocol):
    """An open WebSocket. No method waits."""

    @property
    def unsent(self) -> int:
        """Bytes that the kernel has not taken yet."""
        ...

    def text(self, data: bytes) -> None: ...

    def binary(self, data: bytes) -> None: ...

    def close(self, code: int, reason: str) -> None: ...


@runtime_checkable
class PausesWithBackground(Protocol):
    """A wire that can fill the pauses between replies."""

    def play_background(self, background: Ambience) -> None:
        """From now on."""
        ...
