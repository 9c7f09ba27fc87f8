"""Calls that come in by SIP, with phones in the same process."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from bargein.errors import UsageError
from bargein.server.sip.door import open_sip
from bargein.server.supervisor.run import supervise
from bargein.sip.errors import SipRefused
from bargein.sip.session_description import AudioDescription, AudioFormat, SrtpKey, read_audio, write_offer
from bargein.sip.settings import SipCredentials
from bargein_bench.callers.caller_audio import PressKey, Step
from bargein_bench.callers.sip_call import SipCaller
from bargein_bench.callers.yielding import audible, score
from tests.server.kit import settings, tone_agent
from tests.server.recorded import lanes, loud_ms
from tests.server.sip.kit import G722, KEYS, PCMA, PCMU, ear, notes, offer, phone, request, sip_world, to_tag
from tests.server.telephone.test_phone_call import at, spoken


async def test_a_caller_is_greeted_and_interrupts_and_the_key_is_heard(tmp_path: Path) -> None:
    async with sip_world(tmp_path, record_audio="on") as here:
        steps: list[Step] = [at(700, spoken("interruption-1.wav")), PressKey(1_900, "5")]
        result = await SipCaller(here.at("tone"), steps, 2_300).run()
        await here.gone()
        (folder,) = tmp_path.iterdir()  # noqa: ASYNC240  # a test's own folder
    told = score(result)
    assert told.faults == {}
    assert told.closed_by == "us"
    (stopped,) = told.yields
    assert stopped.stop_ms is not None
    assert "KeyPressed" in (folder / "events.jsonl").read_text()
    user, agent, rate = lanes(folder)
    assert rate == 8_000
    heard_ms = int(audible(result.telephone.signal()[: result.lasted]).sum())
    assert loud_ms(agent, rate, 200) == pytest.approx(heard_ms, abs=200), "what the phone heard, and no more"
    assert loud_ms(user, rate) > 300
    (facts,) = notes(folder, "call")
    assert {facts["transport"], facts["codec"]} == {"sip", "PCMU"}
    assert notes(folder, "bye") == [{"reason": "bye"}]


@pytest.mark.parametrize(("formats", "codec"), [((PCMU,), "PCMU"), ((PCMA, PCMU), "PCMA"), ((G722, PCMU), "G722")])
async def test_the_first_codec_that_both_know_is_taken(formats: tuple[AudioFormat, ...], codec: str) -> None:
    unknown = AudioFormat("OPUS", 48_000, 96, 2)
    async with sip_world() as here, phone() as caller:
        dialog = await caller.agent.invite(here.uri, offer(unknown, *formats, KEYS))
        assert dialog.offer is not None
        assert [each.name for each in dialog.offer.formats] == [codec, "telephone-event"]
        (call_id,) = await here.started()
        await dialog.bye()
        await here.gone()
        assert here.over(call_id) == "bye"


async def test_no_common_codec_is_488_and_leaves_nothing() -> None:
    async with sip_world() as here, phone() as caller:
        with pytest.raises(SipRefused) as caught:
            await caller.agent.invite(here.uri, offer(AudioFormat("OPUS", 48_000, 96, 2), KEYS))
        assert caught.value.status == 488
        await here.gone()


async def test_a_far_end_that_moves_is_followed_and_our_own_place_stays() -> None:
    async with sip_world() as here, phone() as caller, ear() as first, ear() as second:
        dialog = await caller.agent.invite(here.uri, offer(port=first.port))
        ours = dialog.offer
        await asyncio.sleep(0.2)
        again = await dialog.reinvite(offer(port=second.port, version=2))
        assert ours is not None
        assert again.port == ours.port
        await asyncio.sleep(0.2)
        assert first.loud > 2
        assert second.loud > 2
        await dialog.bye()
        await here.gone()


async def test_a_caller_without_an_offer_gets_ours() -> None:
    """Delayed offer: our 200 carries the offer, the ACK the answer."""
    async with sip_world() as here, ear() as raw:
        place = (here.uri.host, here.uri.port or 0)
        raw.send(request("INVITE", here.uri, raw.port), place)
        accepted = await raw.until("200")
        offered = read_audio(accepted.partition("\r\n\r\n")[2].encode())
        assert [each.name for each in offered.formats] == ["G722", "PCMU", "PCMA", "telephone-event"]
        assert here.here.hub.calls.ids == [], "nobody can be greeted yet"
        raw.send(request("ACK", here.uri, raw.port, to_tag=to_tag(accepted), body=offer(PCMA, KEYS)), place)
        (call_id,) = await here.started()
        assert here.here.hub.calls.status(call_id)["facts"]["codec"] == "PCMA"  # type: ignore[index]
        await here.here.http.post(f"/calls/{call_id}/hangup")
        await here.gone()


async def test_a_caller_who_hangs_up_instead_of_answering_our_offer_leaves_nothing() -> None:
    async with sip_world() as here, ear() as raw:
        place = (here.uri.host, here.uri.port or 0)
        raw.send(request("INVITE", here.uri, raw.port), place)
        accepted = await raw.until("200")
        assert here.door.ports_taken == 1
        raw.send(request("BYE", here.uri, raw.port, to_tag=to_tag(accepted)), place)
        await here.gone()


async def test_the_far_end_holds_and_resumes_and_no_audio_leaves_meanwhile() -> None:
    async with sip_world() as here, phone() as caller, ear() as heard:
        dialog = await caller.agent.invite(here.uri, offer(port=heard.port))
        (call_id,) = await here.started()
        await asyncio.sleep(0.3)
        assert heard.loud > 2
        held = await dialog.reinvite(offer(direction="sendonly", port=heard.port, version=2))
        assert held.direction == "recvonly"
        before = heard.loud
        await asyncio.sleep(0.3)
        assert heard.loud <= before + 1, "one may have been on its way"
        back = await dialog.reinvite(offer(port=heard.port, version=3))
        assert back.direction == "sendrecv"
        assert here.here.hub.calls.is_live(call_id)
        await dialog.bye()
        await here.gone()


async def test_a_new_codec_of_the_same_rate_is_taken_and_one_of_another_rate_is_refused() -> None:
    async with sip_world() as here, phone() as caller:
        dialog = await caller.agent.invite(here.uri, offer(PCMU, PCMA, KEYS))
        changed = await dialog.reinvite(offer(PCMA, KEYS, version=2))
        assert [each.name for each in changed.formats] == ["PCMA", "telephone-event"]
        with pytest.raises(SipRefused) as caught:
            await dialog.reinvite(offer(G722, version=3))
        assert caught.value.status == 488
        assert len(here.here.hub.calls.ids) == 1, "the call goes on as it was"
        await dialog.bye()
        await here.gone()


async def test_the_called_user_chooses_the_agent_and_a_header_goes_before_it() -> None:
    agents = (tone_agent("first"), tone_agent("second"), tone_agent("third"))
    async with sip_world(None, *agents) as here, phone() as caller:
        found = []
        for user, headers in (("second", {}), ("+4930123", {}), ("second", {"x-bargein-agent": "third"})):
            dialog = await caller.agent.invite(here.at(user), offer(), headers=headers)
            (call_id,) = await here.started()
            found.append(here.here.hub.calls.status(call_id)["agent"])
            await dialog.bye()
            await here.gone()
        assert found == ["second", "first", "third"]


async def test_a_server_without_room_is_busy_and_one_that_drains_is_unavailable() -> None:
    async with sip_world(max_calls=1) as here, phone() as caller:
        dialog = await caller.agent.invite(here.uri, offer())
        await here.started()
        with pytest.raises(SipRefused) as caught:
            await caller.agent.invite(here.uri, offer())
        assert caught.value.status == 486
        here.here.hub.drain.begin(move=False)
        await asyncio.sleep(0)
        with pytest.raises(SipRefused) as caught:
            await caller.agent.invite(here.uri, offer())
        assert caught.value.status == 503
        await dialog.bye()
        await here.gone()


async def test_a_password_is_asked_for_and_a_wrong_one_is_refused() -> None:
    async with sip_world(sip_users="anna:long-enough") as here, phone() as caller:
        with pytest.raises(SipRefused) as caught:
            await caller.agent.invite(here.uri, offer())
        assert caught.value.status == 401
        with pytest.raises(SipRefused) as caught:
            await caller.agent.invite(here.uri, offer(), credentials=SipCredentials("anna", "wrong-one"))
        assert caught.value.status in (401, 403)
        assert here.here.hub.calls.taken == 0
        right = SipCredentials("anna", "long-enough")
        dialog = await caller.agent.invite(here.uri, offer(), credentials=right)
        (call_id,) = await here.started()
        assert here.here.hub.calls.status(call_id)["facts"]["user"] == "anna"  # type: ignore[index]
        await dialog.bye()
        await here.gone()


async def test_a_call_that_is_cancelled_before_its_answer_leaves_nothing() -> None:
    async with sip_world() as here, phone() as caller:
        calling = asyncio.create_task(caller.agent.invite(here.uri, offer()))
        await asyncio.sleep(0)
        calling.cancel()
        await asyncio.wait([calling])
        await here.gone()


async def test_a_bye_in_a_cut_ends_this_call_and_no_other() -> None:
    async with sip_world() as here, phone() as caller:
        staying = await caller.agent.invite(here.uri, offer())
        leaving = await caller.agent.invite(here.uri, offer(port=40_010))
        ids = await here.started(2)
        await asyncio.sleep(0.3)  # the greetings sound
        going = next(i for i in ids if here.here.hub.calls.status(i)["facts"]["phone_call"] == leaving.id)  # type: ignore[index]
        here.here.hub.calls.call(going).interrupt("operator")
        await leaving.bye()
        async with asyncio.timeout(5):
            while here.here.hub.calls.is_live(going):  # noqa: ASYNC110  # a test may look
                await asyncio.sleep(0.01)
        assert here.over(going) == "bye"
        assert len(here.here.hub.calls.ids) == 1
        await staying.bye()
        await here.gone()


async def test_the_servers_end_says_bye_to_every_phone() -> None:
    async with phone() as caller:
        async with sip_world() as here:
            dialog = await caller.agent.invite(here.uri, offer())
            over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            dialog.on_over = over.set_result
            await here.started()
        assert await over == "bye"


async def test_keys_by_info_and_keys_that_we_send() -> None:
    async with sip_world() as here, phone() as caller:
        dialog = await caller.agent.invite(here.uri, offer())
        (call_id,) = await here.started()
        await dialog.send_key("7")
        told = await here.here.http.post(f"/calls/{call_id}/keys", json={"keys": "12#"})
        assert told.status_code == 202
        wrong = await here.here.http.post(f"/calls/{call_id}/keys", json={"keys": "x"})
        assert wrong.status_code == 422
        await dialog.bye()
        await here.gone()


async def test_no_private_number_is_in_the_record(tmp_path: Path) -> None:
    async with sip_world(tmp_path, private_numbers=True) as here:
        result = await SipCaller(here.at("4930123456"), [], 300).run()
        assert result.closed_by == "us"
        await here.gone()
    text = "".join(each.read_text() for each in tmp_path.rglob("events.jsonl"))  # noqa: ASYNC240  # a test's own folder
    assert '"note":"call"' in text
    assert "4930123456" not in text


async def test_a_resumed_reply_loses_and_repeats_nothing() -> None:
    """A held greeting goes on with the very sample at which it stopped."""
    words = "one two three four five six seven eight nine ten"
    cough = spoken("cough-3.wav")
    async with sip_world(None, tone_agent(greeting=words)) as here:
        calls = (SipCaller(here.uri, [at(400, cough)], 1_900), SipCaller(here.uri, [], 1_400))
        result, undisturbed = await asyncio.gather(*(each.run() for each in calls))
        await here.gone()
    reference = undisturbed.telephone.signal()
    heard = result.telephone.signal()
    loud, whole = np.flatnonzero(audible(heard)), np.flatnonzero(audible(reference))
    assert loud[-1] - loud[0] > whole[-1] - whole[0], "it was held"
    assert int(np.count_nonzero(heard)) == pytest.approx(int(np.count_nonzero(reference)), abs=2)


async def test_a_sealed_offer_gets_a_sealed_answer_with_a_key_of_ours() -> None:
    key = SrtpKey(3, "AES_CM_128_HMAC_SHA1_80", bytes(range(30)))
    offered = AudioDescription("127.0.0.1", 40_000, (PCMU, KEYS), srtp=key)
    async with sip_world() as here, phone() as caller, ear() as heard:
        dialog = await caller.agent.invite(
            here.uri, write_offer(replace(offered, port=heard.port), session=7, version=1)
        )
        assert dialog.offer is not None
        assert dialog.offer.srtp is not None
        assert (dialog.offer.srtp.tag, dialog.offer.srtp.suite) == (3, key.suite)
        assert dialog.offer.srtp.key != key.key
        (call_id,) = await here.started()
        assert here.here.hub.calls.status(call_id)["facts"]["codec"] == "PCMU sealed"  # type: ignore[index]
        await asyncio.sleep(0.2)
        assert heard.packets
        assert all(len(each) == 12 + 160 + 10 for each in heard.packets if each[1] & 0x7F == 0), "with a tag"
        with pytest.raises(SipRefused) as caught:
            await dialog.reinvite(offer(port=heard.port, version=2))
        assert caught.value.status == 488, "a sealed call is never opened"
        await dialog.bye()
        await here.gone()


async def test_an_address_that_is_taken_is_told_at_the_start() -> None:
    async with sip_world() as here:
        other = replace(here.here.hub, settings=settings(None, sip=f"127.0.0.1:{here.uri.port}"))
        with pytest.raises(UsageError) as caught:
            async with open_sip(other):
                pass
        assert "--sip" in caught.value.advice


def test_several_workers_are_refused_with_advice() -> None:
    chosen = settings(None, sip="127.0.0.1:0", workers=2)
    with pytest.raises(UsageError) as caught:
        supervise(chosen, Console())
    assert "one worker" in caught.value.advice
