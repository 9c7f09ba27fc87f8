"""What the speaking process says over its pipe, to the frame."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from bargein.vendors.local.espeak import worker
from bargein.vendors.local.espeak_worker import AUDIO, BUFFER_MS, RATE, WORDS
from bargein.vendors.local.worker_process import Frame, WorkerProcess


@pytest.fixture
async def process() -> AsyncIterator[WorkerProcess]:
    child = worker()
    yield child
    await child.aclose()


async def frames(process: WorkerProcess, text: str, voice: str = "en-us") -> list[Frame]:
    ask = {"text": text, "voice": voice, "words_per_minute": 165, "pitch": 50}
    return [frame async for frame in process.request(ask)]


async def positions(process: WorkerProcess, text: str, voice: str = "en-us") -> list[int]:
    return [at for kind, data in await frames(process, text, voice) if kind == WORDS for at, _ in json.loads(data)]


async def test_positions_are_characters_from_zero(process: WorkerProcess) -> None:
    assert await positions(process, "Hello there, I ate a café.") == [0, 6, 13, 15, 19, 21]
    assert await positions(process, "é é “x” y") == [0, 2, 5, 8]
    assert await positions(process, "a 😀 y") == [0, 2, 3, 4]  # "grinning face": its second word lies on the space
    assert await positions(process, "Grüß Gott", "de") == [0, 5]


async def test_what_would_end_or_spoil_the_text_is_one_character_all_the_same(process: WorkerProcess) -> None:
    assert await positions(process, "one \0 two") == [0, 6]
    assert (await positions(process, "one \ud800 two"))[-1] == 6


async def test_sound_comes_in_small_chunks_and_no_word_lies_behind_it(process: WorkerProcess) -> None:
    got = await frames(process, "This is a sentence of some length.")
    chunks = [len(data) // 2 for kind, data in got if kind == AUDIO]
    assert len(chunks) > 10
    assert max(chunks) <= BUFFER_MS * RATE // 1000 + 1
    samples = [sample for kind, data in got if kind == WORDS for _, sample in json.loads(data)]
    assert samples == sorted(samples)
    assert samples[0] == 0
    assert samples[-1] < sum(chunks)


async def test_a_language_stands_in_for_a_country_that_espeak_does_not_know(process: WorkerProcess) -> None:
    for voice in ("en-gb", "fr-ca", "zh", "zh-cn", "de+f2"):
        assert await positions(process, "a", voice) == [0]
