"""What strangers send: malformed, out of place, too much. One small answer for each request, or none."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bargein.sip.messages import SipResponse
from bargein.sip.settings import SipAdmission, SipLimits
from tests.sip.kit import Phone, Raw, SimNetwork, offer, status

STRICT = SipAdmission(lambda host: False, {"bob": "secret"})


@pytest.fixture
async def net() -> SimNetwork:
    return SimNetwork()


@pytest.mark.parametrize(
    ("method", "wanted"),
    [
        ("OPTIONS", 200),
        ("BYE", 481),
        ("INFO", 481),
        ("UPDATE", 481),
        ("NOTIFY", 481),
        ("REFER", 481),
        ("CANCEL", 481),
        ("PRACK", 405),
        ("REGISTER", 405),
        ("SUBSCRIBE", 405),
        ("MESSAGE", 405),
        ("PUBLISH", 405),
        ("BREW", 501),
    ],
)
async def test_requests_outside_of_a_call(net: SimNetwork, method: str, wanted: int) -> None:
    assert status(Raw(net).request(Phone(net, "10.0.0.2"), method)) == [wanted]


@pytest.mark.parametrize("method", ["BYE", "INVITE", "INFO", "OPTIONS", "PRACK"])
async def test_requests_of_an_unknown_call(net: SimNetwork, method: str) -> None:
    assert status(Raw(net).request(Phone(net, "10.0.0.2"), method, to_tag="gone")) == [481]


async def test_extensions_that_are_required_and_not_known(net: SimNetwork) -> None:
    raw, bob = Raw(net), Phone(net, "10.0.0.2")
    (answer,) = raw.request(bob, "INVITE", headers="Require: 100rel, timer\r\n", body=offer())
    assert isinstance(answer, SipResponse)
    assert (answer.status, answer.headers.get("unsupported")) == (420, "100rel")
    assert bob.calls == []


@pytest.mark.parametrize(
    ("headers", "body", "wanted"),
    [
        ("", b"v=0\r\nm=audio", 488),
        ("", b"not sdp", 488),
        ("", offer().replace(b"m=audio", b"m=video"), 488),
        ("Session-Expires: 60\r\nSupported: timer\r\n", offer(), 422),
    ],
)
async def test_invites_that_cannot_be_taken(net: SimNetwork, headers: str, body: bytes, wanted: int) -> None:
    raw, bob = Raw(net), Phone(net, "10.0.0.2")
    assert status(raw.request(bob, "INVITE", headers=headers, body=body)) == [wanted]
    assert bob.calls == []
    raw.request(bob, "ACK")
    net.run(10_000)
    assert len(bob.core.transactions) == 0


async def test_a_body_of_several_parts_holds_the_offer(net: SimNetwork) -> None:
    raw, bob = Raw(net), Phone(net, "10.0.0.2")
    parts = (
        b"--b1\r\nContent-Type: text/plain\r\n\r\nhi\r\n--b1\r\nContent-Type: application/sdp\r\n\r\n%b\r\n--b1--\r\n"
    )
    body = parts % offer("10.0.0.9", 7000)
    text = (
        "INVITE sip:bot@10.0.0.2 SIP/2.0\r\nv: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKm\r\nf: <sip:a@b>;tag=1\r\n"
        "t: <sip:bot@10.0.0.2>\r\ni: multi\r\nCSeq: 1 INVITE\r\nm: <sip:a@10.0.0.9>\r\n"
        "Subject: folded\r\n over lines\r\n"
        f'c: multipart/mixed;boundary="b1"\r\nl: {len(body)}\r\n\r\n'
    )
    raw.send(bob, text.encode() + body)
    assert bob.calls[0].offer is not None
    assert bob.calls[0].offer.port == 7000
    assert bob.calls[0].headers["subject"] == "folded over lines"
    html = text.replace("multipart/mixed", "text/html").replace("i: multi", "i: html").replace("bKm", "bKn")
    raw.send(bob, html.encode() + body)
    assert status(raw.got)[-1] == 415


@pytest.mark.parametrize(
    ("change", "answered"),
    [
        (("CSeq: 1 INVITE", "CSeq: 1 BYE"), True),
        (("CSeq: 1 INVITE", "CSeq: 4294967296 INVITE"), True),
        (("CSeq: 1 INVITE", "CSeq: one INVITE"), True),
        (("CSeq: 1 INVITE", "CSeq: 1 INVITE\r\nCSeq: 2 INVITE"), True),
        (("Content-Length: 0", "Content-Length: -5"), True),
        (("Content-Length: 0", "Content-Length: 99999"), True),
        (("Content-Length: 0", "Content-Length: 0\r\nContent-Length: 10"), True),
        (("Call-ID: raw-1", "Call-ID: raw 1"), True),
        (("Call-ID: raw-1\r\n", ""), False),
        (("From:", "Fron:"), False),
        (("SIP/2.0/UDP 10.0.0.9", "SIP/2.0/UDP @@@"), False),
        (("INVITE sip:bot", "INVITE  sip:bot"), False),
        ((" SIP/2.0\r\nVia", " SIP/3.0\r\nVia"), False),
        (("From: <sip:raw@10.0.0.9>;tag=ft", "From: <sip:raw@10.0.0.9"), True),
        (("Contact: <sip:raw@10.0.0.9:5060>", "Contact: <http://x>"), True),
        (("To: <sip:bot@10.0.0.2>", 'To: "no end <sip:bot@10.0.0.2>'), True),
    ],
)
async def test_malformed_invites(net: SimNetwork, change: tuple[str, str], answered: bool) -> None:
    raw, bob = Raw(net), Phone(net, "10.0.0.2")
    good = (
        "INVITE sip:bot@10.0.0.2 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKx\r\n"
        "From: <sip:raw@10.0.0.9>;tag=ft\r\nTo: <sip:bot@10.0.0.2>\r\nCall-ID: raw-1\r\nCSeq: 1 INVITE\r\n"
        "Contact: <sip:raw@10.0.0.9:5060>\r\nContent-Length: 0\r\n\r\n"
    )
    assert change[0] in good
    raw.send(bob, good.replace(*change))
    assert status(raw.got) == ([400] if answered else [])
    assert bob.calls == []
    raw.send(bob, good.replace("z9hG4bKx", "z9hG4bKgood").replace("raw-1", "raw-good"))
    assert len(bob.calls) == 1


async def test_a_request_that_came_by_two_ways_is_one_call(net: SimNetwork) -> None:
    raw, bob = Raw(net), Phone(net, "10.0.0.2")
    raw.request(bob, "INVITE", body=offer())
    assert status(raw.request(bob, "INVITE", body=offer(), branch="z9hG4bKb")) == [482]
    assert len(bob.calls) == 1


async def test_old_and_crossed_requests_inside_a_call(net: SimNetwork) -> None:
    raw, bob = Raw(net), Phone(net, "10.0.0.2")
    raw.request(bob, "INVITE", body=offer(), cseq=10)
    net.run(200)
    tag = bob.dialogs[0].local.tag
    # A re-INVITE before the ACK.
    (early,) = raw.request(bob, "INVITE", body=offer(), cseq=11, branch="z9hG4bKb", to_tag=tag)
    assert isinstance(early, SipResponse)
    assert early.status == 500
    assert early.headers.get("retry-after")
    raw.request(bob, "ACK", cseq=10, branch="z9hG4bKc", to_tag=tag)
    assert status(raw.request(bob, "INFO", cseq=5, branch="z9hG4bKd", to_tag=tag)) == [500]
    assert status(raw.request(bob, "INFO", cseq=11, branch="z9hG4bKd2", to_tag=tag)) == [500]
    assert status(raw.request(bob, "PRACK", cseq=12, branch="z9hG4bKe", to_tag=tag)) == [481]
    assert status(raw.request(bob, "REFER", cseq=13, branch="z9hG4bKf", to_tag=tag)) == [400]
    assert status(raw.request(bob, "NOTIFY", cseq=14, branch="z9hG4bKg", to_tag=tag)) == [481]
    assert status(raw.request(bob, "MESSAGE", cseq=15, branch="z9hG4bKh", to_tag=tag)) == [405]
    refer = raw.request(bob, "REFER", headers="Refer-To: <sip:x@y>\r\n", cseq=16, branch="z9hG4bKi", to_tag=tag)
    assert status(refer) == [603]
    # Another call's tag, guessed: no call of ours.
    assert status(raw.request(bob, "BYE", cseq=17, branch="z9hG4bKj", to_tag="x" + tag)) == [481]
    assert bob.overs == []
    assert status(raw.request(bob, "BYE", cseq=18, branch="z9hG4bKk", to_tag=tag)) == [200]
    assert [reason for _, reason in bob.overs] == ["bye"]
    assert status(raw.request(bob, "BYE", cseq=18, branch="z9hG4bKk", to_tag=tag)) == [200]  # repeated
    assert status(raw.request(bob, "BYE", cseq=19, branch="z9hG4bKl", to_tag=tag)) == [481]


async def test_a_cancel_after_the_answer_changes_nothing(net: SimNetwork) -> None:
    raw, bob = Raw(net), Phone(net, "10.0.0.2")
    raw.request(bob, "INVITE", body=offer())
    net.run(200)
    raw.request(bob, "ACK", branch="z9hG4bKb", to_tag=bob.dialogs[0].local.tag)
    assert status(raw.request(bob, "CANCEL")) == [200]
    assert bob.overs == []
    assert bob.cancelled == []


@pytest.mark.parametrize(
    ("kind", "body", "wanted", "keys"),
    [
        ("application/dtmf-relay", b"Signal=5\r\nDuration=250\r\n", 200, [("5", 250)]),
        ("application/dtmf-relay", b"Signal= 11\nDuration= 99999", 200, [("#", 10_000)]),
        ("application/dtmf", b"*", 200, [("*", 160)]),
        ("application/dtmf", b"55", 400, []),
        ("application/dtmf-relay", b"Signal=x\r\n", 400, []),
        ("application/dtmf-relay", b"\xff\xfe\x00", 400, []),
        ("text/plain", b"5", 415, []),
        ("application/dtmf", b"", 200, []),
    ],
)
async def test_keys_by_info(net: SimNetwork, kind: str, body: bytes, wanted: int, keys: list[tuple[str, int]]) -> None:
    raw, bob = Raw(net), Phone(net, "10.0.0.2")
    raw.request(bob, "INVITE", body=offer())
    net.run(200)
    tag = bob.dialogs[0].local.tag
    raw.request(bob, "ACK", branch="z9hG4bKb", to_tag=tag)
    text = (
        f"INFO sip:bot@10.0.0.2 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKi\r\n"
        f"From: <sip:raw@10.0.0.9>;tag=ft\r\nTo: <sip:bot@10.0.0.2>;tag={tag}\r\nCall-ID: raw-1\r\nCSeq: 2 INFO\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    raw.send(bob, text.encode() + body)
    assert status(raw.got[-1:]) == [wanted]
    assert bob.keys == keys


async def test_a_flood_of_invites_costs_its_sender_and_no_other(net: SimNetwork) -> None:
    bob = Phone(net, "10.0.0.2", STRICT, SipLimits(invites_per_s=1, requests_per_s=5))
    flood, other = Raw(net, "10.0.0.9"), Raw(net, "10.0.0.8")
    for number in range(300):
        flood.request(bob, "INVITE", body=offer(), branch=f"z9hG4bK{number}", call_id=f"f{number}")
    assert 10 <= len(flood.got) <= 20
    net.run(40_000)
    assert len(flood.got) <= 20  # an answer that goes to a forged address goes there once
    assert bob.core.counts["unheard"] >= 280
    assert status(other.request(bob, "INVITE", body=offer())) == [401]
    assert bob.calls == []
    for number in range(300):
        flood.request(bob, "REGISTER", branch=f"z9hG4bKr{number}", call_id=f"r{number}")
    assert set(status(flood.got)) == {401, 405}
    assert len(flood.got) < 100
    net.run(60_000)
    assert len(bob.core.transactions) == 0


async def test_open_transactions_are_bounded(net: SimNetwork) -> None:
    bob = Phone(net, "10.0.0.2", limits=SipLimits(transactions_of_address=20), answer_ms=None)
    raw = Raw(net)
    for number in range(60):
        raw.request(bob, "INVITE", body=offer(), branch=f"z9hG4bK{number}", call_id=f"f{number}")
    assert len(bob.calls) == 20


async def test_wrong_passwords_end_in_403_and_time_heals(net: SimNetwork) -> None:
    raw = Raw(net)
    bob = Phone(net, "10.0.0.2", STRICT, SipLimits(invites_per_s=100, wrong_digests=3, wrong_digest_s=30))

    def guess(number: int) -> int:
        fresh = raw.request(bob, "INVITE", branch=f"z9hG4bKa{number}", call_id=f"a{number}")
        if status(fresh) == [403]:
            return 403
        nonce = fresh[0].headers.get("www-authenticate").split('nonce="')[1].split('"')[0]
        line = (
            f'Authorization: Digest username="bob", realm="bargein", nonce="{nonce}", uri="sip:bot@10.0.0.2", '
            f'response="{number:032x}", algorithm=MD5, qop=auth, nc=00000001, cnonce="x"\r\n'
        )
        return status(raw.request(bob, "INVITE", headers=line, branch=f"z9hG4bKb{number}", call_id=f"b{number}"))[0]

    assert [guess(number) for number in range(5)] == [401, 401, 403, 403, 403]
    assert status(raw.request(bob, "INVITE", branch="z9hG4bKn", call_id="n")) == [403]  # no new challenge
    net.run(31_000)
    assert guess(9) == 401


async def test_scanners_get_nothing(net: SimNetwork) -> None:
    raw, bob = Raw(net), Phone(net, "10.0.0.2", STRICT)
    assert raw.request(bob, "OPTIONS", headers="User-Agent: friendly-scanner\r\n") == []
    assert status(raw.request(bob, "OPTIONS", branch="z9hG4bKb", call_id="b")) == [200]


async def test_without_users_a_stranger_is_forbidden(net: SimNetwork) -> None:
    raw, bob = Raw(net), Phone(net, "10.0.0.2", SipAdmission(lambda host: False))
    assert status(raw.request(bob, "INVITE", body=offer())) == [403]


async def test_no_answer_is_much_longer_than_its_request(net: SimNetwork) -> None:
    raw, bob = Raw(net), Phone(net, "10.0.0.2", STRICT)
    for number, method in enumerate(("OPTIONS", "INVITE", "REGISTER", "BYE", "BREW")):
        got = raw.request(bob, method, branch=f"z9hG4bK{number}", call_id=f"c{number}")
        assert len(got) == 1
        assert len(got[0].render()) < 600


LINES = [
    b"INVITE sip:a@b SIP/2.0",
    b"BYE sip:a@b SIP/2.0",
    b"SIP/2.0 200 OK",
    b"Via: SIP/2.0/UDP h;branch=z9hG4bKz",
    b"From: <sip:a@b>;tag=1",
    b"To: <sip:a@b>",
    b"t: x;tag=2",
    b"Call-ID: c",
    b"CSeq: 1 INVITE",
    b"CSeq: 1 BYE",
    b"",
    b": ",
    b"Contact: <sip:a@b>",
    b"l: 4",
    b"v=0",
    b" folded",
    b"\xff\xfe",
    b"Require: x",
    b"Record-Route: <>",
    b"Session-Expires: -",
    b'Authorization: Digest a="',
]


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300) | st.lists(st.sampled_from(LINES), max_size=14).map(b"\r\n".join))
def test_any_bytes_leave_the_user_agent_alive(data: bytes) -> None:
    net = SimNetwork()
    bob = Phone(net, "10.0.0.2", answer_ms=None)
    raw = Raw(net)
    raw.send(bob, data)
    net.run(1000)
    assert status(raw.request(bob, "OPTIONS", branch="z9hG4bKalive", call_id="alive"))[-1:] == [200]
