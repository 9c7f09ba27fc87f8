"""Small helpers of a reply's making: the agent's own text as a stream, texts remembered as they pass."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from bargein.contracts import TextDelta
from bargein.errors import BargeinError

T = TypeVar("T")


async def one(text: str) -> AsyncIterator[str]:
    """A text that is known already, as a voice takes it."""
    yield text


async def remembered(
    deltas: AsyncIterator[TextDelta], remember: Callable[[str], None], lost: Callable[[], None]
) -> AsyncIterator[str]:
    """Pass a model's text on to the voice, and tell `remember` of it; `lost` is told when it was the model that
    failed, since the error comes out at the voice's end of the pipe."""
    async with closing(deltas):
        try:
            async for delta in deltas:
                remember(delta.text)
                yield delta.text
        except BargeinError:
            lost()
            raise


@asynccontextmanager
async def closing(stream: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Close the iterator in the end, if it is one that can be: that stops the vendor behind it."""
    try:
        yield stream
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()
