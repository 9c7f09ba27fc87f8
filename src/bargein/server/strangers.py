"""Sockets that are open and have not said yet what they are. They take no call's place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bargein.server.addresses import peer_at
from bargein.server.metrics import Metrics

STRANGERS = 32  # of one kind of socket: a client says at once what it is


class Strangers:
    """A bounded room. When it is full, the oldest of the address that has the most is dropped for the newest."""

    def __init__(self, metrics: Metrics, most: int = STRANGERS) -> None:
        self._metrics = metrics
        self._most = most
        self._drops: dict[object, tuple[str, Callable[[], None]]] = {}
        self._by_address: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._drops)

    @contextmanager
    def one_more(self, address: str, drop: Callable[[], None]) -> Iterator[None]:
        """A socket that waits while the block runs. drop: ends the wait, and returns at once."""
        address = peer_at(address)
        if len(self._drops) >= self._most:
            self._drop_one()
        key = object()
        self._drops[key] = (address, drop)
        self._by_address[address] += 1
        try:
            yield
        finally:
            self._forget(key)

    def _drop_one(self) -> None:
        most = max(self._by_address.values())
        key = next(key for key, (address, _) in self._drops.items() if self._by_address[address] == most)
        _, drop = self._drops[key]
        self._forget(key)
        self._metrics.call_refused("stranger")
        drop()

    def _forget(self, key: object) -> None:
        if (found := self._drops.pop(key, None)) is not None:
            self._by_address[found[0]] -= 1
            self._by_address += Counter()  # without those that have none
