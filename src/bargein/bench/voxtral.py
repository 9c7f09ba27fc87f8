"""The agent on Voxtral: in a real Chromium against the simulated vendor, and the local worker with a tiny model.

The tiny model is made of the real classes with random weights, so its tokens are nonsense and its figures those of the
machinery alone: what real weights take comes on top.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from bargein.bench.browser import EVERY_MS, FIRST_MS, stops
from bargein.bench.chromium import page, recording, spoken
from bargein.bench.process import server
from bargein.bench.sounds import RATE, Clip, script


async def browser(sounds: list[Clip], times: int, *, page_holds: bool) -> list[float]:
    """First speech sample to last sound, against `--simulate`."""
    said = script(sounds, first_ms=FIRST_MS, every_ms=EVERY_MS, times=times)
    with TemporaryDirectory(prefix="bargein-bench-") as folder:
        wav = spoken(Path(folder) / "microphone.wav", said.samples)
        async with server("--simulate", name="voxtral") as address, page(wav) as shown:
            await shown.goto(f"http://{address}/?record=1&localhold={int(page_holds)}")
            await shown.click("#main")
            await shown.wait_for_function("() => bargein.state === 'speaking'")
            await asyncio.sleep(len(said.samples) / RATE + 1)  # the microphone's own time
            return [stop.after_ms for stop in stops(await recording(shown))[0]]
