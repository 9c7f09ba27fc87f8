"""When the sink gets the agent's audio, and how much of it ahead of its playback."""

from __future__ import annotations

import asyncio
import enum
import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lead:
    """How a kind of sink is fed."""

    lead_ms: float
    """Of audio that the sink has before its time, when it was fed."""
    low_ms: float
    """It is fed when it has no more than this left, at the latest."""
    step_ms: float
    """A frame holds whole steps, but for the last one."""
    most_steps: int
    """In a frame."""
    early_ms: float
    """It is fed so much or more when the process is awake for the user's audio: a wake-up of our own costs more
    than the feeding."""


KEEPS = Lead(lead_ms=55.0, low_ms=35.0, step_ms=10.0, most_steps=2, early_ms=20.0)
"""The sink plays what it has after a hold. With 10 ms less, LiveKit's room has gaps at five calls of one process."""
STOPS = Lead(lead_ms=200.0, low_ms=60.0, step_ms=50.0, most_steps=1, early_ms=100.0)
"""A hold pauses the sink, or takes all of it back: its lead costs nothing at the ear."""


class SinkHold(enum.Enum):
    """What a hold does with the sink."""

    PLAYS_OUT = "it plays what it has"
    PAUSED = "it keeps what it has"
    EMPTIED = "it says how far it has played, and gets the rest again"


MOST_LATE_MS = 80.0
NEARLY_MS = 1.0  # a step that is due within it is given now
FADES = 0.998  # for each time: half of a lateness is forgotten in some ten seconds


class SinkPace:
    """One call's."""

    def __init__(self, hold: SinkHold) -> None:
        self.hold = hold
        self._late_ms = 0.0  # how late the process woke, at the worst of the last seconds
        self._woken: asyncio.Future[None] | None = None
        self._low_at = 0.0  # on the event loop's clock, in seconds

    @property
    def lead(self) -> Lead:
        """How the sink is fed."""
        return KEEPS if self.hold is SinkHold.PLAYS_OUT else STOPS

    @property
    def _margin_ms(self) -> float:
        return self._late_ms if self.hold is SinkHold.PLAYS_OUT else 0.0

    def steps(self, ahead_ms: float) -> int:
        """How many steps a sink gets now, that has so much audio before its time."""
        lead_ms = self.lead.lead_ms + self._margin_ms
        return math.floor((lead_ms - ahead_ms + NEARLY_MS) / self.lead.step_ms)

    async def wait(self, ahead_ms: float) -> None:
        """Until the sink is to be fed, that has so much audio before its time."""
        loop = asyncio.get_running_loop()
        low_ms = self.lead.low_ms + self._margin_ms
        self._low_at = loop.time() + max(0.0, ahead_ms - low_ms) / 1000
        woken = self._woken = loop.create_future()
        timer = loop.call_at(self._low_at, self._wake)
        try:
            await woken
        finally:
            self._woken = None
            timer.cancel()
        late_ms = (loop.time() - self._low_at) * 1000
        self._late_ms = min(max(self._late_ms * FADES, late_ms), MOST_LATE_MS)

    def awake(self) -> None:
        """The process is awake for another reason: feed the sink now, if it will want much soon."""
        if self._woken is not None:
            left_ms = (self._low_at - asyncio.get_running_loop().time()) * 1000
            fed_ms = self.lead.lead_ms - self.lead.low_ms - left_ms
            if fed_ms + NEARLY_MS >= self.lead.early_ms:
                self._wake()

    def _wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)
