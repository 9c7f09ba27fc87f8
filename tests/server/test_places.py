"""Whether a page and the server that it calls are the same place: names, schemes and ports, default ports included."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from bargein.errors import UsageError
from bargein.server.auth import Gate
from bargein.server.make_settings import make_settings
from bargein.server.refusals import Refusal
from tests.server.kit import TOKEN, settings


def admitted(host: str, origin: str | None, *, origins: str = "", token: str | None = TOKEN, public: str = "") -> bool:
    """Whether a request under that Host, from a page of that Origin, may change something."""
    gate = Gate(settings(token=token, origins=origins, public_url=public))
    headers = {"host": host} | ({"origin": origin} if origin is not None else {})
    try:
        gate.check_place(Headers(headers), origin=True)
    except Refusal:
        return False
    return True


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("example.com", "https://example.com"),
        ("example.com:443", "https://example.com"),
        ("example.com:80", "http://example.com"),
        ("example.com", "http://example.com:80"),
        ("example.com", "https://example.com:443"),
        ("EXAMPLE.com:443", "https://Example.COM"),
        ("example.com.:443", "https://example.com"),
        ("example.com:8443", "https://example.com:8443"),
        ("[::1]:80", "http://[::1]"),
        ("[2001:db8::1]", "https://[2001:db8::1]:443"),
        ("192.168.1.5:8080", "http://192.168.1.5:8080"),
    ],
)
def test_a_default_port_that_is_named_is_the_same_place(host: str, origin: str) -> None:
    assert admitted(host, origin)


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("example.com:443", "http://example.com"),
        ("example.com:80", "https://example.com"),
        ("example.com:8443", "https://example.com"),
        ("example.com", "https://example.com:8443"),
        ("example.com", "https://example.com.evil.example"),
        ("example.com", "https://evil.example"),
        ("example.com", "null"),
        ("example.com", ""),
        ("example.com", "http://["),
        ("example.com", "https://example.com:port"),
        ("example.com", "https://user@example.com@evil.example"),
        ("example.com", "file://example.com"),
        ("", "https://"),
        ("[", "http://["),
    ],
)
def test_another_port_name_or_scheme_is_another_place(host: str, origin: str) -> None:
    assert not admitted(host, origin)


@pytest.mark.parametrize("allowed", ["https://friend.example", "https://friend.example:443", "HTTPS://Friend.example/"])
def test_an_allowed_origin_is_allowed_with_its_default_port_or_without(allowed: str) -> None:
    assert admitted("example.com", "https://friend.example", origins=allowed)
    assert not admitted("example.com", "http://friend.example", origins=allowed)
    # Without a token the server answers to names of this machine, and to those of allowed pages.
    for host in ("friend.example", "friend.example:443"):
        assert admitted(host, "https://friend.example", origins=allowed, token=None)
    assert not admitted("friend.example:80", None, origins=allowed, token=None)


def test_a_client_that_is_no_browser_names_no_origin() -> None:
    assert admitted("example.com", None)


def test_a_page_of_the_public_address_is_our_own_whatever_the_proxy_calls_us() -> None:
    assert not admitted("10.0.0.7:8080", "https://voice.example")
    for public in ("https://voice.example", "https://voice.example/talk/"):
        assert admitted("10.0.0.7:8080", "https://voice.example", public=public)
        assert not admitted("10.0.0.7:8080", "https://evil.example", public=public)


@pytest.mark.parametrize(
    "given",
    [
        {"origins": "nonsense"},
        {"origins": "https://one.example,two.example"},
        {"origins": "*"},
        {"origins": "https://*.example"},
        {"origins": "https://one.example/page"},
        {"origins": "https://one.example:port"},
        {"public_url": "https://"},
        {"public_url": "https://example.com:port/voice"},
    ],
)
def test_a_site_that_no_page_can_have_is_refused_at_the_start(given: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=next(iter(given))):
        make_settings(**given)


def test_a_site_is_taken_with_its_port_and_a_public_address_with_its_path() -> None:
    made = make_settings(origins="https://One.example:8443/, http://[::1]:3000", public_url="https://example.com/voice")
    assert made.origins == ("https://one.example:8443", "http://[::1]:3000")
    assert made.public_url == "https://example.com/voice"
