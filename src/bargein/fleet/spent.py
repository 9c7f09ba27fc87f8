"""One-time tokens of all nodes. This node remembers those that it saw, for the time in which the store is away."""

from __future__ import annotations

from collections import OrderedDict

from bargein.errors import FleetAway
from bargein.fleet.keys import spent_key
from bargein.fleet.reach import Reach
from bargein.fleet.store import Match, Put

MOST_TOKENS = 16_384  # then the oldest is forgotten
STORE_MS = 250  # that a token waits for the store


class SpentTokens:
    """Of one node."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._until_ms: OrderedDict[str, float] = OrderedDict()

    async def spend(self, token: str, ttl_s: float) -> bool:
        """Use a token. False: it was used before. Store away: this node's own memory decides."""
        if not self._spend_here(token, ttl_s):
            return False
        put = Put(spent_key(token), {"used": b"1"}, int(ttl_s * 1000), Match("used", None))
        try:
            return bool(await self._reach.one(put, within_ms=STORE_MS))
        except FleetAway:
            return True

    def _spend_here(self, token: str, ttl_s: float) -> bool:
        now_ms = self._reach.clock.now_ms()
        if self._until_ms.get(token, now_ms) > now_ms:
            return False
        self._until_ms[token] = now_ms + ttl_s * 1000
        self._until_ms.move_to_end(token)
        while self._until_ms and (len(self._until_ms) > MOST_TOKENS or next(iter(self._until_ms.values())) <= now_ms):
            self._until_ms.popitem(last=False)
        return True
