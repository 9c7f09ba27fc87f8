"""Where a message goes out and where its answers come in."""

from __future__ import annotations

from typing import Protocol

from bargein.sip.addresses import SipAddress


class Flow(Protocol):
    """One way to one peer: a UDP socket of ours with the peer's address, or a connection."""

    @property
    def peer(self) -> SipAddress: ...

    @property
    def local(self) -> SipAddress:
        """Ours, as the peer should see it: Via and Contact are made of it."""
        ...

    @property
    def reliable(self) -> bool:
        """True: TCP or TLS, which loses nothing."""
        ...

    @property
    def closed(self) -> bool: ...

    def send(self, data: bytes) -> None:
        """Never waits, never raises. What cannot be sent is lost, as on a network."""
        ...

    def toward(self, port: int) -> Flow:
        """The way to another port of the same peer (UDP). A connection has one way only."""
        ...
