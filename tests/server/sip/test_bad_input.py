"""What strangers and broken phones send to the SIP door: other calls go on, and nothing is left behind."""

from __future__ import annotations

import asyncio

import pytest

from bargein.sip.errors import SipRefused
from tests.server.sip.kit import SipWorld, ear, offer, phone, request, sip_world

BODIES = (
    b"",
    b"\x00" * 200,
    b"hello\r\n\r\n",
    b"INVITE sip:x SIP/2.0\r\n\r\n",
    b"INVITE sip:x@y SIP/2.0\r\nVia: ;;;\r\nContent-Length: 99999999\r\n\r\n",
    b"SIP/2.0 200 OK\r\n\r\n",
)
DESCRIPTIONS = (
    b"v=0\r\n",
    b"not sdp at all",
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 4000 RTP/AVP 96\r\n",
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 example.com\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n",
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 99999 RTP/AVP 0\r\n",
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n",
    b"v=0\r\n" + b"m=audio 4000 RTP/AVP 0\r\n" * 40,
)


async def neighbour(here: SipWorld) -> None:
    """A call of somebody else's works as ever."""
    async with phone() as other, ear() as heard:
        dialog = await other.agent.invite(here.uri, offer(port=heard.port))
        await asyncio.sleep(0.2)
        assert heard.loud > 2
        await dialog.bye()
    await here.gone()


async def test_malformed_messages_and_descriptions_harm_nobody() -> None:
    async with sip_world() as here, ear() as raw:
        place = (here.uri.host, here.uri.port or 0)
        for body in BODIES:
            raw.send(body, place)
        for number, sdp in enumerate(DESCRIPTIONS):
            raw.send(request("INVITE", here.uri, raw.port, call=f"bad{number}", body=sdp), place)
            answer = await raw.until("4")
            assert answer.split()[1] in ("400", "488"), answer
        await neighbour(here)


async def test_a_flood_of_invites_takes_no_more_than_the_servers_places() -> None:
    async with sip_world(max_calls=4) as here, ear() as raw:
        place = (here.uri.host, here.uri.port or 0)
        raw.acknowledges = True
        for number in range(60):
            raw.send(request("INVITE", here.uri, raw.port, call=f"flood{number}", body=offer()), place)
            raw.send(request("REGISTER", here.uri, raw.port, call=f"register{number}"), place)
        async with asyncio.timeout(5):
            while here.here.hub.calls.taken < 4:  # noqa: ASYNC110  # a test may look
                await asyncio.sleep(0.01)
        assert here.here.hub.calls.taken <= 4
        assert here.door.ports_taken <= 4
        assert (await here.here.http.get("/healthz")).status_code == 200
        async with asyncio.timeout(8):
            while here.here.hub.calls.taken:  # what waited in the socket takes the places that become free
                for call_id in here.here.hub.calls.ids:
                    await here.here.http.post(f"/calls/{call_id}/hangup")
                await asyncio.sleep(0.01)
        await here.gone()
        await neighbour(here)


async def test_audio_from_another_address_is_not_heard() -> None:
    async with sip_world() as here, phone() as caller, ear() as heard, ear() as stranger:
        dialog = await caller.agent.invite(here.uri, offer(port=heard.port))
        (call_id,) = await here.started()
        assert dialog.offer is not None
        place = (dialog.offer.host, dialog.offer.port)
        for sequence in range(20):
            heard.send(
                b"\x80\x00"
                + sequence.to_bytes(2, "big")
                + (sequence * 160).to_bytes(4, "big")
                + b"same"
                + b"\xff" * 160,
                place,
            )
            stranger.send(b"\x80\x00" + sequence.to_bytes(2, "big") + bytes(8) + b"\x00" * 160, place)
            stranger.send(b"garbage", place)
            await asyncio.sleep(0.02)
        assert stranger.loud == 0
        assert heard.loud > 5
        assert here.here.hub.calls.is_live(call_id)
        await dialog.bye()
        await here.gone()


async def test_a_reinvite_that_is_no_good_leaves_the_call_as_it_was() -> None:
    async with sip_world() as here, phone() as caller, ear() as heard:
        dialog = await caller.agent.invite(here.uri, offer(port=heard.port))
        await here.started()
        with pytest.raises(SipRefused):
            await dialog.reinvite(DESCRIPTIONS[3])
        before = heard.loud
        await asyncio.sleep(0.2)
        assert heard.loud > before
        await dialog.bye()
        await here.gone()


async def test_no_free_port_is_an_answer_and_no_crash() -> None:
    from benchmarks.baresip import free_udp_port  # noqa: PLC0415

    low = free_udp_port() // 2 * 2
    async with sip_world(rtp_ports=f"{low}-{low + 1}") as here, phone() as caller:
        dialog = await caller.agent.invite(here.uri, offer())
        with pytest.raises(SipRefused) as caught:
            await caller.agent.invite(here.uri, offer())
        assert caught.value.status == 503
        await dialog.bye()
        await here.gone()
        again = await caller.agent.invite(here.uri, offer())
        await again.bye()
        await here.gone()
