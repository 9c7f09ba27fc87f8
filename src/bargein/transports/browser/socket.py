"""The socket that a browser's transport stands on, of any web server."""

from __future__ import annotations

from typing import Protocol


class Socket(Protocol):
    """An accepted WebSocket. send_* and close raise ConnectionError after the connection is lost."""

    async def receive(self) -> str | bytes | None:
        """The next message. None: the connection is closed or lost."""
        ...

    async def send_text(self, text: str) -> None: ...

    async def send_bytes(self, data: bytes) -> None: ...

    async def close(self, code: int, reason: str) -> None: ...
