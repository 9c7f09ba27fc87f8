"""The user's audio on its way into LiveKit: our floor gets the same frames, before LiveKit does."""

from __future__ import annotations

import numpy as np
from livekit import rtc
from livekit.agents.voice import io

from bargein.audio.pcm import Samples
from bargein.integrations.floor import BargeinFloor


class FloorInput(io.AudioInput):
    """source: the input that was there before."""

    def __init__(self, source: io.AudioInput, floor: BargeinFloor) -> None:
        super().__init__(label="Bargein", source=source)
        self._audio, self._floor = source, floor

    async def __anext__(self) -> rtc.AudioFrame:
        frame = await self._audio.__anext__()
        self._floor.push_audio(mono(frame), frame.sample_rate)
        return frame


def mono(frame: rtc.AudioFrame) -> Samples:
    """The frame's samples, its channels mixed."""
    samples: Samples = np.frombuffer(frame.data, np.int16)
    if frame.num_channels > 1:
        samples = samples.reshape(-1, frame.num_channels).mean(axis=1).astype(np.int16)
    return samples
