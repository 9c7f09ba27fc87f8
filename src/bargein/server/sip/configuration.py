"""What the settings say of SIP, read and checked before a socket is opened."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bargein.errors import BargeinError, UsageError
from bargein.server.settings import Settings, is_loopback
from bargein.sip.addresses import SipAddress, SipUri, is_address
from bargein.sip.settings import SipAdmission, SipCredentials, SipTrunk

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
FEWEST_PORTS = 2


@dataclass(frozen=True, slots=True)
class SipConfiguration:
    """All of it. `listen` is empty: the server has no SIP door."""

    listen: tuple[SipAddress, ...]
    users: Mapping[str, str] = field(repr=False)
    """Password of each digest user."""
    networks: tuple[Network, ...]
    trunk: SipTrunk | None
    public: str | None
    rtp_ports: tuple[int, int] | None
    """First and last. None: any free port."""
    server_tls: ssl.SSLContext | None
    far_buffer_ms: float

    def admits(self, host: str) -> bool:
        """Whether a peer's address may call without a password."""
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        address = mapped or address
        if not self.users and not self.networks and self.trunk is None:
            return address.is_loopback
        return any(address in network for network in self.networks)

    def admission(self, also: Callable[[str], bool] = lambda _: False) -> SipAdmission:
        """also: further addresses that may call without a password, such as the trunk's."""
        return SipAdmission(lambda host: self.admits(host) or also(host), self.users)

    @property
    def who(self) -> str:
        """Who may call, for a person."""
        if not self.users and not self.networks and self.trunk is None:
            return "this machine only; BARGEIN_SIP_USERS and BARGEIN_SIP_ALLOW are not set"
        parts = []
        if self.users:
            parts.append(f"{len(self.users)} {'user' if len(self.users) == 1 else 'users'} with a password")
        if self.networks:
            parts.append(", ".join(map(str, self.networks)))
        if self.trunk is not None:
            parts.append(self.trunk.uri.host)
        return " and ".join(parts)


def sip_configuration(settings: Settings) -> SipConfiguration:
    """Raises UsageError that names the setting."""
    listen = tuple(SipAddress.read(text) for text in settings.sip)
    tls = any(each.transport == "tls" for each in listen)
    if settings.sip_public is not None and not is_address(settings.sip_public):
        raise _wrong("sip_public", f"{settings.sip_public[:80]!r} is no IP address", "Write it as 203.0.113.5")
    return SipConfiguration(
        listen=listen,
        users=_users(settings),
        networks=tuple(_network(text) for text in settings.sip_allow),
        trunk=_trunk(settings),
        public=settings.sip_public,
        rtp_ports=_ports(settings.rtp_ports),
        server_tls=_server_tls(settings) if tls else None,
        far_buffer_ms=settings.sip_far_buffer_ms,
    )


def _wrong(name: str, what: str, advice: str) -> UsageError:
    return UsageError(f"{Settings.variable(name)}: {what}", advice=advice)


def _users(settings: Settings) -> dict[str, str]:
    found: dict[str, str] = {}
    secret = settings.sip_users
    for number, text in enumerate((secret.get_secret_value() if secret else "").split(","), start=1):
        user, colon, password = text.strip().partition(":")
        if not text.strip():
            continue
        if not colon or not user or not password:  # the text may hold a password: only its place is named
            raise _wrong("sip_users", f"entry {number} is no user:password", "Write user:password,user2:password2")
        if len(password) < 8:
            raise _wrong("sip_users", f"the password of {user!r} is shorter than 8 characters", "Set a longer one")
        found[user] = password
    return found


def _network(text: str) -> Network:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise _wrong("sip_allow", f"{text[:80]!r} is no network", "Write it as 10.0.0.0/8 or 203.0.113.5") from None
    if network.prefixlen == 0:
        raise _wrong(
            "sip_allow",
            f"{text} lets the whole internet call without a password",
            "Name your provider's networks, or set BARGEIN_SIP_USERS",
        )
    return network


def _trunk(settings: Settings) -> SipTrunk | None:
    if settings.sip_trunk is None:
        return None
    uri = _uri("sip_trunk", settings.sip_trunk)
    if not uri.user:
        raise _wrong("sip_trunk", f"{uri} has no user", "Write it as sip:user@provider.example")
    secret = settings.sip_trunk_password
    credentials = (
        SipCredentials(settings.sip_trunk_user or uri.user, secret.get_secret_value()) if secret is not None else None
    )
    proxy = _uri("sip_trunk_proxy", settings.sip_trunk_proxy) if settings.sip_trunk_proxy else None
    return SipTrunk(uri, credentials, register=settings.sip_register, proxy=proxy)


def _uri(name: str, text: str) -> SipUri:
    try:
        return SipUri.read(text)
    except BargeinError:
        raise _wrong(name, f"{text[:80]!r} is no SIP address", "Write it as sip:user@provider.example") from None


def _ports(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    first, _, last = text.partition("-")
    if not (first.strip().isdecimal() and last.strip().isdecimal()):
        raise _wrong("rtp_ports", f"{text[:80]!r} is no range of ports", "Write it as 10000-20000")
    low, high = int(first), int(last)
    if not 1024 <= low <= high - FEWEST_PORTS + 1 <= 65_535:
        raise _wrong("rtp_ports", f"{text[:80]!r} has no two ports from 1024 to 65535", "Write it as 10000-20000")
    return low, high


def _server_tls(settings: Settings) -> ssl.SSLContext:
    if settings.sip_cert is None:
        raise _wrong("sip_cert", "SIP over TLS needs a certificate", "Name its PEM file, and BARGEIN_SIP_KEY")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.sip_cert, settings.sip_key)
    except (OSError, ssl.SSLError) as error:
        raise _wrong(
            "sip_cert", f"{settings.sip_cert} cannot be used: {error}", "Name a PEM certificate and its key"
        ) from None
    return context


def is_open(configuration: SipConfiguration) -> bool:
    """Whether others than this machine can reach the door."""
    return any(not is_loopback(each.host) for each in configuration.listen)
