"""Whose a connection is, by its first bytes: whole, cut anywhere, odd, or no HTTP at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bargein.server.supervisor.first_bytes import METHOD_BYTES, NO_NODE, NODE_BYTES, node_of

LONGEST = METHOD_BYTES + 1 + len("/voice/n/") + NODE_BYTES + 1


@pytest.mark.parametrize(
    ("head", "node"),
    [
        (b"GET /n/w-1/twilio/media HTTP/1.1\r\n", "w-1"),
        (b"POST /n/w-1/twilio/voice?a=/n/b/ HTTP/1.1", "w-1"),
        (b"GET /n/w-1 HTTP/1.1", "w-1"),
        (b"GET /n/w-1?x HTTP/1.1", "w-1"),
        (b"GET /n/a/n/b/ HTTP/1.1", "a"),
        (b"GET / HTTP/1.1", NO_NODE),
        (b"GET /calls HTTP/1.1", NO_NODE),
        (b"GET /next/n/w-1/ HTTP/1.1", NO_NODE),
        (b"GET /n HTTP/1.1", NO_NODE),
        (b"GET /n/ HTTP/1.1", NO_NODE),
        (b"GET /n//x HTTP/1.1", NO_NODE),
        (b"GET /n/W/x HTTP/1.1", NO_NODE),
        (b"GET /n/-w/x HTTP/1.1", NO_NODE),
        (b"GET /n/w%2d1/x HTTP/1.1", NO_NODE),
        (b"GET /n/" + b"w" * NODE_BYTES + b"/ HTTP/1.1", "w" * NODE_BYTES),
        (b"GET /n/" + b"w" * (NODE_BYTES + 1) + b"/ HTTP/1.1", NO_NODE),
        (b"GET http://host/n/w-1/x HTTP/1.1", NO_NODE),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", NO_NODE),  # TLS
        (b" /n/w-1/ HTTP/1.1", NO_NODE),
        (b"\r\nGET /n/w-1/ HTTP/1.1", NO_NODE),
        (b"G" * (METHOD_BYTES + 1), NO_NODE),
        (b"", None),
        (b"GET", None),
        (b"GET ", None),
        (b"GET /n", None),
        (b"GET /n/", None),
        (b"GET /n/w-1", None),
    ],
)
def test_a_request_names_its_node_or_none(head: bytes, node: str | None) -> None:
    assert node_of(head) == node


@pytest.mark.parametrize("path", ["/voice/n/w-1/x", "/n/w-1/x"])
def test_a_proxy_may_pass_its_prefix_on_or_strip_it(path: str) -> None:
    assert node_of(f"GET {path} HTTP/1.1".encode(), "/voice") == "w-1"
    assert node_of(b"GET /vo", "/voice") is None
    assert node_of(b"GET /voices", "/voice") == NO_NODE
    assert node_of(b"GET /other/n/w-1/", "/voice") == NO_NODE


@given(st.binary(max_size=200), st.sampled_from([b"", b"GET /n/", b"GET /voice/n/w", b"POST /n/w-1"]))
def test_more_bytes_decide_once_and_within_a_bound(more: bytes, begin: bytes) -> None:
    """What the first bytes have decided, later ones do not change."""
    whole = begin + more
    decided = [node_of(whole[:count], "/voice") for count in range(len(whole) + 1)]
    known = [node for node in decided if node is not None]
    assert decided == [None] * (len(decided) - len(known)) + known
    assert len(set(known)) <= 1
    assert len(decided) - len(known) <= LONGEST + 1
