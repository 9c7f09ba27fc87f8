"""When the sink gets the agent's audio, and how much of it ahead of its playback."""

from __future__ import annotations

import asyncio
import math

LEAD_MS = 45.0  # with less, a sink runs dry on a machine that is not busy at all
MOST_LEAD_MS = 120.0  # where the process wakes late
EMPTIED_LEAD_MS = 200.0  # where a hold takes all of it back, so that it costs nothing at the ear
BEAT_MS, EMPTIED_BEAT_MS = 20.0, 100.0
STEP_MS, EMPTIED_STEP_MS = 10.0, 50.0  # a frame holds whole steps
EARLY_MS = 1.0  # a step that is due within it is given now, not a beat later
FADES = 0.998  # for each beat: half of a lateness is forgotten in seven seconds


class SinkPace:
    """One call's. empties: a hold takes back what the sink has."""

    def __init__(self, empties: bool) -> None:
        self._late_ms = 0.0  # how late the process woke, at the worst of the last seconds
        self.empties = empties

    @property
    def empties(self) -> bool:
        """A hold takes back what the sink has."""
        return self._empties

    @empties.setter
    def empties(self, empties: bool) -> None:
        self._empties = empties
        self._beat_s = (EMPTIED_BEAT_MS if empties else BEAT_MS) / 1000
        self._lead_ms = EMPTIED_LEAD_MS if empties else LEAD_MS
        self.step_ms = EMPTIED_STEP_MS if empties else STEP_MS
        """A frame for the sink holds whole steps, but for the last one."""
        self.most_steps = 1 if empties else 2
        """In a frame."""

    @property
    def lead_ms(self) -> float:
        """Of audio that the sink has before its time."""
        return self._lead_ms if self._empties else min(LEAD_MS + self._late_ms, MOST_LEAD_MS)

    def steps(self, ahead_ms: float) -> int:
        """How many steps a sink gets now, that has so much audio before its time."""
        return math.floor((self.lead_ms - ahead_ms + EARLY_MS) / self.step_ms)

    async def beat(self) -> None:
        """Wait for the next beat. All calls of an event loop wake at the same one: one wake-up serves them all."""
        loop = asyncio.get_running_loop()
        due = math.floor(loop.time() / self._beat_s + 1) * self._beat_s
        woken: asyncio.Future[None] = loop.create_future()
        timer = loop.call_at(due, _wake, woken)
        try:
            await woken
        finally:
            timer.cancel()
        self._late_ms = max(self._late_ms * FADES, (loop.time() - due) * 1000)


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
