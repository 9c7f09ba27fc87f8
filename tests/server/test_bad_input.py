"""What a client may do wrong: it gets a typed error where one can be sent, its call goes on where it can, and no
other call notices."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bargein.transports.browser.limits import BrowserLimits
from tests.server.kit import HEADER, HELLO, Client, World, settings, tone_agent, world

QUICK = BrowserLimits(hello_ms=300, unread_ms=700)
STRICT = BrowserLimits(messages=100, burst=50, flood=600)  # a busy machine may not take 2000 messages a second at all


@pytest_asyncio.fixture
async def here() -> AsyncIterator[World]:
    async with world(settings(keep_s=0), tone_agent(), limits=QUICK) as made:
        yield made


@pytest_asyncio.fixture
async def neighbour(here: World) -> AsyncIterator[Client]:
    """Another call, with an agent that speaks the whole time; in the end it must never have been disturbed."""
    async with here.client() as client:
        reply = await client.speaking()
        yield client
        assert await client.still_there()
        assert all(HEADER.unpack_from(frame)[3] == reply for frame in client.frames)
        firsts = [HEADER.unpack_from(frame)[4] for frame in client.frames]
        assert firsts == list(range(len(firsts)))
        assert not [m for m in client.messages if m["type"] in ("error", "bye", "audio_interrupted")]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("{not json", "bad_json"),
        ("", "bad_json"),
        ('"\\ud800"', "bad_json"),
        ("[1, 2]", "bad_message"),
        ("{}", "bad_message"),
        ('{"type": "sing"}', "unknown_type"),
        ('{"type": 7}', "bad_message"),
        ('{"type": "ping", "n": "seven"}', "bad_message"),
        ('{"type": "ping", "n": 1e400}', "bad_message"),
        ('{"type": "say", "text": 5}', "bad_message"),
        ('{"type": "say", "text": "   "}', "bad_message"),
        ('{"type": "say"}', "bad_message"),
        ('{"type": "played", "reply_id": -1, "played": 0, "playing": true}', "bad_message"),
        ('{"type": "played", "reply_id": 99, "played": 0, "playing": true}', "unknown_reply"),
        ('{"type": "flushed", "reply_id": 0, "played": 0}', "unknown_reply"),
        ('{"type": "local_hold", "reply_id": 5, "played": 1, "level_db": -20, "age_ms": 5}', "unknown_reply"),
        ('{"type": "audio_chunk", "audio_data": "***"}', "bad_audio"),
        ('{"type": "audio_chunk", "audio_data": "YWJj"}', "bad_audio"),
        ('{"type": "audio_chunk", "audio_data": ""}', "bad_audio"),
        ('{"type": "settings", "policy": "eager"}', "bad_settings"),
        ('{"type": "settings", "settings": {"confirm_ms": "soon"}}', "bad_settings"),
        ('{"type": "settings", "settings": {"no_such_number": 1}}', "bad_settings"),
        ('{"type": "settings", "settings": {"confirm_ms": {"a": 1}}}', "bad_message"),
        ('{"type": "ping", "n": 1, "x": ' + "[" * 5000 + "]" * 5000 + "}", "bad_json"),
        (json.dumps(HELLO), "hello_again"),
        (b"", "bad_frame"),
        (b"\x01\x00", "bad_frame"),
        (HEADER.pack(2, 0, 0, 0, 0, 0) + b"\0\0", "bad_frame"),
        (HEADER.pack(1, 1, 0, 0, 0, 0) + b"\0\0", "bad_frame"),
        (HEADER.pack(1, 0, 0, 3, 0, 0) + b"\0\0", "bad_frame"),
        (HEADER.pack(1, 0, 0, 0, 0, 0) + b"\0\0\0", "bad_audio"),
        (HEADER.pack(1, 0, 0, 0, 0, 0), "bad_audio"),
        (HEADER.pack(1, 0, 0, 0, 0, 10_000_000) + b"\0\0", "audio_ahead"),
    ],
)
async def test_nonsense_gets_its_code_and_the_call_goes_on(
    here: World, neighbour: Client, sent: str | bytes, code: str
) -> None:
    async with here.client() as client:
        await client.socket.send(sent)
        error = await client.until("error")
        assert error["code"] == code
        assert error["fatal"] is False
        assert error["advice"]
        assert await client.still_there()
    assert neighbour.socket.close_code is None


async def test_audio_before_hello_is_refused_and_hello_then_works(here: World) -> None:
    async with here.client({}) as client:
        await client.audio()
        assert await client.error() == "hello_first"
        await client.send({"type": "ping", "n": 1})
        assert await client.error() == "hello_first"
        await client.send(HELLO)
        assert (await client.until("welcome"))["rate_in"] == 16_000


async def test_a_hello_that_asks_for_what_is_not_there_may_be_followed_by_another(here: World) -> None:
    async with here.client({}) as client:
        for bad, code in (
            ({"agent": "nobody"}, "unknown_agent"),
            ({"policy": "eager"}, "bad_settings"),
            ({"settings": {"confirm_ms": -1}}, "bad_settings"),
            ({"protocol": "bargein.v9"}, "bad_message"),
        ):
            await client.send(HELLO | bad)
            assert await client.error() == code
        await client.send(HELLO | {"policy": "patient", "settings": {"confirm_ms": 444}, "language": "de"})
        policy = (await client.until("welcome"))["policy"]
        assert isinstance(policy, dict)
        assert (policy["preset"], policy["confirm_ms"], policy["language"]) == ("patient", 444, "de")


async def test_who_says_no_hello_is_sent_away(here: World) -> None:
    async with here.client({}) as client:
        assert await client.closed() == 1002
    assert await here.nobody_left()


async def test_a_step_back_of_the_microphone_is_dropped_and_a_small_gap_is_silence(here: World) -> None:
    async with here.client() as client:
        await client.audio()
        await client.audio(first=160)
        assert await client.error() == "audio_back"
        await client.audio(first=4000)
        assert await client.still_there()
        assert client.messages[-1]["type"] == "pong"


async def test_audio_may_come_as_json(here: World) -> None:
    async with here.client() as client:
        chunk = base64.b64encode(bytes(640)).decode()
        await client.send({"type": "audio_chunk", "audio_data": chunk, "chunk_id": 0, "timestamp": 1.5})
        assert await client.still_there()
        assert not [m for m in client.messages if m["type"] == "error"]


async def test_more_audio_than_time_is_dropped(here: World) -> None:
    async with here.client() as client:
        for _ in range(40):
            await client.audio(1600)
        assert await client.error() == "audio_ahead"
        assert await client.still_there()


async def test_a_huge_message_closes_its_socket_and_no_other(here: World, neighbour: Client) -> None:
    async with here.client() as client:
        await client.socket.send(b"\x01" * (65 * 1024))
        assert await client.closed() == 1009
    assert await neighbour.still_there()


async def test_who_sends_too_fast_is_told_and_who_floods_is_closed() -> None:
    ping = b'{"type":"ping","n":1}'
    pings = bytes([0x81, 0x80 | len(ping)]) + bytes(4) + ping
    async with world(None, tone_agent(), limits=STRICT) as here, here.client() as neighbour:
        await neighbour.speaking()
        async with here.client() as client:
            client.socket.transport.write(pings * 200)
            assert await client.error() == "too_fast"
            await asyncio.sleep(0.1)  # ten messages' time
            assert await client.still_there()
            client.socket.transport.write(pings * 5000)
            assert await client.closed(20) == 1008
        assert await neighbour.still_there()


async def test_a_client_that_stops_reading_is_let_go_and_nobody_waits_for_it(here: World, neighbour: Client) -> None:
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.setblocking(False)
    host, port = here.url.removeprefix("http://").split(":")
    await asyncio.get_running_loop().sock_connect(deaf, (host, int(port)))
    async with here.client(sock=deaf, max_queue=1, ping_interval=None, close_timeout=0.1) as client:
        # Each change of settings is told in full: hundreds of KB, of which it takes none.
        for _ in range(150):
            await client.send({"type": "settings", "settings": {"backchannels": ["word" * 10] * 100}})
        assert await here.over(client, 10) == "the client does not read"
    assert await neighbour.still_there()


async def test_a_socket_cut_in_the_middle_of_a_frame_ends_its_call_and_nothing_else(
    here: World, neighbour: Client
) -> None:
    async with here.client() as client:
        await client.speaking()
        transport = client.socket.transport
        transport.write(b"\x82\xfe\x02\x90" + bytes(40))  # a frame of 656 bytes, of which 36 come
        transport.abort()
        assert await here.over(client)
    assert await neighbour.still_there()


async def test_a_text_frame_that_is_no_utf8_ends_its_call_and_nothing_else(here: World, neighbour: Client) -> None:
    async with here.client() as client:
        client.socket.transport.write(b"\x81\x82\0\0\0\0\xff\xfe")
        assert await client.closed() in (1002, 1006, 1007)
    assert await neighbour.still_there()


async def test_a_full_server_says_so_and_takes_the_next_when_one_has_gone() -> None:

    async with world(settings(max_calls=1)) as here:
        async with here.client(), here.client({}) as second:
            await second.send(HELLO)
            error = await second.until("error")
            assert (error["code"], error["fatal"]) == ("busy", True)
            assert await second.closed() == 1013
        assert await here.nobody_left()
        async with here.client() as third:
            assert await third.still_there()
