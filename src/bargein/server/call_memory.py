"""The memory of one call of this server, in the fleet."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from bargein.errors import FleetAway
from bargein.fleet.fleet import Fleet

log = logging.getLogger(__name__)


class CallMemory:
    """A call's MemorySink by shape."""

    def __init__(self, fleet: Fleet, call_id: str) -> None:
        self._fleet = fleet
        self._call_id = call_id

    def remember(self, fields: Mapping[str, bytes | None]) -> None:
        self._fleet.remember(self._call_id, fields)

    async def remembered(self) -> bool:
        return await self._fleet.remembered(self._call_id)

    async def release(self) -> bool:
        try:
            return await self._fleet.release(self._call_id)
        except FleetAway as error:
            log.warning("Call %s cannot be moved now: %s", self._call_id, error.message)
            return False
