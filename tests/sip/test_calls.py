"""Whole calls between two user agents on a network of moved time."""

from __future__ import annotations

import asyncio

import pytest

from bargein.sip.addresses import SipUri
from bargein.sip.errors import SipRefused, SipTimeout
from bargein.sip.messages import SipRequest, SipResponse
from bargein.sip.session_description import read_audio
from bargein.sip.settings import SipAdmission, SipCredentials
from tests.sip.kit import Phone, Raw, SimNetwork, described, offer


@pytest.fixture
async def net() -> SimNetwork:
    return SimNetwork()


async def test_a_call_is_answered_and_hung_up_by_either_side(net: SimNetwork) -> None:
    alice, bob = Phone(net, "10.0.0.1"), Phone(net, "10.0.0.2")
    for caller_ends in (True, False):
        mine, theirs = alice.talk(bob)
        assert mine.offer == described("10.0.0.2", 4000)
        assert theirs.offer == described("10.0.0.1", 5000)
        (mine if caller_ends else theirs).hang_up("done")
        net.run(100)
        assert (mine.over, theirs.over) == (("closed", "bye") if caller_ends else ("bye", "closed"))
        assert (alice.core.dialogs, bob.core.dialogs) == (0, 0)
    assert len(alice.overs) == len(bob.overs) == 2
    net.run(60_000)
    assert (len(alice.core.transactions), len(bob.core.transactions)) == (0, 0)


async def test_a_lost_invite_is_sent_again_by_the_timers_of_the_standard(net: SimNetwork) -> None:
    alice = Phone(net, "10.0.0.1")
    net.fate = lambda data: ()
    call = alice.call(Phone(net, "10.0.0.2"))
    net.run(40_000)
    assert [each.time_ms - 1000 for each in net.sent] == [0, 500, 1500, 3500, 7500, 15500, 31500]
    with pytest.raises(SipTimeout):
        call.result.result()


async def test_a_repeated_invite_is_one_call_and_gets_the_last_answer(net: SimNetwork) -> None:
    alice, bob = Phone(net, "10.0.0.1"), Phone(net, "10.0.0.2", answer_ms=3000)
    net.fate = lambda data: () if b"SIP/2.0 1" in data[:9] else (10.0,)  # no provisional answer arrives
    call = alice.call(bob)
    net.run(2000)
    assert len(bob.calls) == 1
    assert net.labels(bob) == ["100 INVITE", "180 INVITE", "180 INVITE", "180 INVITE"]
    net.run(2000)
    assert call.result.done()
    assert len({each.message.headers.get("to") for each in net.sent if each.label in ("180 INVITE", "200 INVITE")}) == 1


async def test_the_answer_is_sent_again_until_its_ack_comes(net: SimNetwork) -> None:
    alice, bob = Phone(net, "10.0.0.1"), Phone(net, "10.0.0.2")
    acks = 0

    def fate(data: bytes) -> tuple[float, ...]:
        nonlocal acks
        acks += data.startswith(b"ACK")
        return () if data.startswith(b"ACK") and acks < 4 else (10.0,)

    net.fate = fate
    _, theirs = alice.talk(bob)
    net.run(10_000)
    assert net.labels().count("200 INVITE") == 4
    assert theirs.over is None


async def test_an_answer_without_an_ack_ends_the_call_with_a_bye(net: SimNetwork) -> None:
    alice, bob = Phone(net, "10.0.0.1"), Phone(net, "10.0.0.2")
    net.fate = lambda data: () if data.startswith(b"ACK") else (10.0,)
    alice.talk(bob)
    net.run(40_000)
    assert bob.overs[0][1] == "timeout"
    assert alice.overs[0][1] == "bye"
    assert (alice.core.dialogs, bob.core.dialogs) == (0, 0)


async def test_a_bye_waits_for_the_ack(net: SimNetwork) -> None:
    alice, bob = Phone(net, "10.0.0.1"), Phone(net, "10.0.0.2", answer_ms=None)
    alice.call(bob)
    net.run(50)
    bob.answer(bob.calls[0]).hang_up()
    assert "BYE" not in net.labels()
    net.run(100)
    assert net.labels().index("ACK") < net.labels().index("BYE")


async def test_cancel_before_the_answer(net: SimNetwork) -> None:
    alice, bob = Phone(net, "10.0.0.1"), Phone(net, "10.0.0.2", answer_ms=None)
    call = alice.call(bob)
    net.run(100)
    call.cancel()
    net.run(100)
    assert bob.cancelled == ["cancelled"]
    assert net.labels()[-4:] == ["CANCEL", "200 CANCEL", "487 INVITE", "ACK"]
    with pytest.raises(SipRefused):
        call.result.result()
    bob.calls[0].reject(486)  # too late, and it changes nothing
    assert bob.calls[0].settled


async def test_cancel_waits_for_a_sign_of_life(net: SimNetwork) -> None:
    alice, bob = Phone(net, "10.0.0.1"), Phone(net, "10.0.0.2", answer_ms=None)
    call = alice.call(bob)
    call.cancel()
    assert net.labels() == ["INVITE"]
    net.run(200)
    assert bob.cancelled == ["cancelled"]
    assert call.result.exception() is not None


async def test_an_answer_that_crosses_the_cancel_gets_a_bye(net: SimNetwork) -> None:
    alice, bob = Phone(net, "10.0.0.1"), Phone(net, "10.0.0.2", answer_ms=None)
    call = alice.call(bob)
    net.run(50)
    bob.answer(bob.calls[0])
    call.cancel()  # the 200 is on its way
    net.run(500)
    assert bob.overs[0][1] == "bye"
    assert (alice.core.dialogs, bob.core.dialogs) == (0, 0)
    assert not call.result.done() or call.result.exception() is not None


async def test_refused_and_redirected_calls_say_why(net: SimNetwork) -> None:
    alice, bob = Phone(net, "10.0.0.1"), Phone(net, "10.0.0.2", answer_ms=None)
    first, second = alice.call(bob), alice.call(bob)
    net.run(50)
    bob.calls[0].reject(486)
    bob.calls[1].redirect(SipUri.read("sip:other@10.0.0.7"))
    net.run(50)
    for call, status in ((first, 486), (second, 302)):
        with pytest.raises(SipRefused) as caught:
            call.result.result()
        assert caught.value.status == status
    assert "sip:other@10.0.0.7" in str(second.result.exception())
    assert bob.core.waiting == 0


async def test_a_call_that_the_handler_forgets_ends(net: SimNetwork) -> None:
    alice, bob = Phone(net, "10.0.0.1"), Phone(net, "10.0.0.2", answer_ms=None)
    call = alice.call(bob)
    net.run(200_000)
    assert bob.cancelled == ["timeout"]
    assert net.labels(bob).count("180 INVITE") == 3  # said again each minute
    assert isinstance(call.result.exception(), SipRefused)


async def test_a_delayed_offer_is_ours_and_the_ack_brings_the_answer(net: SimNetwork) -> None:
    raw, bob = Raw(net), Phone(net, "10.0.0.2")
    raw.request(bob, "INVITE")
    net.run(200)
    answer = raw.got[-1]
    assert bob.calls[0].offer is None
    assert read_audio(answer.body) == described("10.0.0.2", 4000)
    tag = bob.dialogs[0].local.tag
    raw.request(bob, "ACK", body=offer("10.0.0.9", 6000), branch="z9hG4bKack", to_tag=tag)
    assert bob.answers == [described("10.0.0.9", 6000)]
    assert bob.dialogs[0].offer == described("10.0.0.9", 6000)
    raw.request(bob, "INVITE", branch="z9hG4bKre", cseq=2, to_tag=tag)  # a re-INVITE may do the same
    raw.request(bob, "ACK", body=offer("10.0.0.9", 6002), branch="z9hG4bKack2", cseq=2, to_tag=tag)
    assert bob.offers == [None]
    assert bob.answers[1].port == 6002


async def test_an_ack_without_the_answer_that_we_need_ends_the_call(net: SimNetwork) -> None:
    raw, bob = Raw(net), Phone(net, "10.0.0.2")
    raw.request(bob, "INVITE")
    net.run(200)
    raw.request(bob, "ACK", branch="z9hG4bKack", to_tag=bob.dialogs[0].local.tag)
    assert bob.overs[0][1] == "refused"
    assert raw.labels()[-1] == "BYE"


async def test_hold_and_resume_by_a_reinvite(net: SimNetwork) -> None:
    alice, bob = Phone(net, "10.0.0.1"), Phone(net, "10.0.0.2")
    mine, theirs = alice.talk(bob)
    task = asyncio.ensure_future(mine.reinvite(offer(port=5002, version=2)))
    await asyncio.sleep(0)
    net.run(100)
    assert await task == described("10.0.0.2", 4000)
    assert bob.offers == [described("10.0.0.1", 5002)]
    assert theirs.offer == described("10.0.0.1", 5002)


async def test_a_refused_reinvite_leaves_the_call_as_it_was(net: SimNetwork) -> None:
    alice, bob = Phone(net, "10.0.0.1"), Phone(net, "10.0.0.2", refuse_offers=True)
    mine, theirs = alice.talk(bob)
    task = asyncio.ensure_future(mine.reinvite(offer(port=5002, version=2)))
    await asyncio.sleep(0)
    net.run(100)
    with pytest.raises(SipRefused):
        await task
    assert (mine.over, theirs.over) == (None, None)
    assert theirs.offer == described("10.0.0.1", 5000)


async def test_two_reinvites_that_cross_are_both_done_in_the_end(net: SimNetwork) -> None:
    alice, bob = Phone(net, "10.0.0.1"), Phone(net, "10.0.0.2")
    mine, theirs = alice.talk(bob)
    tasks = [
        asyncio.ensure_future(mine.reinvite(offer("10.0.0.1", 5002, 2))),
        asyncio.ensure_future(theirs.reinvite(offer("10.0.0.2", 4002, 2))),
    ]
    await asyncio.sleep(0)
    net.run(10_000)
    await asyncio.gather(*tasks)
    assert net.labels().count("491 INVITE") == 2
    assert (mine.over, theirs.over) == (None, None)


async def test_keys_by_info(net: SimNetwork) -> None:
    alice, bob = Phone(net, "10.0.0.1"), Phone(net, "10.0.0.2")
    mine, _ = alice.talk(bob)
    task = asyncio.ensure_future(mine.send_key("#", 250))
    await asyncio.sleep(0)
    net.run(50)
    await task
    assert bob.keys == [("#", 250)]


async def test_a_transfer_that_is_declined_by_default(net: SimNetwork) -> None:
    alice, bob = Phone(net, "10.0.0.1"), Phone(net, "10.0.0.2")
    mine, _ = alice.talk(bob)
    task = asyncio.ensure_future(mine.refer(SipUri.read("sip:z@10.0.0.3"), within_s=5))
    await asyncio.sleep(0)
    net.run(50)
    with pytest.raises(SipRefused) as caught:
        await task
    assert caught.value.status == 603
    assert mine.over is None


@pytest.mark.parametrize(("status", "works"), [(200, True), (486, False)])
async def test_a_transfers_end_comes_by_notify(net: SimNetwork, status: int, works: bool) -> None:
    alice, bob = Phone(net, "10.0.0.1"), Phone(net, "10.0.0.2")
    mine, theirs = alice.talk(bob)
    asked: list[str] = []
    progress: list[int] = []
    theirs.on_refer = lambda uri: asked.append(str(uri))
    mine.on_refer_progress = lambda status, reason: progress.append(status)
    task = asyncio.ensure_future(mine.refer(SipUri.read("sip:z@10.0.0.3;transport=tcp"), within_s=30))
    await asyncio.sleep(0)
    net.run(1000)
    await asyncio.sleep(0)
    assert not task.done()
    theirs.refer_done(status, "Done")
    net.run(100)
    if works:
        await task
    else:
        with pytest.raises(SipRefused):
            await task
    assert asked == ["sip:z@10.0.0.3;transport=tcp"]
    assert progress == [100, status]
    assert mine.over is None


async def test_a_transfer_without_an_end_and_one_whose_call_ends(net: SimNetwork) -> None:
    alice, bob = Phone(net, "10.0.0.1"), Phone(net, "10.0.0.2")
    for ends in (False, True):
        mine, theirs = alice.talk(bob)
        theirs.on_refer = lambda uri: None
        task = asyncio.ensure_future(mine.refer(SipUri.read("sip:z@10.0.0.3"), within_s=20))
        await asyncio.sleep(0)
        net.run(1000)
        await asyncio.sleep(0)
        if ends:
            theirs.hang_up()
            net.run(100)
            await task  # the far end took the transfer, then hung up: it is done
        else:
            net.run(21_000)
            with pytest.raises(SipTimeout):
                await task
            mine.hang_up()
        net.run(100)


async def test_the_session_timer_refreshes_and_then_ends_a_call_without_a_peer(net: SimNetwork) -> None:
    alice = Phone(net, "10.0.0.1", session_expires_s=120)
    bob = Phone(net, "10.0.0.2", session_expires_s=120)
    mine, theirs = alice.talk(bob)
    net.run(300_000)
    assert (mine.over, theirs.over) == (None, None)
    assert net.labels().count("UPDATE") >= 4
    net.fate = lambda data: ()  # the network is gone
    net.run(400_000)
    assert mine.over == "session_expired"
    assert theirs.over in ("timeout", "session_expired")
    assert (len(alice.overs), len(bob.overs)) == (1, 1)
    assert (alice.core.dialogs, bob.core.dialogs) == (0, 0)


async def test_a_session_is_refreshed_by_reinvites_where_the_peer_knows_no_update(net: SimNetwork) -> None:
    raw, bob = Raw(net), Phone(net, "10.0.0.2", session_expires_s=120)
    raw.request(bob, "INVITE", body=offer())
    net.run(200)
    raw.request(bob, "ACK", branch="z9hG4bKack", to_tag=bob.dialogs[0].local.tag)
    net.run(61_000)
    reinvite = raw.got[-1]
    assert isinstance(reinvite, SipRequest)
    assert reinvite.method == "INVITE"
    assert reinvite.headers.get("session-expires") == "120;refresher=uac"
    assert reinvite.body == next(each for each in raw.got if isinstance(each, SipResponse) and each.body).body
    net.run(120_000)  # no answer
    assert bob.overs[0][1] == "timeout"


@pytest.mark.parametrize("where", ["incoming", "on_over", "on_key", "on_reinvite"])
async def test_a_handler_that_fails_costs_its_own_call_at_most(net: SimNetwork, where: str) -> None:
    alice, bob = Phone(net, "10.0.0.1"), Phone(net, "10.0.0.2")

    def fail(*_: object) -> bytes:
        raise ZeroDivisionError

    if where == "incoming":
        bob.incoming = fail  # type: ignore[method-assign,assignment]
        call = alice.call(bob)
        net.run(100)
        assert isinstance(call.result.exception(), SipRefused)
        del bob.incoming
    else:
        mine, theirs = alice.talk(bob)
        setattr(theirs, where, fail)
        tasks = [asyncio.ensure_future(mine.send_key("5")), asyncio.ensure_future(mine.reinvite(offer(version=2)))]
        await asyncio.sleep(0)
        net.run(100)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(results[1], SipRefused) == (where == "on_reinvite")
        mine.hang_up()
        net.run(100)
    assert (alice.core.dialogs, bob.core.dialogs, bob.core.waiting) == (0, 0, 0)
    alice.talk(bob)


async def test_a_password_is_asked_for_and_a_wrong_one_is_refused(net: SimNetwork) -> None:
    alice = Phone(net, "10.0.0.1")
    bob = Phone(net, "10.0.0.2", SipAdmission(lambda host: False, {"bob": "secret"}, algorithms=("SHA-256", "MD5")))
    right = alice.call(bob, credentials=SipCredentials("bob", "secret"))
    wrong = alice.call(bob, credentials=SipCredentials("bob", "guess"))
    none = alice.call(bob)
    net.run(1000)
    assert right.result.result().offer is not None
    assert bob.calls[0].user == "bob"
    for call in (wrong, none):
        with pytest.raises(SipRefused) as caught:
            call.result.result()
        assert caught.value.status == 401
    assert "password" in str(wrong.result.exception())
    assert len(bob.calls) == 1
    answers = [each.message for each in net.sent if each.label == "401 INVITE"]
    assert all(isinstance(each, SipResponse) and len(each.headers.raw("www-authenticate")) == 2 for each in answers)


async def test_a_close_ends_all_calls(net: SimNetwork) -> None:
    alice, bob = Phone(net, "10.0.0.1"), Phone(net, "10.0.0.2")
    alice.talk(bob)
    bob.answer_ms = None
    ringing = alice.call(bob)
    net.run(100)
    bob.core.begin_close()
    net.run(200)
    assert bob.cancelled == ["closed"]
    assert isinstance(ringing.result.exception(), SipRefused)
    assert alice.overs[0][1] == "bye"
    assert bob.core.dialogs == 0
    late = alice.call(bob)
    net.run(100)
    assert isinstance(late.result.exception(), SipRefused)
