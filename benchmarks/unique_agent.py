"""An agent whose every sample of a reply is known by its neighbours: what is lost or repeated shows."""

from __future__ import annotations

from collections.abc import AsyncIterator

import numpy as np

from bargein.agent import Agent, Greeting
from bargein.audio.pcm import Pcm
from bargein.protocols import SpeechChunk, Word
from bargein_bench.agent import Talker

RATE = 16_000
WORD_MS = 100


class UniqueTTS:
    """100 ms of noise for every word, the same in each call and no two alike."""

    name = "unique"
    rate = RATE

    async def speak(self, text: AsyncIterator[str]) -> AsyncIterator[SpeechChunk]:
        noise = np.random.default_rng(7)
        at = count = 0
        async for piece in text:
            for word in piece.split():
                samples = (noise.standard_normal(RATE * WORD_MS // 1000) * 3000).clip(-30_000, 30_000)
                times = Word(count * WORD_MS, (count + 1) * WORD_MS, at, at + len(word))
                yield SpeechChunk(Pcm(samples.astype(np.int16), RATE), f"{word} ", (times,))
                at += len(word) + 1
                count += 1


AGENT = Agent(
    name="unique",
    stt=None,
    llm=Talker(),
    tts=UniqueTTS(),
    scripted=True,
    greeting=Greeting("one two three four five six seven eight nine ten " * 12),
)
