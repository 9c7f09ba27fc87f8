"""The user's audio on its way into LiveKit: our floor gets the same frames, before LiveKit does."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
from livekit import rtc
from livekit.agents.voice import io

from bargein.audio.pcm import Samples
from bargein.integrations.floor import BargeinFloor

log = logging.getLogger(__name__)

LONGEST_S = 0.04  # of a frame, beside which a hold is still quick


class FloorInput(io.AudioInput):
    """source: the input that was there before. on_frame: called after each frame."""

    def __init__(self, source: io.AudioInput, floor: BargeinFloor, on_frame: Callable[[], None]) -> None:
        super().__init__(label="Bargein", source=source)
        self._audio, self._floor, self._on_frame = source, floor, on_frame
        self._warned = False

    async def __anext__(self) -> rtc.AudioFrame:
        frame = await self._audio.__anext__()
        self._floor.push_audio(mono(frame), frame.sample_rate)
        self._on_frame()
        if not self._warned and frame.duration > LONGEST_S:
            self._warned = True
            log.warning(
                "The user's audio comes in frames of %.0f ms: a hold comes that much later. "
                "Give session.start RoomOptions(audio_input=AudioInputOptions(frame_size_ms=20))",
                frame.duration * 1000,
            )
        return frame


def mono(frame: rtc.AudioFrame) -> Samples:
    """The frame's samples, its channels mixed."""
    samples: Samples = np.frombuffer(frame.data, np.int16)
    if frame.num_channels > 1:
        samples = samples.reshape(-1, frame.num_channels).mean(axis=1).astype(np.int16)
    return samples
