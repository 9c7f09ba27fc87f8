"""A voice without a process: 60 ms of tone for each character, so that a text always lasts the same."""

from __future__ import annotations

import re

import numpy as np

from bargein.audio.pcm import Pcm
from bargein.protocols import Word
from bargein_simulators.speech import SimulatedSpeech, SynthesizedText

CHAR_MS = 60


class ToneSpeech(SimulatedSpeech):
    """Speaks tones, at once."""

    async def say(self, text: str, rate: int = 24_000) -> SynthesizedText:
        samples = np.rint(6_000 * np.sin(np.arange(len(text) * CHAR_MS * rate // 1000) * 2 * np.pi * 200 / rate))
        words = tuple(
            Word(found.start() * CHAR_MS, found.end() * CHAR_MS, found.start(), found.end())
            for found in re.finditer(r"\S+", text)
        )
        return SynthesizedText(text, Pcm(samples.astype(np.int16), rate), words)

    async def aclose(self) -> None:
        pass
