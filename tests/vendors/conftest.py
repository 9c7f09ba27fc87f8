"""Speech for the ears to read: spoken by the embedded voice, so that no recording need be there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import numpy as np
import pytest
import soxr

from bargein.audio.pcm import Pcm
from bargein.vendors.local.espeak import EspeakTTS
from bargein.vendors.local.moonshine import RATE


async def _say(words: str) -> Pcm:
    async def text() -> AsyncIterator[str]:
        yield words

    voice = EspeakTTS()
    try:
        parts = [spoken.pcm.samples async for spoken in voice.speak(text())]
    finally:
        await voice.aclose()
    sound = soxr.resample(np.concatenate(parts).astype(np.float32), voice.rate, RATE)
    return Pcm(np.clip(sound, -32768, 32767).astype(np.int16), RATE)


@pytest.fixture(scope="session")
def say() -> Callable[[str], Pcm]:
    """Words in, their sound at 16 kHz out; each made once."""
    made: dict[str, Pcm] = {}

    def said(words: str) -> Pcm:
        if words not in made:
            made[words] = asyncio.run(_say(words))
        return made[words]

    return said


@pytest.fixture(scope="session")
def story(say: Callable[[str], Pcm]) -> Pcm:
    return say("Tell me a story.")


@pytest.fixture(scope="session")
def stop(say: Callable[[str], Pcm]) -> Pcm:
    return say("Wait, stop.")
