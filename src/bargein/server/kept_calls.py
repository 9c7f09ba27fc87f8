"""Calls that outlive their connection: by whose id they are found again, and who may take them over.

A telephone call is found by its network's own id of the call, and its new stream has proved itself as every stream
does. A page's call is found by our id, and a secret that `welcome` gave to the page, good until the page has sent
something over the connection that brought the next one.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from bargein.call.call import Call
from bargein.transports.kept import Connection, KeptTransport

log = logging.getLogger(__name__)

BROWSER = "browser"  # the network of pages


class KeptCall:
    """A live call, and the transport that may change its connection."""

    def __init__(self, call: Call, transport: KeptTransport) -> None:
        self.call = call
        self.transport = transport
        self.secret = secrets.token_urlsafe(32)
        """A page that knows it may take the call over, once."""
        self._spent: str | None = None  # the secret before this one

    @property
    def live(self) -> bool:
        """The call goes on."""
        return self.call.over is None and not self.transport.closed

    def claim(self, secret: str) -> bool:
        """Whether a secret is good. The call has another one then; the spent one stays good until something has come
        over the connection that it opened: where that breaks at once, the page has no other."""
        known = self.secret, None if self.transport.client_sent else self._spent
        good = [each for each in known if each is not None and hmac.compare_digest(each.encode(), secret.encode())]
        if good:
            (self._spent,), self.secret = good, secrets.token_urlsafe(32)
        return bool(good)

    async def carry_on(self, connection: Connection) -> None:
        """The call goes on over this connection, until that is lost or replaced, or the call is over."""
        log.info("Call %s: taken over by a new connection", self.call.id)
        await self.transport.carry_on(connection)


class KeptCalls:
    """The live calls that a new connection may take over. Each holds its place until it is over."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str], KeptCall] = {}  # by network, and the call's id there

    @property
    def away(self) -> int:
        """Calls that wait for their client."""
        return sum(kept.transport.away for kept in self._calls.values())

    @contextmanager
    def listed(self, network: str, id_: str, kept: KeptCall) -> Iterator[None]:
        """The call can be found while the block runs."""
        key = (network, id_)
        self._calls[key] = kept
        try:
            yield
        finally:
            if self._calls.get(key) is kept:
                del self._calls[key]

    def find(self, network: str, id_: str) -> KeptCall | None:
        """A call that goes on. None: there is none of that id."""
        kept = self._calls.get((network, id_)) if id_ else None
        return kept if kept is not None and kept.live else None

    def claim(self, call_id: str, secret: str) -> KeptCall | None:
        """A page's call, whose secret is then another. None: there is none, or the secret is not the call's; which of
        the two is not told."""
        kept = self.find(BROWSER, call_id)
        return kept if kept is not None and kept.claim(secret) else None
