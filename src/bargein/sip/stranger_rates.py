"""What an address that has proven nothing may cost: requests a second, wrong passwords, log lines."""

from __future__ import annotations

from collections import OrderedDict

from bargein.clock import Clock
from bargein.sip.settings import SipLimits


class AddressBuckets:
    """A token bucket for each address, in a table of bounded size. rate: units a second."""

    def __init__(self, clock: Clock, rate: float, burst: float, most: int) -> None:
        self._clock = clock
        self._per_ms = rate / 1000
        self._burst = burst
        self._most = most
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._left)

    def left(self, address: str) -> float:
        now = self._clock.now_ms()
        left, at = self._left.get(address, (self._burst, now))
        return min(self._burst, left + (now - at) * self._per_ms)

    def take(self, address: str) -> bool:
        left = self.left(address)
        passes = left >= 1
        self._left[address] = (left - 1 if passes else left, self._clock.now_ms())
        self._left.move_to_end(address)
        if len(self._left) > self._most:
            self._left.popitem(last=False)
        return passes


class StrangerRates:
    """The limits of one user agent. An address of IPv6 counts by its /64, which one subscriber has whole."""

    def __init__(self, clock: Clock, limits: SipLimits) -> None:
        most = limits.addresses
        self._requests = AddressBuckets(clock, limits.requests_per_s, 10 * limits.requests_per_s, most)
        self._invites = AddressBuckets(clock, limits.invites_per_s, 10 * limits.invites_per_s, most)
        wrong = limits.wrong_digests
        self._wrong = AddressBuckets(clock, wrong / limits.wrong_digest_s, wrong, most)
        self._lines = AddressBuckets(clock, limits.log_lines_per_s, 10 * limits.log_lines_per_s, 1)

    def admits(self, host: str, method: str) -> bool:
        """False: the request is read over, with no answer."""
        network = _network(host)
        return self._requests.take(network) and (method != "INVITE" or self._invites.take(network))

    def wrong_password(self, host: str) -> None:
        self._wrong.take(_network(host))

    def may_try(self, host: str) -> bool:
        """False: so many wrong passwords came from there that no further one is tried."""
        return self._wrong.left(_network(host)) >= 1

    def may_log(self) -> bool:
        return self._lines.take("")


def _network(host: str) -> str:
    return ":".join(host.split(":")[:4]) if ":" in host else host
