"""Bodies that are read to their end behind "[DONE]", and only those."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx2 as httpx
import pytest

from bargein.vendors.mistral import streams
from bargein.vendors.mistral.streams import ToTheEnd


class Body(httpx.AsyncByteStream):
    """hangs: it never ends."""

    def __init__(self, *parts: bytes, hangs: bool = False) -> None:
        self.parts, self.hangs = parts, hangs
        self.read = 0
        self.ended = self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            self.read += 1
            yield part
        if self.hangs:
            await asyncio.Event().wait()
        self.ended = True

    async def aclose(self) -> None:
        self.closed = True


async def taken(body: Body, parts: int) -> None:
    """Read so many parts, and close it."""
    stream = ToTheEnd(body)
    reading = aiter(stream)
    for _ in range(parts):
        await anext(reading)
    await stream.aclose()
    assert body.closed


async def test_behind_the_mark_it_is_read_to_its_end() -> None:
    body = Body(b"data: {}\n\ndata: [DO", b"NE]\r\n\r\n", b"\n")
    await taken(body, 2)
    assert body.ended


async def test_before_the_mark_nothing_more_is_read() -> None:
    body = Body(b"data: {}\n\n", b'data: {"said": "[DONE]"}\n\n', b"data: [DONE]\n\n")
    await taken(body, 2)
    assert body.read == 2


async def test_an_end_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "END_S", 0.0)
    body = Body(b"data: [DONE]\n\n", hangs=True)
    await taken(body, 1)
    assert not body.ended
