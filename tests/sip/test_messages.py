"""Messages, addresses and streams: what is read, what is written, what is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bargein.errors import ProtocolError, UsageError
from bargein.sip.addresses import NameAddr, SipAddress, SipUri
from bargein.sip.framing import StreamReader
from bargein.sip.messages import Headers, SipRequest, SipResponse, Via, read_message, split_list

GOOD = (
    b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h:1;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\n"
    b"Call-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 4\r\n\r\nbody"
)


def test_a_message_reads_as_it_was_written() -> None:
    message = read_message(GOOD)
    assert isinstance(message, SipRequest)
    assert message.body == b"body"
    again = read_message(message.render())
    assert isinstance(again, SipRequest)
    assert (again.method, again.uri, list(again.headers), again.body) == (
        "OPTIONS",
        "sip:a@b",
        list(message.headers),
        b"body",
    )
    answer = read_message(b"SIP/2.0 200 \r\n" + GOOD.partition(b"\r\n")[2])
    assert isinstance(answer, SipResponse)
    assert (answer.status, answer.reason) == (200, "")


def test_a_foreign_text_writes_no_header_of_its_own() -> None:
    response = SipResponse(400, "Bad\r\nEvil: 1", Headers([("to", "x\r\n\r\nEvil: 2")]))
    assert b"\r\nEvil" not in response.render()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('"a, b" <sip:x,y@h>, <sip:z>', ['"a, b" <sip:x,y@h>', "<sip:z>"]),
        ('"quote \\" , " <sip:x>,,', ['"quote \\" , " <sip:x>']),
        ("", []),
        (" a ,b", ["a", "b"]),
    ],
)
def test_lists_split_outside_of_quotes(text: str, parts: list[str]) -> None:
    assert split_list(text) == parts


@pytest.mark.parametrize(
    ("text", "user", "host", "port"),
    [
        ("sip:bob@example.com", "bob", "example.com", None),
        ("SIPS:bob:pw@[2001:db8::1]:5061;transport=tcp?x=y", "bob", "2001:db8::1", 5061),
        ("sip:%2b49;phone-context=x@10.0.0.1:5", "+49;phone-context=x", "10.0.0.1", 5),
        ("sip:host", "", "host", None),
    ],
)
def test_uris(text: str, user: str, host: str, port: int | None) -> None:
    found = SipUri.read(text)
    assert (found.user, found.host, found.port) == (user, host, port)
    assert SipUri.read(str(found)) == found


@pytest.mark.parametrize(
    "text", ["", "tel:+49", "sip:", "sip:@h", "sip:a@", "sip:a@h:99999", "sip:a@h:x",
     "sip:a b@h", "sip:a@h\r\nX: y", "sip:" + "a" * 3000]
)  # fmt: skip
def test_what_is_no_uri_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError):
        SipUri.read(text)


@pytest.mark.parametrize(
    ("text", "display", "uri", "tag"),
    [
        ('"Bob \\"B\\" <x>" <sip:bob@h;lr>;tag=1', 'Bob "B" <x>', "sip:bob@h;lr", "1"),
        ("Bob <sip:bob@h>", "Bob", "sip:bob@h", ""),
        ("sip:bob@h;tag=2", "", "sip:bob@h", "2"),
        ("<sip:bob@h> ; tag=3", "", "sip:bob@h", "3"),
    ],
)
def test_name_addresses(text: str, display: str, uri: str, tag: str) -> None:
    found = NameAddr.read(text)
    assert (found.display, str(found.uri), found.tag) == (display, uri, tag)
    assert NameAddr.read(str(found)) == found


def test_addresses_of_settings() -> None:
    assert SipAddress.read("0.0.0.0:5062") == SipAddress("0.0.0.0", 5062, "udp")
    assert SipAddress.read("[::1]:5061;transport=TLS") == SipAddress("::1", 5061, "tls")
    assert SipAddress.read("example.com;transport=tls").port == 5061
    for wrong in ("", ":5060", "h:70000", "h;transport=sctp", "h:x", "a b"):
        with pytest.raises(UsageError):
            SipAddress.read(wrong)


def test_via_lines() -> None:
    via = Via.read("SIP / 2.0 / UDP  [::1]:5060 ;branch=z9hG4bKx;rport")
    assert (via.transport, via.host, via.port, via.branch) == ("UDP", "::1", 5060, "z9hG4bKx")
    assert via.parameter("rport") == ""
    for wrong in ("", "UDP h", "SIP/2.0/UDP h:99999", "SIP/2.0/UDP "):
        with pytest.raises(ProtocolError):
            Via.read(wrong)


@given(st.lists(st.integers(1, 30), max_size=20))
def test_a_stream_in_any_pieces_holds_the_same_messages(sizes: list[int]) -> None:
    stream = b"\r\n\r\n" + GOOD + b"\r\n" + GOOD + GOOD
    reader, found = StreamReader(1000), list[bytes]()
    for size in [*sizes, len(stream)]:
        found += reader.push(stream[:size])
        stream = stream[size:]
    assert [each for each in found if each] == [GOOD] * 3
    assert found.count(b"") <= 1
    assert not reader.partial


@pytest.mark.parametrize(
    "stream",
    [
        b"x" * 2000,
        GOOD.replace(b"Content-Length: 4", b"Content-Length: 5000"),
        GOOD.replace(b"Content-Length: 4", b"Content-Length: -4"),
        GOOD.replace(b"Content-Length: 4\r\n", b""),
        b"\n\n\n\n\n\n",
    ],
)
def test_a_stream_without_messages_is_refused(stream: bytes) -> None:
    with pytest.raises(ProtocolError):
        StreamReader(1000).push(stream)


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_protocol_error(data: bytes) -> None:
    for whole in (data, GOOD.replace(b"z9hG4bKa", data), GOOD.replace(b"Call-ID: c", data)):
        with contextlib.suppress(ProtocolError):
            read_message(whole).render()
