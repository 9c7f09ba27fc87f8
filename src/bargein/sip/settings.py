"""What a user agent is told: limits, who may call, trunks. Each number has its unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bargein.sip.addresses import SipUri


@dataclass(frozen=True, slots=True)
class SipLimits:
    """Bounds on what strangers and peers may cost."""

    message_bytes: int = 65_535
    """Of one message, body included, on any transport."""
    headers: int = 200
    """Header fields of one message."""
    transactions: int = 4000
    """Server transactions at once. Beyond: no new request is answered until one ends."""
    transactions_of_address: int = 500
    """Of one address that has proven nothing."""
    invites_per_s: float = 5.0
    """New INVITEs a second of one address that has proven nothing; a burst of ten times that passes."""
    requests_per_s: float = 20.0
    """New requests of any kind, as above."""
    addresses: int = 4096
    """Addresses whose rates are remembered. The one seen longest ago is forgotten first."""
    connections: int = 500
    """TCP and TLS connections at once."""
    connections_of_address: int = 50
    idle_s: float = 600.0
    """A connection without a dialog and without bytes is closed."""
    partial_s: float = 10.0
    """A message must be whole this long after its first byte."""
    send_bytes: int = 1 << 20
    """Unsent bytes of a connection. Beyond: the connection is dropped."""
    log_lines_per_s: float = 2.0
    wrong_digests: int = 5
    """Wrong passwords of one address in `wrong_digest_s`, before it gets 403 with no new challenge."""
    wrong_digest_s: float = 60.0
    nonce_s: float = 60.0
    """How long a nonce of ours is good."""
    close_s: float = 4.0
    """How long a close waits for BYEs and for the end of registrations."""


@dataclass(frozen=True, slots=True)
class SipCredentials:
    """User and password of a digest. The password is in no repr."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SipTrunk:
    """A provider: requests go there with these credentials; `register` keeps us registered, so that it calls us."""

    uri: SipUri
    """Address of record ("sip:user@provider.example")."""
    credentials: SipCredentials | None = None
    register: bool = True
    expires_s: int = 600
    proxy: SipUri | None = None
    """Where requests go first, when that is another host than the URI's."""


@dataclass(frozen=True, slots=True)
class SipAdmission:
    """Who may call. An address that `admits` calls without a password; a digest user calls from anywhere."""

    admits: Callable[[str], bool]
    """Takes the peer's IP address."""
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Password of each digest user. Empty: an address that is not admitted gets 403."""
    realm: str = "bargein"
    algorithms: tuple[str, ...] = ("MD5",)
    """Digests that are offered, the preferred first: "SHA-256", "MD5". baresip 1.0 and others of its age drop the call
    when SHA-256 is among them, even beside MD5 (RFC 8760 asks them to pass it over): MD5 alone reaches all."""
