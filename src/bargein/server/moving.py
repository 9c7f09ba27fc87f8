"""Takes a call of this node to another one."""

from __future__ import annotations

import asyncio

from bargein.call.call import Call
from bargein.fleet.fleet import Fleet

WHY = "this server stops"
AWAY_S = 60.0  # that a call which is to move waits for the fleet's store


class FleetMover:
    """A Mover by shape."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def begin(self) -> None:
        self._fleet.drain()

    def end(self) -> None:
        self._fleet.undrain()

    async def move(self, call: Call) -> bool:
        fleet = self._fleet
        while fleet.shared and call.over is None:
            try:
                async with asyncio.timeout(AWAY_S):
                    await fleet.back()
            except TimeoutError:
                return False
            if await fleet.place(but={fleet.node}) is not None:
                if await call.move(WHY):
                    return True
                if fleet.away is None:
                    return False  # the call is over, or can go on nowhere else
            elif fleet.away is None:
                return False
        return False
