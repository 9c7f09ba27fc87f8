"""What a test looks at in a recorded call."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from bargein.audio.pcm import Samples


def lanes(folder: Path) -> tuple[Samples, Samples, int]:
    """The user's lane, the agent's, and their rate."""
    audio, rate = soundfile.read(folder / "audio.flac", dtype="int16", always_2d=True)
    return audio[:, 0], audio[:, 1], rate


def loud_ms(lane: Samples, rate: int, above: int = 1_000) -> float:
    """For how long a lane sounds, blocks of 10 ms counted whole."""
    blocks = np.abs(lane[: len(lane) // (rate // 100) * (rate // 100)].astype(int)).reshape(-1, rate // 100)
    return float((blocks.max(axis=1) > above).sum() * 10)
