"""Streams of a reply: its text as an iterator, its audio in slices, and parts that cancel themselves."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import TypeVar

from bargein.errors import VendorLost
from bargein.protocols import SpeechChunk

T = TypeVar("T")


async def one(text: str) -> AsyncIterator[str]:
    """A text that is known already, as a TTS takes it."""
    yield text


@asynccontextmanager
async def closing(stream: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Close the iterator at the end, if it has `aclose`. Closing stops the vendor behind it."""
    try:
        yield stream
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()


@contextmanager
def own_cancellation(part: str) -> Iterator[None]:
    """A part that cancels itself (by a task that it awaits, say) has failed: raises VendorLost. A cancellation of ours
    goes through."""
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise VendorLost(f"{part} was cancelled from within", advice="Look at the tasks that its code awaits") from None


def slices(chunk: SpeechChunk, most_ms: float) -> deque[SpeechChunk]:
    """A TTS's chunk in slices of at most most_ms; text and words come with the first.

    A TTS that gives a minute at once must wait, too. Each slice owns its audio, so that played slices can be freed.
    """
    pcm = chunk.pcm
    size = max(1, int(most_ms * pcm.rate / 1000))
    if len(pcm) <= size:
        return deque((chunk,))
    sliced = deque((replace(chunk, pcm=pcm.part(0, size)),))
    for at in range(size, len(pcm), size):
        sliced.append(replace(chunk, pcm=pcm.part(at, at + size), text="", words=chunk.words and ()))
    return sliced
