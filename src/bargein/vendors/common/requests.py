"""What all chat models over HTTP have in common: the connections that they keep, and the second try."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeVar

from bargein.errors import VendorLost

KEEP_S = 120.0  # of an idle connection: between two turns, and no handshake before the second
MOST, MOST_KEPT = 1_000, 100  # connections
SHORT_WAIT_S = 1.0  # of a rate limit: it is waited for; longer would be a silence on the line

Piece = TypeVar("Piece")
Limits = TypeVar("Limits")


def kept(limits: Callable[..., Limits]) -> Limits:
    """The limits of a client's connections. limits: httpx's type for them, of which SDKs have their own."""
    return limits(max_connections=MOST, max_keepalive_connections=MOST_KEPT, keepalive_expiry=KEEP_S)


class Wait(Exception):
    """A rate limit that is over soon."""

    def __init__(self, s: float) -> None:
        super().__init__(s)
        self.s = s


def short_wait(status: int, retry_after: str | None) -> Wait | None:
    """What a rate limit asks for, if that is short enough to be waited for. retry_after: the header."""
    try:
        asked = float(retry_after or "")
    except ValueError:
        return None
    return Wait(asked) if status == 429 and 0 < asked <= SHORT_WAIT_S else None


async def tried_twice(
    request: Callable[[], AsyncGenerator[Piece, None]], lost: Callable[[str], VendorLost]
) -> AsyncGenerator[Piece, None]:
    """The pieces of one answer. request: asks for it, and may raise Wait, too; lost: makes the error of what happened.

    What is lost before the first piece is tried once more; after it, saying the beginning twice would be worse than
    stopping. Raises VendorLost (also where nothing was said), and what else the request raises.
    """
    for last_try in (False, True):
        spoke = False
        try:
            async with aclosing(request()) as pieces:
                async for piece in pieces:
                    spoke = True
                    yield piece
            if not spoke:
                raise lost("answered with nothing")
        except Wait as wait:
            if last_try:
                raise lost("answered 429") from None
            await asyncio.sleep(wait.s)
        except VendorLost:
            if spoke or last_try:
                raise
        else:
            return
