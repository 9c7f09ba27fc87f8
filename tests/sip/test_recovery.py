"""What is lost, refused or forgotten on the way, and made good."""

from __future__ import annotations

import asyncio

import pytest

from bargein.sip.addresses import SipUri
from bargein.sip.errors import SipRefused, SipTimeout
from bargein.sip.settings import SipAdmission, SipCredentials
from bargein.sip.transactions import answer_to
from tests.sip.kit import Phone, SimNetwork, offer


@pytest.fixture
async def net() -> SimNetwork:
    return SimNetwork()


async def test_the_lost_ack_of_a_reinvite_is_sent_again(net: SimNetwork) -> None:
    alice, bob = Phone(net, "10.0.0.1"), Phone(net, "10.0.0.2")
    mine, theirs = alice.talk(bob)
    acks = 0

    def fate(data: bytes) -> tuple[float, ...]:
        nonlocal acks
        acks += data.startswith(b"ACK")
        return () if data.startswith(b"ACK") and acks == 1 else (10.0,)

    net.fate = fate
    task = asyncio.ensure_future(mine.reinvite(offer(version=2)))
    await asyncio.sleep(0)
    net.run(40_000)
    await task
    assert acks == 2
    assert (mine.over, theirs.over) == (None, None)


async def test_the_lost_refusal_of_a_user_with_a_password_is_sent_again(net: SimNetwork) -> None:
    alice = Phone(net, "10.0.0.1")
    bob = Phone(net, "10.0.0.2", SipAdmission(lambda host: False, {"bob": "secret"}), answer_ms=None)
    call = alice.call(bob, credentials=SipCredentials("bob", "secret"))
    net.run(200)
    lost: list[bytes] = []

    def fate(data: bytes) -> tuple[float, ...]:
        if data.startswith(b"SIP/2.0 486") and not lost:
            lost.append(data)
            return ()
        return (10.0,)

    net.fate = fate
    bob.calls[0].reject(486)
    net.run(1000)
    assert lost
    error = call.result.exception()
    assert isinstance(error, SipRefused)
    assert error.status == 486


async def test_a_session_that_is_too_short_for_the_callee_is_made_longer(net: SimNetwork) -> None:
    alice, bob = Phone(net, "10.0.0.1", session_expires_s=60), Phone(net, "10.0.0.2")
    mine, _ = alice.talk(bob)
    assert "422 INVITE" in net.labels()
    assert mine.headers["session-expires"].startswith("90")


async def test_refreshes_that_are_all_refused_end_the_call(net: SimNetwork) -> None:
    alice = Phone(net, "10.0.0.1", session_expires_s=120)
    bob = Phone(net, "10.0.0.2", session_expires_s=120)
    mine, theirs = alice.talk(bob)
    mine.handle = lambda transaction: transaction.respond(  # type: ignore[method-assign]
        answer_to(transaction.request, 500, "Server Internal Error")
    )
    mine._offers.timer.stop()  # else this side ends the call first
    net.run(115_000)
    assert theirs.over is None
    net.run(10_000)
    assert theirs.over == "session_expired"


async def test_a_transfer_whose_subscription_ends_without_a_result(net: SimNetwork) -> None:
    alice, bob = Phone(net, "10.0.0.1"), Phone(net, "10.0.0.2")
    mine, theirs = alice.talk(bob)
    theirs.on_refer = lambda uri: None
    task = asyncio.ensure_future(mine.refer(SipUri.read("sip:z@10.0.0.3"), within_s=600))
    await asyncio.sleep(0)
    net.run(100)
    await asyncio.sleep(0)
    ended = [("event", "refer"), ("subscription-state", "terminated;reason=timeout")]
    theirs._requests.ask("NOTIFY", lambda response: None, headers=ended, body=b"SIP/2.0 100 Trying\r\n")
    net.run(100)
    with pytest.raises(SipTimeout):
        await task
    assert mine.over is None


async def test_a_second_transfer_waits_for_the_first(net: SimNetwork) -> None:
    alice, bob = Phone(net, "10.0.0.1"), Phone(net, "10.0.0.2")
    mine, theirs = alice.talk(bob)
    theirs.on_refer = lambda uri: None
    first = asyncio.ensure_future(mine.refer(SipUri.read("sip:z@10.0.0.3"), within_s=60))
    await asyncio.sleep(0)
    net.run(100)
    with pytest.raises(Exception, match="A transfer of this call is on its way"):
        await mine.refer(SipUri.read("sip:y@10.0.0.3"), within_s=60)
    mine.hang_up()
    with pytest.raises(SipTimeout):
        await first
