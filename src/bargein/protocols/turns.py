"""A model that judges by the sound of a turn whether the turn is over."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from bargein.audio.pcm import Pcm


@runtime_checkable
class TurnModel(Protocol):
    """Hears how a turn ends: pitch, pace, a word drawn out. Its answer is a prior; the words weigh more.

    Any object of this shape is a TurnModel:

    class Patient:
        name = "patient"

        async def judge(self, pcm, *, deadline_ms):
            return 0.4

        async def aclose(self):
            pass
    """

    name: str

    async def judge(self, pcm: Pcm, *, deadline_ms: float) -> float | None:
        """How surely the turn is over, 0..1. pcm: its last 8 s at most, with the quiet after it, 8000 or 16000 Hz.

        deadline_ms: from now. None: there is no answer (late, busy, broken). Raises nothing for a fault of the model.
        """
        ...

    async def aclose(self) -> None: ...
