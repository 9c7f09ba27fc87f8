"""Takes a call of this node to another one."""

from __future__ import annotations

from bargein.call.call import Call
from bargein.fleet.fleet import Fleet

WHY = "this server stops"


class FleetMover:
    """A Mover by shape."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def begin(self) -> None:
        self._fleet.drain()

    def end(self) -> None:
        self._fleet.undrain()

    async def move(self, call: Call) -> bool:
        if not self._fleet.shared or await self._fleet.place(but={self._fleet.node}) is None:
            return False
        return await call.move(WHY)
