"""One-time tokens that this node saw used, for the time in which the store is away."""

from __future__ import annotations

from collections import OrderedDict

from bargein.clock import Clock

MOST_TOKENS = 16_384  # then the oldest is forgotten


class SpentTokens:
    """Of one node."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until_ms: OrderedDict[str, float] = OrderedDict()

    def spend(self, token: str, ttl_s: float) -> bool:
        """Use a token. False: it was used before."""
        now_ms = self._clock.now_ms()
        if self._until_ms.get(token, now_ms) > now_ms:
            return False
        self._until_ms[token] = now_ms + ttl_s * 1000
        self._until_ms.move_to_end(token)
        while self._until_ms and (len(self._until_ms) > MOST_TOKENS or next(iter(self._until_ms.values())) <= now_ms):
            self._until_ms.popitem(last=False)
        return True
