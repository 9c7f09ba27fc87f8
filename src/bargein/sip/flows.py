"""Where a message goes out and where its answers come in."""

from __future__ import annotations

from typing import Protocol

from bargein.sip.addresses import SipAddress


class Flow(Protocol):
    """One way to one peer: a UDP socket of ours with the peer's address, or a connection."""

    peer: SipAddress
    local: SipAddress
    """Ours, as the peer should see it: Via and Contact are made of it."""
    reliable: bool
    """True: TCP or TLS, which loses nothing."""
    closed: bool

    def send(self, data: bytes) -> None:
        """Never waits, never raises. What cannot be sent is lost, as on a network."""
        ...
