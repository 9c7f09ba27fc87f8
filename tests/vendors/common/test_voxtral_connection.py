"""What both of Voxtral's servers have in common: the goodbye, and words that come in pieces."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import numpy as np
import pytest

from bargein.errors import VendorRefused
from bargein.vendors.common import voxtral_connection
from bargein.vendors.common.voxtral_connection import VoxtralPieces
from bargein.vendors.mistral.realtime import VoxtralRealtime
from bargein.vendors.vllm.realtime import VLLMVoxtralRealtime
from tests.vendors.stt_connections import (
    RATE,
)


class Goodbyes:
    """Both ends of connections to a vendor that answers a goodbye before the connection is closed, and nothing else;
    the second connection is refused."""

    def __init__(self, goodbye: str, answer: dict[str, object]) -> None:
        self.goodbye, self.answer = goodbye, answer
        self.dials = 0
        self.told: asyncio.Queue[str] = asyncio.Queue()
        self.over = asyncio.Event()

    @asynccontextmanager
    async def dial(self) -> AsyncIterator[Goodbyes]:
        self.dials += 1
        if self.dials == 2:
            raise VendorRefused("the second", advice="")
        try:
            yield self
        finally:
            self.over.set()

    async def greet(self, socket: object, rate: int) -> None:
        pass

    async def send(self, message: str) -> None:
        if message == self.goodbye:
            self.told.put_nowait(json.dumps(self.answer))

    async def recv(self) -> str:
        return await self.told.get()

    async def close(self) -> None:
        await asyncio.Event().wait()  # it is still under way when the answer is read


@pytest.mark.parametrize(
    ("transcriber", "answer"),
    [
        (VLLMVoxtralRealtime("http://gpu.test"), {"type": "transcription.done", "text": "", "usage": {}}),
        (VLLMVoxtralRealtime("http://gpu.test"), {"type": "error", "error": "", "code": "processing_error"}),
        (VoxtralRealtime(api_key="secret-key"), {"type": "error", "error": {"message": "", "code": 3000}}),
    ],
)
async def test_what_is_answered_to_our_goodbye_is_no_loss(
    monkeypatch: pytest.MonkeyPatch, transcriber: VLLMVoxtralRealtime | VoxtralRealtime, answer: dict[str, object]
) -> None:
    monkeypatch.setattr(voxtral_connection, "IDLE_S", 0.05)
    vendor = Goodbyes(transcriber.goodbye, answer)
    for name in ("dial", "greet"):
        monkeypatch.setattr(transcriber, name, getattr(vendor, name))
    line = transcriber.open(RATE)
    line.push_audio(np.zeros(RATE // 10, np.int16))
    async with asyncio.timeout(20), aclosing(line.events()) as listening:
        hearing = asyncio.ensure_future(anext(listening))
        await vendor.over.wait()
        line.push_audio(np.zeros(RATE, np.int16))
        with pytest.raises(VendorRefused, match="the second"):
            await hearing


@pytest.mark.parametrize(
    ("given", "whole"),
    [(["hel"], ""), (["hel", "lo"], ""), (["hello", " th"], "hello"), (["hello."], "hello."), (["你好"], "你好")],
)
def test_a_word_is_whole_when_something_follows_it(given: list[str], whole: str) -> None:
    pieces = VoxtralPieces()
    for piece in given:
        pieces.add(piece)
    assert pieces.whole == whole
