"""SIP addresses: where a socket listens, URIs, and the name-addr of From, To, Contact and Route."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, unquote

from bargein.errors import UsageError
from bargein.sip.errors import malformed

TransportName = Literal["udp", "tcp", "tls"]
TRANSPORTS: tuple[TransportName, ...] = ("udp", "tcp", "tls")
PORTS: dict[TransportName, int] = {"udp": 5060, "tcp": 5060, "tls": 5061}
MOST_URI = 2000  # characters

_HOST = re.compile(r"\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253}")
_USER_KEEPS = "-_.!~*'()&=+$,;?/"


@dataclass(frozen=True, slots=True)
class SipAddress:
    """A transport and where it ends: of a listener of ours, or of a peer."""

    host: str
    """An address or a name. An IPv6 address stands without brackets."""
    port: int
    transport: TransportName = "udp"

    @classmethod
    def read(cls, text: str) -> SipAddress:
        """From a setting such as "0.0.0.0:5060" or "[::]:5061;transport=tls"."""
        place, _, parameters = text.strip().partition(";")
        transport = parameters.removeprefix("transport=").lower() if parameters else "udp"
        host, port = _host_and_port(place.strip())
        if transport not in TRANSPORTS or not host:
            raise UsageError(
                f"{text!r} is no SIP address",
                advice='Write "host:port", with ";transport=tcp" or ";transport=tls" behind it if it is not UDP',
            )
        return cls(host, PORTS[transport] if port is None else port, transport)

    def __str__(self) -> str:
        return f"{place_of(self.host, self.port)};transport={self.transport}"


def place_of(host: str, port: int | None) -> str:
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_private(host: str) -> bool:
    """True: an address that only its own network reaches. A name is not private."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return False


def _host_and_port(text: str) -> tuple[str, int | None]:
    """("", None): the text is no host with an optional port."""
    found = _HOST.match(text)
    if not found:
        return "", None
    host, rest = found.group().strip("[]"), text[found.end() :]
    if not rest:
        return host, None
    digits = rest[1:]
    if rest[0] != ":" or not (digits.isascii() and digits.isdigit()) or len(digits) > 5 or int(digits) > 65_535:
        return "", None
    return host, int(digits)


@dataclass(frozen=True, slots=True)
class SipUri:
    """A `sip:` or `sips:` URI. A password in it is dropped when it is read."""

    user: str
    host: str
    port: int | None = None
    secure: bool = False
    parameters: tuple[tuple[str, str], ...] = ()
    headers: str = ""

    @classmethod
    def read(cls, text: str) -> SipUri:
        """ProtocolError: the text is no SIP URI."""
        scheme, colon, rest = text.strip().partition(":")
        if not colon or scheme.lower() not in ("sip", "sips") or len(text) > MOST_URI or not text.isprintable():
            raise malformed(f"URI {text[:80]!r}")
        # '?' and ';' may stand in the user part, so the user is split off first.
        user, at, place = rest.rpartition("@")
        place, _, headers = place.partition("?")
        place, *parameters = place.split(";")
        host, port = _host_and_port(place)
        if not host or (at and not user) or any(each in user for each in '<>" '):
            raise malformed(f"URI {text[:80]!r}")
        user = unquote(user.partition(":")[0]) if at else ""
        return cls(user, host.lower(), port, scheme.lower() == "sips", read_parameters(parameters), headers)

    def parameter(self, name: str) -> str | None:
        return next((value for each, value in self.parameters if each == name), None)

    @property
    def address(self) -> SipAddress:
        """Where a request for this URI goes."""
        named = (self.parameter("transport") or "").lower()
        transport: TransportName = named if named in TRANSPORTS else "udp"
        if self.secure:
            transport = "tls"
        host = self.parameter("maddr") or self.host
        return SipAddress(host, PORTS[transport] if self.port is None else self.port, transport)

    def bare(self) -> str:
        """Scheme, user and host, without parameters: the address of record."""
        return str(SipUri(self.user, self.host, self.port, self.secure))

    def __str__(self) -> str:
        user = f"{quote(self.user, safe=_USER_KEEPS)}@" if self.user else ""
        parameters = "".join(f";{name}={value}" if value else f";{name}" for name, value in self.parameters)
        headers = f"?{self.headers}" if self.headers else ""
        return f"{'sips' if self.secure else 'sip'}:{user}{place_of(self.host, self.port)}{parameters}{headers}"


def read_parameters(parts: list[str]) -> tuple[tuple[str, str], ...]:
    found = []
    for part in parts[:40]:
        name, _, value = part.strip().partition("=")
        if name.strip():
            found.append((name.strip().lower(), value.strip()))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class NameAddr:
    """`"Display" <uri>;tag=...`, as From, To, Contact, Route, Refer-To have it."""

    uri: SipUri
    display: str = ""
    parameters: tuple[tuple[str, str], ...] = field(default=())

    @classmethod
    def read(cls, text: str) -> NameAddr:
        """ProtocolError: the text is no name-addr with a SIP URI."""
        text = text.strip()
        display, rest = "", text
        if text.startswith('"'):
            end = _quote_end(text)
            display, rest = re.sub(r"\\(.)", r"\1", text[1:end]), text[end + 1 :].lstrip()
        if "<" in rest:
            before, _, after = rest.partition("<")
            inside, closed, tail = after.partition(">")
            if not closed:
                raise malformed(f"address {text[:80]!r}")
            return cls(SipUri.read(inside), display or before.strip(), read_parameters(tail.split(";")[1:]))
        # Without brackets all parameters belong to the header (RFC 3261, 20).
        uri, *parameters = rest.split(";")
        return cls(SipUri.read(uri), display, read_parameters(parameters))

    @property
    def tag(self) -> str:
        return self.parameter("tag") or ""

    def parameter(self, name: str) -> str | None:
        return next((value for each, value in self.parameters if each == name), None)

    def __str__(self) -> str:
        name = self.display.replace("\\", "\\\\").replace('"', '\\"')
        parameters = "".join(f";{key}={value}" if value else f";{key}" for key, value in self.parameters)
        return f"{f'{chr(34)}{name}{chr(34)} ' if name else ''}<{self.uri}>{parameters}"


def _quote_end(text: str) -> int:
    index = 1
    while index < len(text):
        if text[index] == "\\":
            index += 1
        elif text[index] == '"':
            return index
        index += 1
    raise malformed(f"address {text[:80]!r}")
