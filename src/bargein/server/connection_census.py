"""How many connections may be open: of one address and in all, and no more than the process may have files."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import Counter
from collections.abc import Callable

from bargein.clock import Clock, MonotonicClock
from bargein.server.addresses import peer_at
from bargein.server.settings import Settings
from bargein.transports.rate_limit import RateLimit

if sys.platform != "win32":  # which has no such limit
    from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit

log = logging.getLogger(__name__)

FILES = 65_536  # that are wanted
FILES_OF_A_CALL = 4  # its client, its record, and connections with vendors
OTHER_FILES = 100
SCARCE_FILES, LAST_FILES = 80, 20  # left: from here on it is told, and from here on no connection is taken


class AddressCensus:
    """Counts the open connections, each by a number of its own. most: in all; of_one: of one address."""

    def __init__(self, most: int, of_one: int, clock: Clock | None = None) -> None:
        self.most = most
        self.of_one = of_one
        self.refused = 0
        self._address: dict[int, str] = {}
        self._by_address: Counter[str] = Counter()
        self._warning = RateLimit(clock or MonotonicClock(), 1 / 60, 1)

    def __len__(self) -> int:
        return len(self._address)

    def add(self, number: int, address: str) -> bool:
        """Count a connection. False: it is one too many, and not counted."""
        if len(self._address) >= self.most or self._by_address[address] >= self.of_one:
            self.refused += 1
            if self._warning.take():
                which = "in all" if len(self._address) >= self.most else f"of {address}"
                log.warning(
                    "Connections are refused: there are %d, %d %s. BARGEIN_MAX_CONNECTIONS and "
                    "BARGEIN_MAX_CONNECTIONS_PER_ADDRESS allow more, and so does a higher limit of files (ulimit -n)",
                    *(len(self._address), len(self._address) if which == "in all" else self._by_address[address]),
                    which,
                )
            return False
        self._address[number] = address
        self._by_address[address] += 1
        return True

    def remove(self, number: int) -> None:
        """A connection is closed. One that was not counted is left alone."""
        address = self._address.pop(number, None)
        if address is not None:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]


class ConnectionCensus(AddressCensus):
    """Of asyncio's transports. files: that the process may have (0: any)."""

    def __init__(self, most: int, of_one: int, clock: Clock | None = None, *, files: int = 0) -> None:
        super().__init__(most, of_one, clock)
        self._files = files
        self.on_left: Callable[[asyncio.BaseTransport], None] = lambda _: None
        """Told of each counted connection that is closed."""

    def enter(self, transport: asyncio.BaseTransport) -> bool:
        """Count a connection. False: it is one too many, and not counted."""
        if self._files and not self._enough_files(transport):
            self.refused += 1
            return False
        return self.add(id(transport), _address_of(transport))

    def leave(self, transport: asyncio.BaseTransport | None) -> None:
        """A connection is closed. One that was not counted is left alone."""
        if transport is not None and id(transport) in self._address:
            self.remove(id(transport))
            self.on_left(transport)

    def _enough_files(self, transport: asyncio.BaseTransport) -> bool:
        """Whether files are left for what calls need. The least free number is a new connection's."""
        number: int = transport.get_extra_info("socket").fileno()
        if number >= self._files - SCARCE_FILES and self._warning.take():
            log.warning(
                "%d of %d files are open: connections will be refused. Raise the limit (ulimit -n)",
                *(number, self._files),
            )
        return number < self._files - LAST_FILES


def census_for(settings: Settings) -> ConnectionCensus:
    """The caps: as they are set, else four connections for each call and room for pages; always fewer than there may be
    files. Raises the process's limit of files where that is allowed."""
    wanted = settings.max_connections or 4 * settings.max_calls + 256
    files = allow_files()
    most = max(16, min(wanted, files - OTHER_FILES - FILES_OF_A_CALL * settings.max_calls)) if files else wanted
    if most < wanted:
        log.warning(
            "At most %d connections are taken, not %d: this process may have %d files. Raise that limit (ulimit -n)",
            *(most, wanted, files),
        )
    return ConnectionCensus(most, settings.max_connections_per_address or max(16, most // 2), files=files)


def allow_files() -> int:
    """How many files the process may have from now on. 0: there is no such limit."""
    if sys.platform == "win32":
        return 0
    soft, hard = getrlimit(RLIMIT_NOFILE)
    if soft == RLIM_INFINITY:
        return 0
    wanted = FILES if hard == RLIM_INFINITY else min(FILES, hard)
    if soft < wanted:
        try:
            setrlimit(RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):
            return soft
        return wanted
    return soft


def _address_of(transport: asyncio.BaseTransport) -> str:
    peer = transport.get_extra_info("peername")
    return peer_at(str(peer[0])) if isinstance(peer, tuple) and peer else ""
