"""Looks at a sound, for all calls of a process at once: does it hold words?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from bargein.audio.pcm import Pcm


@runtime_checkable
class SoundModel(Protocol):
    """One for all calls of a process: `bargein.audio.sound.SoundJudge`, or another of this shape."""

    async def judge(self, pcm: Pcm, curve: Sequence[float], *, deadline_ms: float) -> float | None:
        """The probability, 0..1, that a sound holds words. None: it cannot be told, or not within deadline_ms.

        pcm: the sound, from 60 ms before its onset until now, and of a long one the last second; 8000 or 16000 Hz.
        curve: the VAD's probability of speech in each of its windows (32 ms) from the onset on. Raises nothing for a
        fault of its own.
        """
        ...
