"""A bound on wrong tokens: by address, and in total."""

from __future__ import annotations

from collections import OrderedDict

from bargein.clock import Clock
from bargein.server.addresses import peer_at
from bargein.transports.rate_limit import RateLimit

AT_ONCE, PER_S = 30, 0.2  # wrong tokens of one address: then one in five seconds
TOTAL_AT_ONCE, TOTAL_PER_S = 200, 5  # of all addresses
ADDRESSES = 10_000  # that are remembered: those of the newest wrong tokens


class Guesses:
    """Counts wrong tokens, and says who may not try another now.

    An address that has brought the right token lately is not locked out by what others guess."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._all = RateLimit(clock, TOTAL_PER_S, TOTAL_AT_ONCE)
        self._by_address: OrderedDict[str, RateLimit] = OrderedDict()
        self._right: OrderedDict[str, None] = OrderedDict()

    def allowed(self, address: str) -> bool:
        """Whether a token from this address may be compared now."""
        address = peer_at(address)
        mine = self._by_address.get(address)
        if mine is not None and mine.left < 1:
            return False
        return self._all.left >= 1 or address in self._right

    def wrong(self, address: str) -> None:
        address = peer_at(address)
        mine = self._by_address.pop(address, None) or RateLimit(self._clock, PER_S, AT_ONCE)
        mine.take()
        self._by_address[address] = mine
        self._all.take()
        while len(self._by_address) > ADDRESSES:
            self._by_address.popitem(last=False)

    def right(self, address: str) -> None:
        address = peer_at(address)
        self._right.pop(address, None)
        self._right[address] = None
        while len(self._right) > ADDRESSES:
            self._right.popitem(last=False)
