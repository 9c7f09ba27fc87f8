"""One who listens to a channel: what is not taken in time is dropped, the oldest first."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

LISTENER_MESSAGES = 1024


class Listener:
    """Messages on their way from the store to one reader."""

    def __init__(self) -> None:
        self._messages: deque[bytes] = deque(maxlen=LISTENER_MESSAGES)
        self._came = asyncio.Event()

    def give(self, message: bytes) -> None:
        """Never waits."""
        self._messages.append(message)
        self._came.set()

    async def messages(self) -> AsyncIterator[bytes]:
        """As they come."""
        while True:
            while self._messages:
                yield self._messages.popleft()
            self._came.clear()
            await self._came.wait()
