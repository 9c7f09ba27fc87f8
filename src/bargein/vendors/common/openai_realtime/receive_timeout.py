"""Waiting for a connection's next message, with a time limit while the server owes one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from bargein.errors import VendorLost


class ReceiveTimeout:
    """The time limit of one connection. `within` and `over` may be called at any time. Only one task waits."""

    def __init__(self) -> None:
        self._waiting: asyncio.Timeout | None = None
        self._due_s: float | None = None  # on the loop's clock
        self._error: BaseException | None = None

    def within(self, seconds: float | None) -> None:
        """What is owed must have come so soon from now; None: nothing is owed."""
        self._due_s = None if seconds is None else asyncio.get_running_loop().time() + seconds
        self._look()

    def over(self, error: BaseException) -> None:
        """No reader need wait any more."""
        self._error = self._error or error
        self._due_s = asyncio.get_running_loop().time()
        self._look()

    def _look(self) -> None:
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(self._due_s)

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    async def wait(self, following: Callable[[], Awaitable[bytes]]) -> bytes:
        """The connection's next message. Raises VendorLost when what is owed did not come, or what `over` was given."""
        self._check()
        try:
            # Around nothing but this wait: what is done with the message is none of the connection's time.
            async with asyncio.timeout_at(self._due_s) as self._waiting:
                return await following()
        except TimeoutError:
            self._check()
            raise VendorLost("does not answer", advice="Try again") from None
        finally:
            self._waiting = None
