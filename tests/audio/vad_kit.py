"""Listens to streams of a VAD, and tells what its model says of a sound that is alone."""

from __future__ import annotations

import asyncio
import threading

import numpy as np

from bargein.audio.pcm import Samples
from bargein.audio.silero import CONTEXT, STATE, WINDOW, SileroModel
from bargein.audio.vad import SileroVAD, VADWindow


class Listener:
    """Keeps what one stream is told, and waits for so many windows."""

    def __init__(self, vad: SileroVAD, rate: int = 16000) -> None:
        self.windows: list[VADWindow] = []
        self.threads: set[int] = set()
        self._news = asyncio.Event()
        self.stream = vad.open(rate, self.told)

    def told(self, window: VADWindow) -> None:
        self.windows.append(window)
        self.threads.add(threading.get_ident())
        self._news.set()

    async def until(self, count: int) -> list[VADWindow]:
        async with asyncio.timeout(30):
            while len(self.windows) < count:
                self._news.clear()
                await self._news.wait()
        return self.windows


def alone(samples: Samples, rate: int, start: int = 0) -> list[VADWindow]:
    """The model's scores of a sound, window by window, with no other stream in the batch."""
    model, size, context = SileroModel(), WINDOW[rate], CONTEXT[rate]
    padded = np.concatenate((np.zeros(context, np.int16), samples)).astype(np.float32) / np.float32(32768)
    state, told = np.zeros((2, 1, STATE), np.float32), []
    for i in range(0, len(samples) - size + 1, size):
        p, state = model.run(padded[None, i : i + context + size], state, rate)
        told.append(VADWindow(start + i, start + i + size, float(p[0])))
    return told
