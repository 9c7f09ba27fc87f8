"""How a call ends by the agent's wish: hanging up, or handing the caller on to somebody else."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

from bargein.errors import BargeinError, UsageError
from bargein.notices import Problem
from bargein.protocols import CallControl, EndRequest, HangUp, Transfer

log = logging.getLogger(__name__)

NUMBER = re.compile(r"\+[1-9]\d{6,14}")  # E.164


class CallEnding:
    """exchange: None where nobody can do more than end the connection. hang_up: ends it. failed: told when the wish
    could not be fulfilled, so that the caller does not wait in silence."""

    def __init__(
        self, exchange: CallControl | None, hang_up: Callable[[str], None], failed: Callable[[Problem], None]
    ) -> None:
        self._exchange = exchange
        self._hang_up = hang_up
        self._failed = failed

    async def leave(self, wish: EndRequest) -> None:
        """Do it. Raises nothing: a caller who cannot be handed on stays with us."""
        if isinstance(wish, HangUp):
            await self._end(wish.reason)
            return
        try:
            await self.transfer(wish.to)
        except BargeinError as error:
            log.warning("Not transferred: %s", error)
            self._failed(Problem("not_transferred", error.message, error.advice))

    async def transfer(self, to: str) -> None:
        """Raises Misuse for what is no number, or where there is nobody to ask; VendorRefused or VendorLost."""
        wish = Transfer(to)
        if not NUMBER.fullmatch(wish.to):
            raise UsageError(
                f"{wish.to[:40]!r} is no telephone number", advice="Write it as +, country and number: +4930123456"
            )
        if self._exchange is None:
            raise UsageError(
                "This call cannot be transferred",
                advice="Set the telephone vendor's credentials; docs/telephone.md says which",
            )
        await self._exchange.transfer(wish.to)
        self._hang_up(f"transferred to {wish.to}")

    async def _end(self, reason: str) -> None:
        if self._exchange is not None:
            try:
                await self._exchange.hang_up()
            except BargeinError as error:
                log.warning("The call could not be ended by the vendor, only the stream: %s", error)
        self._hang_up(reason)
