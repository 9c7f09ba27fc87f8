"""A text as a stream, streams that are closed, chunks in slices."""

from __future__ import annotations

from collections.abc import AsyncIterator

import numpy as np
import pytest

from bargein.audio.pcm import Pcm
from bargein.call.output.text_streams import closing, one, slices
from bargein.protocols import SpeechChunk, Word


async def test_a_known_text_is_one_piece() -> None:
    assert [text async for text in one("good morning")] == ["good morning"]


async def test_a_stream_is_closed_when_its_reader_fails() -> None:
    closed: list[bool] = []

    async def stream() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    async def read() -> None:
        async with closing(stream()) as numbers:
            async for _ in numbers:
                raise RuntimeError("the reader")

    with pytest.raises(RuntimeError, match="the reader"):
        await read()
    assert closed == [True]


async def test_an_iterator_that_cannot_be_closed_is_left_alone() -> None:
    class Plain:
        def __aiter__(self) -> Plain:
            return self

        async def __anext__(self) -> int:
            raise StopAsyncIteration

    async with closing(Plain()) as numbers:
        assert [n async for n in numbers] == []


def test_a_long_chunk_is_cut_into_slices_and_its_text_comes_with_the_first() -> None:
    words = (Word(0, 10, 0, 2),)
    cut = list(slices(SpeechChunk(Pcm(np.arange(500, dtype=np.int16), 1000), "hi", words), 200))
    assert [(len(s.pcm), s.text, s.words) for s in cut] == [(200, "hi", words), (200, "", ()), (100, "", ())]
    assert np.concatenate([s.pcm.samples for s in cut]).tolist() == list(range(500))


def test_a_chunk_without_times_stays_without_them() -> None:
    cut = slices(SpeechChunk(Pcm(np.zeros(300, np.int16), 1000), "hi", None), 200)
    assert [s.words for s in cut] == [None, None]


def test_a_short_chunk_is_not_touched() -> None:
    chunk = SpeechChunk(Pcm(np.zeros(200, np.int16), 1000), "hi")
    assert list(slices(chunk, 200)) == [chunk]
