"""Makes all that the dummy call's caller is heard with (src/bargein/server/web/caller), the same each time.

The lines are spoken by espeak-ng, in a voice other than the agent's; the cough, the "mm-hmm" and the laugh are made by
arithmetic.
"""

from __future__ import annotations

import asyncio
import sys
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np

from bargein.audio.pcm import Pcm, Samples
from bargein.audio.resample import resample
from bargein.vendors.local.espeak import EspeakTTS
from bargein_bench.scenarios import formants
from bargein_bench.scenarios.clips import RATE, Clip

LINES = {
    "story": "Excuse me! Tell me a story, please.",
    "stop": "Wait, stop!",
    "where": "Where did you stop?",
}
CALLER = Path(__file__).parents[1] / "src" / "bargein" / "server" / "web" / "caller"
COUGH_DB, HUM_DB, LAUGH_DB = -12.0, -26.0, -18.0  # of full scale: a cough is loud, a hum is soft
AROUND_MS = 100  # of silence before and behind


async def one(text: str) -> AsyncIterator[str]:
    yield text


async def spoken() -> dict[str, Samples]:
    lines = {}
    for name, text in LINES.items():
        # A process for each: espeak-ng keeps something of the line before, which changes some samples of the next.
        voice = EspeakTTS(language="en-gb-x-rp", variant="+m3", words_per_minute=150, pitch=38)
        parts = [s.pcm.samples async for s in voice.speak(one(text))]
        lines[name] = resample(Pcm(np.concatenate(parts), voice.rate), RATE).samples
        await voice.aclose()
    return lines


def made() -> dict[str, Samples]:
    # With seed 10 the detector hears an onset wherever its windows begin, and speech in two windows at most.
    cough = formants.cough(np.random.default_rng(10), lasts_ms=480, voiced=0.1, again_ms=250)
    hum = formants.mm_hmm(np.random.default_rng(1))
    # Wherever its windows begin, the detector is as sure of speech as it is of words; and small STTs read words in it.
    laugh = formants.laugh(np.random.default_rng(6), pitch_hz=210.0, bursts=5)
    return {"cough": at_level(cough, COUGH_DB), "mmhmm": at_level(hum, HUM_DB), "laugh": at_level(laugh, LAUGH_DB)}


def at_level(signal: formants.Floats, db: float) -> Samples:
    whole = np.rint(signal / np.abs(signal).max() * 32_000).astype(np.int16)
    clip = Clip("made", "", whole, 0.0, len(whole) * 1000 / RATE).at_level(db)
    return np.pad(clip.samples, AROUND_MS * RATE // 1000)


async def main(folder: Path) -> None:
    for name, samples in {**await spoken(), **made()}.items():
        with wave.open(str(folder / f"{name}.wav"), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", "not compressed"))
            file.writeframes(samples.astype("<i2").tobytes())


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else CALLER))
