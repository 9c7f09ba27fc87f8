"""Calls that outlive their connection: by whose id they are found again, and who may take them over.

A telephone call is found by its network's own id of the call, and its new stream has proved itself as every stream
does. A page's call is found by our id, and a secret that `welcome` gave to the page, good until the page has sent
something over the connection that brought the next one. Another server knows a secret by its digest alone.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bargein.call.call import Call
from bargein.transports.kept import Connection, KeptTransport

log = logging.getLogger(__name__)

BROWSER = "browser"  # the network of pages
DIGEST_BYTES = hashlib.sha256().digest_size


def _nothing() -> None:
    """Until a listener is set."""


class PageSecret:
    """What a page has to know to take its call over, once. Each use makes another one."""

    def __init__(self) -> None:
        self.text = secrets.token_urlsafe(32)
        """For the page alone: it stands in no memory, and is empty where it is not known."""
        self.on_change: Callable[[], None] = _nothing
        """Told when `memory` has changed."""
        self._digest = _digest(self.text)
        self._spent = b""  # digest of the secret before this one, while that is good

    def claim(self, text: str) -> bool:
        """Whether a secret is good. There is another one then; the spent one stays good until something has come over
        the connection that it opened (`used`): where that breaks at once, the page has no other."""
        told = _digest(text)
        good = [known for known in (self._digest, self._spent) if known and hmac.compare_digest(known, told)]
        if good:
            (self._spent,), self.text = good, secrets.token_urlsafe(32)
            self._digest = _digest(self.text)
            self.on_change()
        return bool(good)

    def used(self) -> None:
        """The page has the newest secret: the one before it is good no more."""
        if self._spent:
            self._spent = b""
            self.on_change()

    def memory(self) -> bytes:
        """What another server needs to know a good secret, and cannot make one of."""
        return self._digest + self._spent

    @classmethod
    def from_memory(cls, memory: bytes) -> PageSecret:
        """Raises ValueError for bytes that `memory` did not give."""
        if len(memory) not in (DIGEST_BYTES, 2 * DIGEST_BYTES):
            message = f"{len(memory)} bytes are the memory of no secret"
            raise ValueError(message)
        made = cls()
        made.text, made._digest, made._spent = "", memory[:DIGEST_BYTES], memory[DIGEST_BYTES:]
        return made


def _digest(text: str) -> bytes:
    """Without salt or stretching: a secret of 256 random bits is in no table."""
    return hashlib.sha256(text.encode()).digest()


class KeptCall:
    """A live call, and the transport that may change its connection. secret: of a page's call that began elsewhere."""

    def __init__(self, call: Call, transport: KeptTransport, secret: PageSecret | None = None) -> None:
        self.call = call
        self.transport = transport
        self.page_secret = secret or PageSecret()
        transport.on_client_sent = self.page_secret.used

    @property
    def secret(self) -> str:
        """A page that knows it may take the call over, once."""
        return self.page_secret.text

    @property
    def live(self) -> bool:
        """The call goes on."""
        return self.call.over is None and not self.transport.closed

    def claim(self, secret: str) -> bool:
        """As PageSecret.claim."""
        return self.page_secret.claim(secret)

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
