"""Makes the dummy call's spoken lines (src/bargein/server/web/caller): espeak-ng in a voice other than the agent's.

The cough and the "mm-hmm" are recordings; LICENCES.md beside them says whose.
"""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np

from bargein.audio.pcm import Pcm
from bargein.audio.resample import resample
from bargein.vendors.local.espeak import EspeakTTS

RATE = 16_000
LINES = {
    "story": "Excuse me! Tell me a story, please.",
    "stop": "Wait, stop!",
    "where": "Where did you stop?",
}
CALLER = Path(__file__).parents[1] / "src" / "bargein" / "server" / "web" / "caller"


async def one(text: str) -> AsyncIterator[str]:
    yield text


async def main() -> None:
    voice = EspeakTTS(language="en-gb-x-rp", variant="+m3", words_per_minute=150, pitch=38)
    for name, text in LINES.items():
        parts = [s.pcm.samples async for s in voice.speak(one(text))]
        pcm = resample(Pcm(np.concatenate(parts), voice.rate), RATE)
        with wave.open(str(CALLER / f"{name}.wav"), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", "not compressed"))
            file.writeframes(pcm.to_bytes())
    await voice.aclose()


if __name__ == "__main__":
    asyncio.run(main())
