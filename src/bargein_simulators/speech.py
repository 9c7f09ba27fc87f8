"""The voice of every simulator: espeak-ng, with the true time of every word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import numpy as np

from bargein.audio.pcm import Pcm
from bargein.audio.resample import resample
from bargein.protocols import Word
from bargein.vendors.local.espeak import EspeakTTS


@dataclass(frozen=True, slots=True)
class SynthesizedText:
    """A text, spoken."""

    text: str
    pcm: Pcm
    """Audio of the whole text."""
    words: tuple[Word, ...]
    """Times of the words in the audio; begin and end index the text."""


def stretched(speech: SynthesizedText, factor: float) -> SynthesizedText:
    """The speech, so many times as fast. Pitch and length change together, as on a faster tape."""
    if factor == 1.0 or not len(speech.pcm.samples):
        return speech
    rate = speech.pcm.rate
    pcm = Pcm(resample(Pcm(speech.pcm.samples, round(rate * factor)), rate).samples, rate)
    words = tuple(replace(w, start_ms=w.start_ms / factor, end_ms=w.end_ms / factor) for w in speech.words)
    return SynthesizedText(speech.text, pcm, words)


class SimulatedSpeech:
    """Speaks for one simulator. The worker process starts with the first text, and ends with `aclose`."""

    def __init__(self, language: str = "en-us") -> None:
        self._tts = EspeakTTS(language=language)
        self._lock = asyncio.Lock()

    async def say(self, text: str, rate: int = 24_000) -> SynthesizedText:
        """Speak a text at `rate`."""

        async def text_stream() -> AsyncIterator[str]:
            yield text

        async with self._lock:
            spoken = [chunk async for chunk in self._tts.speak(text_stream())]
        samples = np.concatenate([chunk.pcm.samples for chunk in spoken] or [np.zeros(0, np.int16)])
        words = tuple(word for chunk in spoken for word in chunk.words or ())
        return SynthesizedText(text, resample(Pcm(samples, self._tts.rate), rate), words)

    async def aclose(self) -> None:
        await self._tts.aclose()
