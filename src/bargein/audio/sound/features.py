"""What the sound head hears of a sound: numbers of Silero's curve, two embeddings, and statistics of the mel spectrum.

The sound is set to one level and laid over one faint floor of noise, and before its onset there is only that floor. So
the room before a sound, and its level, tell nothing: recordings of words have more of their room before the onset than
recordings of noises, and a head that hears the room learns the recordings.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bargein.audio.pcm import Pcm
from bargein.audio.resample import resample
from bargein.audio.silero import Floats
from bargein.audio.sound.front_end import (
    EMBEDDED_FRAMES,
    EMBEDDING,
    FRAME,
    FRAME_LENGTH,
    MEL_BANDS,
    SoundFrontEnd,
)

RATE = 16_000
RATES = (8_000, 16_000)
LEAD_MS = 60  # of audio before the onset that a look has

CURVE_WINDOWS = 30  # of 32 ms: the last 0.96 s
APART = 16  # frames between the two embeddings: 160 ms
FRAMES = EMBEDDED_FRAMES + APART
SAMPLES = (FRAMES - 1) * FRAME + FRAME_LENGTH  # 0.94 s

LOUDEST = 0.1  # of full scale 1: rms of the loudest block of 32 ms, to which each sound is set
BLOCK = 512  # samples
FLOOR = LOUDEST / 10 ** (50 / 20)  # rms of the floor: 50 dB below the loudest block
CURVE_NUMBERS = 7
SPECTRUM_NUMBERS = 4 * MEL_BANDS
EMBEDDED_NUMBERS = 2 * EMBEDDING
LAYOUT = "curve 7; mel 32 mean, 32 spread, 32 least, 32 most; embedding 96 now, 96 at -160 ms"


def _floor() -> Floats:
    # RandomState's stream never changes between releases of numpy; default_rng's may.
    noise: Floats = (np.random.RandomState(16).standard_normal(SAMPLES) * FLOOR).astype(np.float32)
    return noise


_FLOOR = _floor()


def curve_numbers(curve: Sequence[float]) -> Floats:
    """Seven numbers of Silero's probabilities since the onset: mean, least, most, last, share above .9, windows at .98
    and more, spread. The last CURVE_WINDOWS count. curve: at least one."""
    p = np.asarray(curve[-CURVE_WINDOWS:], np.float32)
    sure = float(np.count_nonzero(p >= 0.98))
    return np.array([p.mean(), p.min(), p.max(), p[-1], (p > 0.9).mean(), sure, p.std()], np.float32)


def newest(pcm: Pcm) -> Pcm:
    """A copy of as much of the end as a look hears."""
    return pcm.part(max(0, len(pcm) - SAMPLES * pcm.rate // RATE - 1), len(pcm))


def levelled(pcm: Pcm) -> tuple[Floats, int]:
    """The last SAMPLES of a sound at RATE and at one level, over the floor. And how many of its frames hold sound."""
    samples = resample(newest(pcm), RATE).samples[-SAMPLES:]
    out = _FLOOR.copy()
    x = samples.astype(np.float32) * np.float32(1 / 32768)
    if len(x) >= BLOCK:
        blocks = x[len(x) % BLOCK :].reshape(-1, BLOCK)
        loudest = float(np.sqrt(np.einsum("ij,ij->i", blocks, blocks).max() / BLOCK))
    else:
        loudest = 0.0
    if loudest > 0:
        out[len(out) - len(x) :] += x * np.float32(LOUDEST / loudest)
    return out, min(FRAMES, max(1, (len(x) - FRAME_LENGTH) // FRAME + 1))


def spectrum_numbers(frames: Floats, heard: int) -> Floats:
    """Mean, spread, least and most of each band over the last frames, those that hold sound."""
    sound = frames[-heard:]
    return np.concatenate((sound.mean(0), sound.std(0), sound.min(0), sound.max(0)))


def embedded_numbers(frames: Floats, front_end: SoundFrontEnd) -> Floats:
    """The embedding of the newest frames, and that of 160 ms before. frames: FRAMES of them."""
    windows = np.stack((frames[APART : APART + EMBEDDED_FRAMES], frames[:EMBEDDED_FRAMES]))
    return front_end.embeddings(windows).ravel()
