"""What a browser's transport stands on: a WebSocket of any web server, or a WebRTC connection."""

from __future__ import annotations

from typing import Protocol

from bargein.protocols import AudioIn


class Socket(Protocol):
    """An accepted connection. send_* and close raise ConnectionError after the connection is lost."""

    async def receive(self) -> str | bytes | AudioIn | None:
        """The next message; or audio that did not come as one, at its place in a stream that may have begun before the
        call. None: the connection is closed or lost."""
        ...

    async def send_text(self, text: str) -> None: ...

    async def send_bytes(self, data: bytes) -> None: ...

    async def close(self, code: int, reason: str) -> None: ...
