"""When the sink gets the agent's audio, and how much of it ahead of its playback."""

from __future__ import annotations

import asyncio
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


KEEPS = Lead(lead_ms=45.0, low_ms=20.0, step_ms=10.0, most_steps=2, early_ms=20.0)
"""The sink plays what it has after a hold. With less, it runs dry on a machine that is not busy at all."""
EMPTIED = Lead(lead_ms=200.0, low_ms=60.0, step_ms=50.0, most_steps=1, early_ms=100.0)
"""A hold takes all of it back: it costs nothing at the ear."""
MOST_LATE_MS = 80.0
NEARLY_MS = 1.0  # a step that is due within it is given now
FADES = 0.998  # for each time: half of a lateness is forgotten in some ten seconds


class SinkPace:
    """One call's. empties: a hold takes back what the sink has."""

    def __init__(self, empties: bool) -> None:
        self.lead = EMPTIED if empties else KEEPS
        self._late_ms = 0.0  # how late the process woke, at the worst of the last seconds
        self._woken: asyncio.Future[None] | None = None
        self._low_at = 0.0  # on the event loop's clock, in seconds

    @property
    def empties(self) -> bool:
        """A hold takes back what the sink has."""
        return self.lead is EMPTIED

    def keep(self) -> None:
        """A hold empties the sink no more."""
        self.lead = KEEPS

    def steps(self, ahead_ms: float) -> int:
        """How many steps a sink gets now, that has so much audio before its time."""
        lead_ms = self.lead.lead_ms + (0.0 if self.empties else self._late_ms)
        return math.floor((lead_ms - ahead_ms + NEARLY_MS) / self.lead.step_ms)

    async def wait(self, ahead_ms: float) -> None:
        """Until the sink is to be fed, that has so much audio before its time."""
        loop = asyncio.get_running_loop()
        low_ms = self.lead.low_ms + (0.0 if self.empties else self._late_ms)
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
