"""Streams that end at "[DONE]", read to the end of their body: httpx keeps only such a connection for the next turn.

Mistral's SDK closes a stream at that mark; behind it only the body's own end is missing. (OpenAI's reads on itself.)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import cast

import httpx2 as httpx

DONE = b"[DONE]"
END_S = 0.1  # for the body's end; a connection that keeps us waiting longer is given up, as the SDK would


class ToTheEnd(httpx.AsyncByteStream):
    """A response's body. Closed before the mark came, it is closed at once: that is how a reply is cut."""

    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream
        self._source = aiter(stream)
        self._tail = b""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for data in self._source:
            self._tail = (self._tail + data)[-len(DONE) - 4 :]  # and two ends of line
            yield data

    async def aclose(self) -> None:
        try:
            if self._tail.rstrip().endswith(DONE):
                with suppress(TimeoutError, httpx.HTTPError):
                    async with asyncio.timeout(END_S):
                        async for _ in self._source:
                            pass
        finally:
            await self._stream.aclose()


async def to_the_end(response: httpx.Response) -> None:
    """A response hook of a client."""
    response.stream = ToTheEnd(cast("httpx.AsyncByteStream", response.stream))
