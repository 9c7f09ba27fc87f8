"""The addresses from which the trunk calls us: those of its host and of its proxy, looked up again and again."""

from __future__ import annotations

import asyncio
import logging
import socket

from bargein.sip.settings import SipTrunk

log = logging.getLogger(__name__)

AGAIN_S = 300.0
AGAIN_FAILED_S = 15.0


class TrunkAddresses:
    """trunk: None: there is none, and no address is the trunk's."""

    def __init__(self, trunk: SipTrunk | None) -> None:
        uris = [] if trunk is None else [trunk.uri, *([trunk.proxy] if trunk.proxy is not None else [])]
        self._hosts = list(dict.fromkeys(uri.host for uri in uris))
        self._known: frozenset[str] = frozenset()

    def has(self, host: str) -> bool:
        """Whether a peer's address is one of the trunk's."""
        return host.removeprefix("::ffff:") in self._known

    async def keep(self) -> None:
        """Look them up, until cancelled."""
        while self._hosts:
            found = await self._look_up()
            if found:
                self._known = frozenset(found)
            await asyncio.sleep(AGAIN_S if found else AGAIN_FAILED_S)  # the rate's bound

    async def _look_up(self) -> set[str]:
        found: set[str] = set()
        for host in self._hosts:
            try:
                infos = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_DGRAM)
            except OSError as error:
                log.warning("The SIP trunk's host %s has no address now: %s", host, error.strerror)
                return set()  # what was known stays
            found |= {str(info[4][0]) for info in infos}
        return found
