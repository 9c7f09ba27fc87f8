"""Where the page may open sockets: at its own server, and at the nodes beside it."""

from __future__ import annotations

import pytest

from bargein.server.page_headers import headers_for


@pytest.mark.parametrize(
    ("node_url", "sockets"),
    [
        (None, ""),
        ("https://a.voice.example.com", " wss://*.voice.example.com"),
        ("https://a.voice.example.com:8443/path", " wss://*.voice.example.com:8443"),
        ("https://example.com", " wss://example.com:*"),
        ("http://10.0.0.7:8080", " ws://10.0.0.7:*"),
        ("http://[::1]:8080", " ws://[::1]:*"),
        ("http://localhost:8081", " ws://localhost:*"),
    ],
)
def test_the_policy_names_the_nodes_beside_this_one_and_no_other_place(node_url: str | None, sockets: str) -> None:
    policy = dict(headers_for(node_url))[b"content-security-policy"].decode()
    assert f"connect-src 'self'{sockets};" in policy
    assert policy.count("ws") == (1 if sockets else 0)
