"""Streams of a reply: its text as an iterator, its audio in slices."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar

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
