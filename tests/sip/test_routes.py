"""Where messages go: forks, route sets, answers through a NAT, the ACK of each repeat."""

from __future__ import annotations

import pytest

from bargein.sip.messages import SipRequest
from bargein.sip.transactions import answer_to
from tests.sip.kit import Phone, Raw, SimNetwork, offer, status

OPTIONS = (
    "OPTIONS sip:bot@10.0.0.2 SIP/2.0\r\nVia: %s\r\nFrom: <sip:raw@10.0.0.9>;tag=ft\r\nTo: <sip:bot@10.0.0.2>\r\n"
    "Call-ID: nat\r\nCSeq: 1 OPTIONS\r\n\r\n"
)


@pytest.fixture
async def net() -> SimNetwork:
    return SimNetwork()


def _answer(invite: SipRequest, tag: str, body: bytes | None = None) -> bytes:
    response = answer_to(invite, 200, "OK", tag)
    response.headers.add("contact", "<sip:raw@10.0.0.9>")
    response.headers.add("content-type", "application/sdp")
    response.body = offer("10.0.0.9", 4000) if body is None else body
    return response.render()


async def test_a_forked_call_keeps_the_first_answer_and_hangs_up_the_second(net: SimNetwork) -> None:
    raw, alice = Raw(net), Phone(net, "10.0.0.1")
    call = alice.call(raw)
    net.run(50)
    (invite,) = raw.got
    assert isinstance(invite, SipRequest)
    for tag in ("one", "two", "one"):
        raw.send(alice, _answer(invite, tag))
    assert call.result.result().remote.tag == "one"
    requests = [each for each in raw.got if isinstance(each, SipRequest)]
    assert [(each.method, each.headers.get("to").rpartition("=")[2]) for each in requests[1:]] == [
        ("ACK", "one"),
        ("ACK", "two"),
        ("BYE", "two"),
        ("ACK", "one"),
    ]


@pytest.mark.parametrize("body", [b"", b"junk", offer().replace(b"audio 5000", b"audio 0")])
async def test_an_answer_without_audio_ends_the_call(net: SimNetwork, body: bytes) -> None:
    raw, alice = Raw(net), Phone(net, "10.0.0.1")
    call = alice.call(raw)
    net.run(50)
    assert isinstance(raw.got[0], SipRequest)
    raw.send(alice, _answer(raw.got[0], "one", body))
    assert call.result.exception() is not None
    assert raw.labels()[1:3] == ["ACK", "BYE"]


async def test_requests_of_a_call_follow_its_route(net: SimNetwork) -> None:
    raw, bob = Raw(net), Phone(net, "10.0.0.2")
    routes = "Record-Route: <sip:p2.example;lr>, <sip:p1.example;lr>\r\n"
    raw.request(bob, "INVITE", body=offer(), headers=routes)
    net.run(200)
    answer = raw.got[-1]
    assert answer.headers.all("record-route") == ["<sip:p2.example;lr>", "<sip:p1.example;lr>"]
    raw.request(bob, "ACK", branch="z9hG4bKb", to_tag=bob.dialogs[0].local.tag)
    bob.dialogs[0].hang_up()
    net.run(50)
    bye = raw.got[-1]
    assert isinstance(bye, SipRequest)
    assert bye.uri == "sip:raw@10.0.0.9:5060"
    assert bye.headers.all("route") == ["<sip:p2.example;lr>", "<sip:p1.example;lr>"]


async def test_a_strict_router_gets_its_own_address_in_the_first_line(net: SimNetwork) -> None:
    raw, bob = Raw(net), Phone(net, "10.0.0.2")
    raw.request(bob, "INVITE", body=offer(), headers="Record-Route: <sip:old.example>, <sip:p1.example;lr>\r\n")
    net.run(200)
    raw.request(bob, "ACK", branch="z9hG4bKb", to_tag=bob.dialogs[0].local.tag)
    bob.dialogs[0].hang_up()
    net.run(50)
    bye = raw.got[-1]
    assert isinstance(bye, SipRequest)
    assert bye.uri == "sip:old.example"
    assert bye.headers.all("route") == ["<sip:p1.example;lr>", "<sip:raw@10.0.0.9:5060>"]


async def test_a_refused_invite_has_each_repeat_of_its_refusal_acknowledged(net: SimNetwork) -> None:
    raw, alice = Raw(net), Phone(net, "10.0.0.1")
    alice.call(raw)
    net.run(50)
    assert isinstance(raw.got[0], SipRequest)
    refusal = answer_to(raw.got[0], 486, "Busy Here", "t")
    for _ in range(3):
        raw.send(alice, refusal.render())
    assert raw.labels() == ["INVITE", "ACK", "ACK", "ACK"]
    ack = raw.got[1]
    assert isinstance(ack, SipRequest)
    assert ack.headers.get("via") == raw.got[0].headers.get("via")
    assert ack.headers.get("to").endswith(";tag=t")


async def test_answers_without_rport_go_to_the_port_of_the_via(net: SimNetwork) -> None:
    bob, away, listening = Phone(net, "10.0.0.2"), Raw(net, "10.0.0.9", 7777), Raw(net, "10.0.0.9", 5070)
    away.send(bob, (OPTIONS % "SIP/2.0/UDP 10.0.0.9:5070;branch=z9hG4bKx").encode())
    assert status(listening.got) == [200]
    assert away.got == []


async def test_answers_go_where_the_request_came_from(net: SimNetwork) -> None:
    raw, bob = Raw(net, "10.0.0.9", 7777), Phone(net, "10.0.0.2")
    raw.send(bob, OPTIONS % "SIP/2.0/UDP 192.168.1.5:5060;rport;branch=z9hG4bKx, SIP/2.0/UDP z")
    (answer,) = raw.got
    first, second = answer.headers.all("via")
    assert "rport=7777" in first
    assert "received=10.0.0.9" in first
    assert second == "SIP/2.0/UDP z"
