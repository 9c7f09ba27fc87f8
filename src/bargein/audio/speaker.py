"""What a stretch of speech sounds like: its cepstra, frame by frame, and how far they are from those of other speech.

Nothing here knows a word or a language. The cepstra hold the voice, and with it the microphone, the line and the room,
for the level alone is removed: within one call, that is what tells one source of speech from another.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from bargein.audio.pcm import Pcm

Floats = NDArray[np.float32]

FRAME_MS, HOP_MS = 32, 16
BANDS, CEPSTRA = 22, 14
BAND_HZ = (150.0, 3_500.0)  # what a telephone and a wide band line both carry
LOUD_DB = 15.0  # below the loudest frames: softer frames are the room, or another source
PAUSE_DB = 25.0  # below the loudest frames
LEAST_FRAMES = 12  # of loud speech; fewer say nothing


def _mel(hz: float) -> float:
    return float(2595 * np.log10(1 + hz / 700))


@functools.cache
def _filters(rate: int) -> tuple[Floats, Floats, Floats]:
    """The window of a frame; the mel bands, shape (bins, BANDS); the cosines, shape (BANDS, CEPSTRA)."""
    size = rate * FRAME_MS // 1000
    edges = 700 * (10 ** (np.linspace(_mel(BAND_HZ[0]), _mel(BAND_HZ[1]), BANDS + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(size, 1 / rate)[:, None]
    low, mid, high = edges[:-2], edges[1:-1], edges[2:]
    bands = np.maximum(0, np.minimum((bins - low) / (mid - low), (high - bins) / (high - mid)))
    places = (np.arange(BANDS)[:, None] + 0.5) * np.arange(1, CEPSTRA + 1)[None, :] * np.pi / BANDS
    lifter = 1 + 0.5 * CEPSTRA * np.sin(np.pi * np.arange(1, CEPSTRA + 1) / CEPSTRA) / CEPSTRA
    return (
        np.hanning(size).astype(np.float32),
        bands.astype(np.float32),
        (np.cos(places) * np.sqrt(2 / BANDS) * lifter).astype(np.float32),
    )


def cepstra(pcm: Pcm, *, loud_db: float = LOUD_DB) -> Floats:
    """The loud frames of the speech, shape (frames, CEPSTRA). pcm: 8000 or 16000 Hz; of digital silence: no frames."""
    size, hop = pcm.rate * FRAME_MS // 1000, pcm.rate * HOP_MS // 1000
    if len(pcm) < size:
        return np.zeros((0, CEPSTRA), np.float32)
    window, bands, cosines = _filters(pcm.rate)
    x = pcm.samples.astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(x, size)[::hop]
    power = np.square(frames).mean(axis=1)
    top = float(np.percentile(power, 90))
    frames = frames[(power > top * 10 ** (-loud_db / 10)) & (power > 1.0)]
    spectra = np.fft.rfft(frames * window)
    energy = (np.square(spectra.real) + np.square(spectra.imag)).astype(np.float32) @ bands
    logs = np.log(np.maximum(energy, 1e-3 * energy.max(axis=1, keepdims=True) + 1.0))
    found: Floats = (logs @ cosines).astype(np.float32)
    return found


def level_db(pcm: Pcm) -> float:
    """How loud the louder frames are (85 of 100 lie below), dB of full scale; of silence: -100."""
    size = pcm.rate * FRAME_MS // 1000
    if len(pcm) < size:
        return -100.0
    whole = len(pcm) // size * size
    power = np.square(pcm.samples[:whole].astype(np.float32)).reshape(-1, size).mean(axis=1)
    return max(-100.0, float(10 * np.log10(max(float(np.percentile(power, 85)), 1e-3) / 32768**2)))


def loud_part(pcm: Pcm) -> Pcm:
    """The audio without its pauses, and without its softest frames."""
    size = pcm.rate * FRAME_MS // 1000
    blocks = pcm.samples[: len(pcm) // size * size].reshape(-1, size)
    if not len(blocks):
        return pcm
    power = np.square(blocks.astype(np.float32)).mean(axis=1)
    loud = power > float(np.percentile(power, 90)) * 10 ** (-PAUSE_DB / 10)
    return Pcm(blocks[loud].reshape(-1), pcm.rate)


class FrameBook:
    """The frames of one source of speech. Bounded: new frames take the places of others, chosen evenly."""

    def __init__(self, size: int = 256, seed: int = 1) -> None:
        self._frames = np.zeros((size, CEPSTRA), np.float32)
        self._rng = np.random.default_rng(seed)
        self.count = 0
        """How many frames were added."""

    def add(self, frames: Floats) -> None:
        size = len(self._frames)
        fits = min(len(frames), max(0, size - self.count))
        self._frames[self.count : self.count + fits] = frames[:fits]
        rest = frames[fits:]
        if len(rest):
            # A frame in four at least, so that a source that changes is followed.
            share = max(0.25, size / (self.count + len(frames)))
            chosen = rest[self._rng.random(len(rest)) < share][-size:]
            self._frames[self._rng.permutation(size)[: len(chosen)]] = chosen
        self.count += len(frames)

    def distance(self, frames: Floats) -> float:
        """Mean squared distance from the frames to their three nearest of this book."""
        book = self._frames[: self.count]
        squares = np.square(frames).sum(axis=1)[:, None] + np.square(book).sum(axis=1)[None] - 2 * frames @ book.T
        return max(0.0, float(np.partition(squares, 2, axis=1)[:, :3].mean()))
