"""Digest by the vectors of the RFCs, as client, and as the server that challenges."""

from __future__ import annotations

import pytest

from bargein.clock import ManualClock
from bargein.sip.digest import DigestClient, DigestInput, digest_response, read_digest
from bargein.sip.digest_server import MOST_NONCES, DigestServer, Verdict
from bargein.sip.errors import SipRefused
from bargein.sip.settings import SipCredentials

RFC_2617 = DigestInput(
    "MD5",
    "Mufasa",
    "Circle Of Life",
    "testrealm@host.com",
    "GET",
    "/dir/index.html",
    "dcd98b7102dd2f0e8b11d0f600bfb0c093",
    "auth",
    "0a4f113b",
    "00000001",
)
RFC_7616 = ("Mufasa", "Circle of Life", "http-auth@example.org", "GET", "/dir/index.html")
NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
URI = "sip:bot@10.0.0.2"


def test_the_vectors_of_rfc_2617_and_7616() -> None:
    assert digest_response(RFC_2617) == "6629fae49393a05397450978507c4ef1"
    md5 = DigestInput("MD5", *RFC_7616, NONCE, "auth", CNONCE, "00000001")
    sha = DigestInput("SHA-256", *RFC_7616, NONCE, "auth", CNONCE, "00000001")
    assert digest_response(md5) == "8ca523f5e9506fed4657c9700eebdbec"
    assert digest_response(sha) == "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"


def test_the_form_without_qop() -> None:
    # RFC 2069's example, as its errata correct it.
    data = DigestInput(
        "MD5", "Mufasa", "CircleOfLife", "testrealm@host.com", "GET", "/dir/index.html",
        "dcd98b7102dd2f0e8b11d0f600bfb0c093",
    )  # fmt: skip
    assert digest_response(data) == "1949323746fe6a43ef61f9606e7febea"


def test_a_challenge_with_commas_and_quotes_is_read() -> None:
    found = read_digest('Digest realm="a, \\"b\\"", nonce=abc, qop="auth,auth-int",stale=TRUE')
    assert found == {"realm": 'a, "b"', "nonce": "abc", "qop": "auth,auth-int", "stale": "TRUE"}
    assert read_digest("Basic abc") == {}


class Pair:
    """A client and a server, and the request between them."""

    def __init__(self, *algorithms: str, nonce_s: float = 60.0) -> None:
        self.clock = ManualClock()
        self.server = DigestServer(self.clock, "here", {"bob": "secret"}, nonce_s, algorithms or ("MD5",))

    def client(self, password: str = "secret", user: str = "bob", host: str = "h") -> DigestClient:
        client = DigestClient(SipCredentials(user, password))
        client.challenged(401, self.server.challenges(host))
        return client

    def ask(self, client: DigestClient, host: str = "h", method: str = "INVITE") -> Verdict:
        return self.verify([value for _, value in client.lines(method, URI)], host)

    def verify(self, lines: list[str], host: str = "h", method: str = "INVITE") -> Verdict:
        return self.server.verify(lines, method, host)[0]


@pytest.mark.parametrize("algorithms", [("MD5",), ("SHA-256",), ("SHA-512-256",), ("MD5", "SHA-256")])
def test_the_two_sides_agree(algorithms: tuple[str, ...]) -> None:
    pair = Pair(*algorithms)
    client = pair.client()
    assert [pair.ask(client) for _ in range(3)] == [Verdict.RIGHT] * 3
    if "SHA-256" in algorithms:
        assert "algorithm=SHA-256" in client.lines("INVITE", URI)[0][1]  # the strongest


def test_what_is_wrong_is_wrong() -> None:
    pair = Pair()
    assert pair.verify([]) is Verdict.ABSENT
    assert pair.ask(pair.client("guess")) is Verdict.WRONG
    assert pair.ask(pair.client(user="eve")) is Verdict.WRONG
    line = pair.client().lines("INVITE", URI)[0][1]
    assert pair.verify([line], method="REGISTER") is Verdict.WRONG
    assert pair.verify([line.replace("uri=", 'uri="sip:x@y", u=')]) is Verdict.WRONG
    assert pair.verify([line.replace("nc=00000001", "nc=zz")]) is Verdict.WRONG
    assert pair.verify([line.replace("algorithm=MD5", "algorithm=SHA-256")]) is Verdict.WRONG
    assert pair.verify([line.replace("qop=auth", "qop=auth-int")]) is Verdict.WRONG
    assert pair.verify([line]) is Verdict.RIGHT


def test_a_replay_is_stale() -> None:
    pair = Pair()
    client = pair.client()
    first, second = (client.lines("INVITE", URI)[0][1] for _ in range(2))
    assert pair.verify([second]) is Verdict.RIGHT
    assert pair.verify([second]) is Verdict.STALE
    assert pair.verify([first]) is Verdict.STALE


def test_a_nonce_is_good_for_its_time_and_its_address() -> None:
    pair = Pair(nonce_s=10)
    client = pair.client()
    assert pair.ask(client, host="elsewhere") is Verdict.STALE
    pair.clock.advance(10_001)
    assert pair.ask(client) is Verdict.STALE
    forged = 'Digest username="bob", realm="here", nonce="!!", uri="sip:bot@10.0.0.2", response="x"'
    assert pair.verify([forged]) is Verdict.STALE


def test_a_forgotten_nonce_cannot_be_played_again() -> None:
    pair = Pair()
    client = pair.client()
    line = client.lines("INVITE", URI)[0][1]
    assert pair.verify([line]) is Verdict.RIGHT
    pair.clock.advance(1)
    for _ in range(MOST_NONCES):
        assert pair.ask(pair.client()) is Verdict.RIGHT
    assert pair.verify([line]) is Verdict.STALE


def test_a_client_gives_up_at_a_wrong_password_and_not_at_an_old_nonce() -> None:
    pair = Pair()
    client = pair.client("guess")
    client.lines("INVITE", URI)
    with pytest.raises(SipRefused):
        client.challenged(401, pair.server.challenges("h"))
    client = pair.client()
    client.lines("INVITE", URI)
    client.challenged(401, pair.server.challenges("h", stale=True))
    client.lines("INVITE", URI)
    client.accepted()
    client.challenged(401, pair.server.challenges("h"))  # its nonce was good once, and is old now
    client.lines("INVITE", URI)
    with pytest.raises(SipRefused):
        client.challenged(401, pair.server.challenges("h"))


def test_a_proxys_challenge_and_the_callees_are_both_answered() -> None:
    pair = Pair()
    client = pair.client()
    client.challenged(407, ['Digest realm="proxy", nonce="n"'])
    assert [name for name, _ in client.lines("INVITE", URI)] == ["authorization", "proxy-authorization"]


@pytest.mark.parametrize("challenge", ["Basic realm=x", 'Digest realm="r", nonce="n", algorithm=SHA-1', "Digest", ""])
def test_a_challenge_that_cannot_be_answered_is_an_error(challenge: str) -> None:
    with pytest.raises(SipRefused):
        DigestClient(SipCredentials("a", "b")).challenged(401, [challenge])


def test_no_password_is_in_a_repr() -> None:
    assert "secret" not in repr(SipCredentials("bob", "secret"))
