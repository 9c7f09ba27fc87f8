"""A call by WebRTC with a real server: greeted, interrupted by speech, held and cut; and all that goes wrong."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import httpx
import numpy as np
import pytest

from bargein.audio.resample import resample
from bargein.server.settings import Settings
from bargein.server.webrtc.calls import OPENING_EACH
from bargein.server.webrtc.doctor import webrtc_finding
from bargein.server.webrtc.turn import ice_servers
from bargein.transports.rtp.packets import RtpPacket, write_packet
from bargein.transports.webrtc.opus import OpusDecoder
from bargein.transports.webrtc.peer import WebRTCPeer
from bargein.vendors.local.espeak import say
from tests.server.kit import HELLO, TOKEN, settings, tone_agent, world
from tests.server.recorded import lanes, loud_ms
from tests.server.webrtc.client import called, header_of, offered, plainly_called

GREETING = "one two three four five six seven eight nine ten " * 4


async def test_a_page_is_greeted_hears_every_frame_at_its_place_and_is_held_and_cut(tmp_path: Path) -> None:
    async with world(settings(tmp_path, record_audio="on"), tone_agent(greeting=GREETING), alone=False) as here:
        async with called(here.url.removeprefix("http://")) as client:
            welcome = await client.until("welcome")
            reply = (await client.until("reply"))["reply_id"]
            headers = [header_of(await client.packet()) for _ in range(10)]
            assert [h[3] for h in headers] == [reply] * 10
            assert [h[4] for h in headers] == list(range(10))
            assert [h[5] for h in headers] == [480 * n for n in range(10)]
            client.send({"type": "played", "reply_id": reply, "played": 2400, "playing": True})
            words, _ = await say("Wait, stop. I have a question.")
            client.microphone.say(resample(words, 48_000).samples)
            hold = await client.until("hold")
            assert hold["reply_id"] == reply
            client.send({"type": "held", "reply_id": reply, "played": 3000})
            # A packet says the same, three times.
            flags = [header_of(packet)[1] for packet in client.packets]
            while flags.count(2) < 3:
                flags.append(header_of(await client.packet())[1])
            cut = await client.until("audio_interrupted")
            assert cut["reply_id"] == reply
            client.send({"type": "flushed", "reply_id": reply, "played": 3000})
            client.send({"type": "ping", "n": 4})
            await client.until("pong", n=4)
            client.send({"type": "hangup"})
            await client.until("bye")
        assert await here.nobody_left()
        assert here.hub.calls.status(str(welcome["call_id"]))["over"] == "the client hung up"
        assert await here.hub.audio_disk.reached(5)
        user, agent, rate = lanes(tmp_path / str(welcome["call_id"]))
        assert loud_ms(agent, rate) == pytest.approx(3000 / 24, abs=20), "as far as the page says"
        assert loud_ms(user, rate, 500) > 200


async def test_a_page_whose_connection_is_lost_comes_back_by_a_websocket() -> None:
    async with world(None, tone_agent(greeting=GREETING), alone=False) as here:
        async with called(here.url.removeprefix("http://")) as client:
            welcome = await client.until("welcome")
            await client.until("reply")
        wish = {"resume": {"call_id": welcome["call_id"], "secret": welcome["resume"]}}
        async with here.client({}) as page:
            await page.send(HELLO | wish)
            again = await page.until("welcome")
            assert again["call_id"] == welcome["call_id"]
            assert again["resumed"] is True


async def test_a_client_without_a_data_channel_is_greeted_held_and_hung_up() -> None:
    async with world(None, tone_agent(), tone_agent("other", greeting=GREETING), alone=False) as here:
        async with plainly_called(here.url.removeprefix("http://"), "?agent=other") as client:
            decoder = OpusDecoder()
            levels: list[float] = []
            while len(levels) < 30 or max(levels[-10:]) < 1000:
                levels.append(float(np.abs(decoder.decode((await client.packet()).payload)).max()))
            (call_id,) = here.hub.calls.ids
            words, _ = await say("Wait, stop. I have a question.")
            client.microphone.say(resample(words, 48_000).samples)
            while max(levels[-10:]) > 100:
                levels.append(float(np.abs(decoder.decode((await client.packet()).payload)).max()))
            stamps = [packet.stamp for packet in client.packets]
            assert {b - a for a, b in pairwise(stamps)} <= {960}
            assert (await here.http.delete(f"/webrtc/{client.answer['id']}")).status_code == 204
            assert await here.nobody_left()
        status = here.hub.calls.status(call_id)
        assert (status["agent"], status["over"]) == ("other", "the client closed the connection")


async def test_a_goodbye_by_the_address_ends_the_call() -> None:
    async with world(None, tone_agent(greeting=GREETING), alone=False) as here:
        async with called(here.url.removeprefix("http://")) as client:
            welcome = await client.until("welcome")
            address = f"/webrtc/{client.answer['id']}"
            assert (await here.http.delete(address)).status_code == 204
            assert await here.nobody_left()
            assert (await here.http.delete(address)).status_code == 204
        assert here.hub.calls.status(str(welcome["call_id"]))["over"] == "the client closed the connection"


async def test_offers_that_cannot_be_taken_are_refused_in_words_and_leave_nothing() -> None:
    async with world(alone=False) as here:
        tasks = len(asyncio.all_tasks())
        for body, status, code in (
            ({"sdp": "v=0", "type": "answer"}, 422, "bad_offer"),
            ({"sdp": 7, "type": "offer"}, 422, "bad_offer"),
            ({"sdp": "v=0\r\nnonsense", "type": "offer"}, 422, None),
            ({"sdp": "v=0" + "x" * 70_000, "type": "offer"}, 413, "too_large"),
            ([], 422, "bad_offer"),
        ):
            answer = await here.http.post("/webrtc/offer", json=body)
            assert answer.status_code == status, answer.text
            assert code is None or answer.json()["error"]["code"] == code
        for channel in (True, False):
            client = await offered(audio=False, channel=channel)
            answer = await here.http.post(
                "/webrtc/offer",
                content=client.peer.localDescription.sdp,
                headers={"content-type": "application/sdp"},
            )
            assert (answer.status_code, answer.json()["error"]["code"]) == (422, "no_audio")
            await client.peer.close()
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) <= tasks + 1
        assert (await here.http.patch("/webrtc/anything")).status_code == 405


async def test_connections_that_never_open_are_bounded_and_end() -> None:
    async with world(alone=False) as here:
        door = here.server.config.app.state.webrtc  # type: ignore[union-attr]
        door._limits = type(door._limits)(open_ms=600)
        client = await offered()
        body = {"sdp": client.peer.localDescription.sdp, "type": "offer"}
        answers = [await here.http.post("/webrtc/offer", json=body) for _ in range(OPENING_EACH + 1)]
        assert [a.status_code for a in answers] == [201] * OPENING_EACH + [429]
        async with asyncio.timeout(5):
            while len(door):  # noqa: ASYNC110  # a test may look
                await asyncio.sleep(0.02)
        assert (await here.http.post("/webrtc/offer", json=body)).status_code == 201
        await client.peer.close()


async def test_a_stranger_without_the_token_and_a_foreign_page_are_refused() -> None:
    async with world(settings(token=TOKEN), alone=False) as here:
        assert (await here.http.post("/webrtc/offer", json={})).status_code == 401
        assert (await here.http.get("/webrtc/config")).status_code == 401
        foreign = {"origin": "https://elsewhere.example", "authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(base_url=here.url, headers=foreign) as http:
            assert (await http.post("/webrtc/offer", json={})).status_code == 403


def test_turn_names_and_passwords_are_made_for_an_hour_of_the_shared_secret() -> None:
    chosen = Settings(ice_servers=("stun:a.example:3478", "turn:b.example:3478"), turn_secret="sesame")  # type: ignore[arg-type]

    stun, turn = ice_servers(chosen, now_s=1_000_000)

    assert (stun.urls, stun.username, stun.credential) == (("stun:a.example:3478",), None, None)
    assert turn.username is not None
    assert turn.username.startswith("1003600:")
    assert turn.credential not in (None, "sesame")
    with pytest.raises(ValueError, match="no STUN or TURN"):
        Settings(ice_servers=("http://a.example",))


async def test_a_client_that_changes_its_source_all_the_time_grows_nothing() -> None:
    peer = WebRTCPeer()
    other = WebRTCPeer()
    await other.accept(await peer.answer(await other.offer()))
    came: list[RtpPacket] = []
    peer.on_packet = came.append
    for source in range(1000):
        packet = write_packet(peer.payload, source, 960 * source, source, b"\xf8\xff\xfe", marker=False)
        await peer._take_packet(packet, 0)
    assert len(came) == 1000
    assert len(peer._receiver._RTCRtpReceiver__remote_streams) <= 4
    await peer.close()
    await other.close()


async def test_the_doctor_tells_the_addresses_and_a_stun_server_that_is_silent() -> None:
    found = await webrtc_finding(settings())
    assert (found.what, found.state) == ("WebRTC", "works")
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"stun:127.0.0.1:{silent.getsockname()[1]}"
        found = await webrtc_finding(settings(ice_servers=(url,)))
    assert found.state == "fails"
    assert "BARGEIN_ICE_SERVERS" in found.advice
