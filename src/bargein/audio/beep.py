"""Is there the beep of an answering machine in some audio? One steady tone, alone, between 350 and 2200 Hz."""

from __future__ import annotations

import numpy as np

from bargein.audio.pcm import Pcm

FRAME_MS = 40
LEAST_MS = 160  # beeps last 200 to 1000 ms; vowels change their pitch sooner, and are no single tone
LOWEST_HZ, HIGHEST_HZ = 350.0, 2200.0
SHARE = 0.9  # of a frame's energy in the tone and its two neighbours
QUIETEST = 100.0  # rms of 16 bit: -50 dBFS


def has_beep(pcm: Pcm) -> bool:
    """Whether one tone stands alone, at the same pitch, for LEAST_MS."""
    size = pcm.rate * FRAME_MS // 1000
    count = len(pcm.samples) // size
    if count == 0:
        return False
    frames = pcm.samples[: count * size].reshape(count, size).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(size).astype(np.float32), axis=1)))
    power[:, :2] = 0.0  # hum
    peak = power.argmax(axis=1)
    around = np.clip(peak[:, None] + np.arange(-2, 3), 0, power.shape[1] - 1)
    share = np.take_along_axis(power, around, axis=1).sum(axis=1) / np.maximum(power.sum(axis=1), 1.0)
    hz = peak * pcm.rate / size
    loud = np.sqrt(np.square(frames).mean(axis=1)) >= QUIETEST
    tone = loud & (share >= SHARE) & (hz >= LOWEST_HZ) & (hz <= HIGHEST_HZ)
    run = 0
    for index in range(count):
        steady = bool(tone[index]) and (run == 0 or abs(int(peak[index]) - int(peak[index - 1])) <= 1)
        run = run + 1 if steady else int(bool(tone[index]))
        if run * FRAME_MS >= LEAST_MS:
            return True
    return False
