"""What the workers of one server share where there is no Redis."""

from __future__ import annotations

from typing import Self

from bargein.server.settings import Settings


class SharedStore:
    """Runs while its block does."""

    def __init__(self, settings: Settings) -> None:
        self.path: str | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None: ...

    def died(self, node: str) -> None:
        """A worker's process is over: no other need wait for its heartbeat to grow old."""
