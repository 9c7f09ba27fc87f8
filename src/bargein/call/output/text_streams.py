"""Small helpers of a reply's making: the agent's own text as a stream, sound cut into slices."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar

from bargein.protocols import SpeechChunk

T = TypeVar("T")


async def one(text: str) -> AsyncIterator[str]:
    """A text that is known already, as a voice takes it."""
    yield text


@asynccontextmanager
async def closing(stream: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Close the iterator in the end, if it is one that can be: that stops the vendor behind it."""
    try:
        yield stream
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()


def slices(spoken: SpeechChunk, most_ms: float) -> deque[SpeechChunk]:
    """A voice's stretch in pieces, its text and words with the first: a voice that gives a minute at once must wait,
    too. Each piece is sound of its own, so that what was played can go."""
    pcm = spoken.pcm
    size = max(1, int(most_ms * pcm.rate / 1000))
    if len(pcm) <= size:
        return deque((spoken,))
    pieces = deque((replace(spoken, pcm=pcm.part(0, size)),))
    for at in range(size, len(pcm), size):
        pieces.append(replace(spoken, pcm=pcm.part(at, at + size), text="", words=spoken.words and ()))
    return pieces
