"""What every simulated voice speaks with: espeak-ng, with the true time of every word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import numpy as np

from bargein.audio.pcm import Pcm
from bargein.audio.resample import resample
from bargein.protocols import Word
from bargein.vendors.local.espeak import EspeakTTS


@dataclass(frozen=True, slots=True)
class SimulatedWord:
    """pcm: the sound of a whole text; words: their times in it, begin and end index the text."""

    text: str
    pcm: Pcm
    words: tuple[Word, ...]


class SimulatedSpeech:
    """One per simulator; the process behind it starts with the first text. Close it in the end."""

    def __init__(self, language: str = "en-us") -> None:
        self._voice = EspeakTTS(language=language)
        self._lock = asyncio.Lock()

    async def say(self, text: str, rate: int = 24_000) -> SimulatedWord:
        """The whole text as sound at `rate`."""

        async def pieces() -> AsyncIterator[str]:
            yield text

        async with self._lock:
            spoken = [stretch async for stretch in self._voice.speak(pieces())]
        samples = np.concatenate([stretch.pcm.samples for stretch in spoken] or [np.zeros(0, np.int16)])
        words = tuple(word for stretch in spoken for word in stretch.words or ())
        return SimulatedWord(text, resample(Pcm(samples, self._voice.rate), rate), words)

    async def aclose(self) -> None:
        await self._voice.aclose()
