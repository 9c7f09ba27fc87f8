"""Which place a Host or an Origin names: scheme, name and port, the scheme's default port included."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


def same_place(origin: str, host: str) -> bool:
    """Whether a page of that Origin was served under that Host.

    A Host without a port means the default port of the page's scheme: behind a proxy that ends TLS the server cannot
    see the scheme by which the browser came. `example.com:443` and `https://example.com` are the same place.
    """
    place = _place(origin)
    return place is not None and place[1:] == _name_and_port(f"//{host}", place[0])


def is_place(origin: str, *, path: bool = False) -> bool:
    """Whether the address names a place. path: it may go on after the place."""
    rest = origin.partition("://")[2]
    return _place(origin) is not None and (path or not set(rest) & set("/?#*, "))


def among(origin: str, origins: Iterable[str]) -> bool:
    """Whether the Origin is one of those, with its default port or without."""
    place = _place(origin)
    return place is not None and place in {_place(known) for known in origins}


def named_by(host: str, origins: Iterable[str]) -> bool:
    """Whether the Host is the place of one of those origins."""
    return any(same_place(origin, host) for origin in origins)


def name_in(origin: str) -> str:
    """The name of the machine that an Origin names; "" where it names no place."""
    place = _place(origin)
    return "" if place is None else place[1]


def _place(origin: str) -> tuple[str, str, int] | None:
    """Scheme, name and port. None: the origin names no place ("null", a file, a broken address)."""
    scheme, separator, _ = origin.lower().partition("://")
    if not separator or scheme not in DEFAULT_PORTS or "@" in origin:
        return None
    found = _name_and_port(origin.lower(), scheme)
    return None if found is None else (scheme, *found)


def _name_and_port(url: str, scheme: str) -> tuple[str, int] | None:
    try:
        parts = urlsplit(url)
        name, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:  # a bracket that is not closed, a port that is no number
        return None
    return (name, DEFAULT_PORTS[scheme] if port is None else port) if name else None
