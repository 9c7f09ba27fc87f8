"""A page and a telephone that lose their connection find their call again, over real sockets; and strangers do not."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed

from bargein import protocols as c
from bargein.server import serve
from tests.attack.raw_socket import END, PING, PONG, frame
from tests.server.kit import HELLO, Client, World, settings, tone_agent, world
from tests.server.telephone.test_twilio import answered, guarded, stream
from tests.transports.telephone.simulated_stream import VendorMessages
from tests.transports.telephone.test_plivo import Plivo
from tests.transports.telephone.test_telnyx import START as TELNYX_START
from tests.transports.telephone.test_telnyx import Telnyx
from tests.transports.telephone.test_vonage import Vonage

GREETING = "one two three four five six seven eight nine ten " * 6
BACK = "Sorry, we were cut off."


@pytest.fixture(params=["picows", "asgi"])
def either_socket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(serve, "FAST", request.param == "picows")
    return str(request.param)


def greetings(here: World) -> list[str]:
    """What every live call's agent has said, one line a reply."""
    (call_id,) = here.hub.calls.ids
    items = here.hub.calls.call(call_id).conversation.items
    return [item.text for item in items if isinstance(item, c.AgentSaid)]


async def lost(client: Client) -> dict[str, object]:
    """The client's network breaks. Returns how it takes the call up again."""
    client.socket.transport.abort()
    welcome = next(m for m in reversed(client.messages) if m["type"] == "welcome")
    return {"resume": {"call_id": welcome["call_id"], "secret": welcome["resume"]}}


def telnyx(codec: str, rate: int) -> str:
    """The start of a stream of one and the same Telnyx call, in that form."""
    return TELNYX_START.replace("PCMU", codec).replace("8000", str(rate))


async def away(here: World) -> None:
    """Until the server has noticed the loss: the cut is a notice of the call."""
    (call_id,) = here.hub.calls.ids
    with here.hub.calls.watchers(call_id).one_more() as watcher:
        async with asyncio.timeout(5):
            while not here.hub.kept.away:
                await watcher.next()


# ------------------------------------------------------------------------------------------------------ the page


async def test_a_page_takes_its_call_up_again_and_is_not_greeted_anew() -> None:
    async with world(None, tone_agent(greeting=GREETING)) as here:
        async with here.client() as first:
            async with asyncio.timeout(5):
                while len(first.frames) < 25:  # half a second
                    if isinstance(raw := await first.socket.recv(), bytes):
                        first.frames.append(raw)
            await first.send({"type": "played", "reply_id": 1, "played": 7300, "playing": True})
            await first.still_there()
            again = await lost(first)
        async with here.client(again) as second:
            welcome = second.messages[0]
            assert welcome["resumed"] is True
            assert welcome["call_id"] == again["resume"]["call_id"]  # type: ignore[index]
            assert welcome["resume"] != again["resume"]["secret"]  # type: ignore[index]
            cut = await second.until("audio_interrupted")
            assert cut["heard_text"] == "one two three"
            await second.send({"type": "flushed", "reply_id": 1, "played": 9700})  # it had a little more
            reply = await second.until("reply")
            assert (reply["reply_id"], reply["kind"]) == (2, "reprompt")
            await second.until("words", reply_id=2)
            await second.audio()
            assert await second.still_there()
            assert len(here.hub.calls.ids) == 1
            assert greetings(here)[0] == "one two three four"
            heard = [m["code"] for m in second.messages if m["type"] == "error"]
            assert heard == []


@pytest.mark.parametrize("max_calls", [8, 1])
async def test_a_page_that_comes_back_before_its_loss_is_noticed_takes_over_and_the_old_one_is_closed(
    max_calls: int,
) -> None:
    chosen = settings(max_calls=max_calls)  # 1: the server is full, and the call has its place
    async with world(chosen, tone_agent(greeting=GREETING)) as here, here.client() as first:
        await first.until("state", state="speaking")
        secret = first.messages[0]["resume"]
        resume = {"call_id": first.messages[0]["call_id"], "secret": secret}
        async with here.client({"resume": resume}) as second:
            assert await first.closed() == 4001
            await second.until("state", state="speaking")
            assert len(here.hub.calls.ids) == 1
            assert (await here.http.get("/metrics")).text.count("bargein_calls_total 1.0") == 1


async def test_a_secret_serves_once_and_a_wrong_one_never_and_the_page_may_begin_anew() -> None:
    async with world(None, tone_agent(greeting=GREETING)) as here:
        async with here.client() as first:
            again = await lost(first)
        await away(here)
        async with here.client(again) as second, here.client({}) as thief:
            await second.audio()
            assert await second.still_there()  # so the audio has come
            for resume in (again["resume"], {**again["resume"], "secret": "x" * 43}, {"call_id": "no", "secret": "no"}):  # type: ignore[dict-item]
                await thief.send({"type": "hello", "protocol": "bargein.v1", "resume": resume})
                error = await thief.until("error")
                assert (error["code"], error["fatal"]) == ("call_gone", False)
            await thief.send({"type": "hello", "protocol": "bargein.v1"})
            assert (await thief.until("welcome"))["resumed"] is False
            assert await second.still_there()


async def test_a_page_whose_second_connection_breaks_at_once_comes_back_with_the_secret_that_it_has() -> None:
    async with world(None, tone_agent(greeting=GREETING)) as here:
        async with here.client() as first:
            again = await lost(first)
        await away(here)
        async with here.client(again) as unlucky:
            await lost(unlucky)  # as if no welcome had come
        await away(here)
        async with here.client(again) as second:
            newer = await lost(second)
        await away(here)
        async with here.client(newer) as third:
            await lost(third)
        await away(here)
        async with here.client({}) as late:
            await late.send(HELLO | again)
            assert await late.error() == "call_gone"  # the page has a newer one
            await late.send(HELLO | newer)
            assert (await late.until("welcome"))["resumed"] is True


async def test_a_call_that_waits_keeps_its_place_and_only_that() -> None:
    async with world(settings(max_calls=1), tone_agent(greeting=GREETING)) as here:
        async with here.client() as first:
            again = await lost(first)
        await away(here)
        async with here.client({}) as other:
            await other.send({"type": "hello", "protocol": "bargein.v1"})
            assert await other.error() == "busy"
        async with here.client(again) as second:
            assert await second.still_there()
            assert here.hub.calls.taken == 1
        assert await here.nobody_left()


@pytest.mark.parametrize("code", [1000, 1001])
async def test_a_page_that_says_goodbye_is_not_waited_for(code: int) -> None:
    async with world(None, tone_agent(greeting=GREETING)) as here:
        async with here.client() as client:
            await client.socket.close(code)
            assert await here.over(client) == "the client closed the connection"
        assert await here.nobody_left()


@pytest.mark.usefixtures("either_socket")
async def test_a_page_whose_frames_are_refused_is_not_waited_for() -> None:
    async with world(settings(keep_s=60), tone_agent(greeting=GREETING)) as here:
        async with here.client() as client:
            client.socket.transport.write(frame(END | PONG) * 5_000)
            assert await here.over(client) == "the client's frames were refused"
        assert not here.hub.kept.away


async def test_a_page_that_does_not_come_back_is_given_up_and_counted() -> None:
    async with world(settings(keep_s=0.3), tone_agent(greeting=GREETING)) as here:
        async with here.client() as client:
            await lost(client)
            assert "did not come back" in await here.over(client)
        assert await here.nobody_left()
        page = (await here.http.get("/metrics")).text
        assert 'bargein_connections_total{cause="lost"} 1.0' in page
        assert "bargein_calls_away 0.0" in page


async def test_a_server_that_stops_ends_a_call_that_waits() -> None:
    async with world(settings(keep_s=60), tone_agent(greeting=GREETING)) as here, here.client() as client:
        await lost(client)
        await away(here)


# ------------------------------------------------------------------------------------------------------ telephones


@pytest.mark.usefixtures("either_socket")
async def test_twilios_second_stream_goes_on_with_the_call_if_it_brings_a_token_of_its_own() -> None:
    async with guarded() as here:
        told = await answered(here)
        async with stream(here) as first:
            await first.start(parameters=told)
            await first.until("media")
            first.socket.transport.abort()
        await away(here)
        async with stream(here) as thief:
            await thief.start(parameters=told)  # the token was spent
            assert await thief.closed() == (1008, "bad_token")
        assert here.hub.kept.away == 1
        async with stream(here) as second:
            second.stream = "MZ2"
            await second.start(parameters=await answered(here))
            await second.until("media")
            assert len(here.hub.calls.ids) == 1
            assert [text[:3] for text in greetings(here)] in (["", ""], ["one", ""])
            await second.say("stop")
            await second.closed()
        assert await here.nobody_left()


@pytest.mark.usefixtures("either_socket")
@pytest.mark.parametrize("max_calls", [8, 1])
async def test_a_second_stream_of_a_live_call_takes_over(max_calls: int) -> None:
    chosen = settings(max_calls=max_calls)  # 1: the server is full, and the call has its place
    async with world(chosen, tone_agent(greeting=GREETING)) as here, stream(here) as first:
        await first.start()
        await first.until("media")
        async with stream(here) as second:
            second.stream = "MZ2"
            await second.start()
            await second.until("media")
            code, _ = await first.closed()
            assert code == 1000
            assert len(here.hub.calls.ids) == 1


@pytest.mark.usefixtures("either_socket")
async def test_a_server_that_drains_lets_a_live_call_change_its_stream() -> None:
    at_once = asyncio.Event()
    async with world(None, tone_agent(greeting=GREETING)) as here, stream(here) as first, stream(here) as second:
        await first.start()
        await first.until("media")
        draining = asyncio.create_task(here.hub.calls.drain(60, at_once))
        await asyncio.sleep(0)  # it has begun
        assert here.hub.calls.closing
        second.stream = "MZ2"
        await second.start()
        await second.until("media")
        async with stream(here) as other:
            await other.start("CA2")
            assert await other.closed() == (1008, "closing")
        at_once.set()
        await draining


@pytest.mark.usefixtures("either_socket")
async def test_a_stream_of_another_form_takes_the_place_of_its_call_also_on_a_full_server() -> None:
    chosen = settings(max_calls=1, keep_s=60)
    async with (
        world(chosen, tone_agent(greeting=GREETING)) as here,
        stream(here, "/telnyx/media") as first,
        stream(here, "/telnyx/media") as second,
    ):
        await first.socket.send(telnyx("PCMU", 8000))
        await first.until("media")
        (before,) = here.hub.calls.ids
        await second.socket.send(telnyx("L16", 16_000))
        await second.until("media")
        await first.closed()
        assert str(here.hub.calls.status(before)["over"]) == "a stream of another form took its place"
        await second.until("media")
        assert len(here.hub.calls.ids) == here.hub.calls.taken == 1


@pytest.mark.usefixtures("either_socket")
async def test_a_server_that_drains_ends_no_call_for_a_stream_that_it_refuses() -> None:
    at_once = asyncio.Event()
    async with (
        world(None, tone_agent(greeting=GREETING)) as here,
        stream(here, "/telnyx/media") as first,
        stream(here, "/telnyx/media") as second,
    ):
        await first.socket.send(telnyx("PCMU", 8000))
        await first.until("media")
        draining = asyncio.create_task(here.hub.calls.drain(60, at_once))
        await asyncio.sleep(0)  # it has begun
        await second.socket.send(telnyx("L16", 16_000))
        assert await second.closed() == (1008, "closing")
        await first.until("media")
        assert len(here.hub.calls.ids) == 1
        at_once.set()
        await draining


@pytest.mark.usefixtures("either_socket")
async def test_another_call_is_another_call() -> None:
    async with world(None, tone_agent(greeting=GREETING)) as here, stream(here) as first, stream(here) as second:
        await first.start("CA1")
        await second.start("CA2")
        await first.until("media")
        await second.until("media")
        assert len(here.hub.calls.ids) == 2


@pytest.mark.usefixtures("either_socket")
@pytest.mark.parametrize("path", ["/twilio/media", "/vonage/media"])
async def test_a_telephone_whose_frames_are_refused_is_not_waited_for(path: str) -> None:
    async with world(settings(keep_s=60), tone_agent(greeting=GREETING)) as here, stream(here, path) as phone:
        if path == "/twilio/media":
            await phone.start()
        else:
            await phone.socket.send(STREAMS["vonage"].start()[0])
        await phone.socket.recv()
        phone.socket.transport.write(frame(END | PING) * 20_000)
        with suppress(ConnectionClosed):
            while True:
                await phone.socket.recv()
        assert await here.nobody_left()


@pytest.mark.usefixtures("either_socket")
@pytest.mark.parametrize("code", [1011, 4001])
async def test_a_stream_that_is_closed_without_a_stop_may_come_back(
    code: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(None, tone_agent(greeting=GREETING)) as here:
        async with stream(here) as first:
            await first.start()
            await first.until("media")
            await first.socket.close(code)
        await away(here)
        async with stream(here) as second:
            second.stream = "MZ2"
            await second.start()
            await second.until("media")
            assert len(here.hub.calls.ids) == 1
    assert "Traceback" not in caplog.text


@pytest.mark.usefixtures("either_socket")
async def test_a_stranger_with_a_kept_calls_id_finds_nothing() -> None:
    """Without a token, with the call's own id: the call waits on, its place is not free, and no place is taken."""
    async with guarded() as here:
        async with stream(here) as first:
            await first.start(parameters=await answered(here))
            await first.until("media")
            first.socket.transport.abort()
        await away(here)
        for parameters in ({}, {"token": "x"}):
            async with stream(here) as thief:
                await thief.start(parameters=parameters)
                assert await thief.closed() == (1008, "bad_token")
        assert (here.hub.kept.away, here.hub.calls.taken, len(here.hub.calls.ids)) == (1, 1, 1)


STREAMS: dict[str, VendorMessages] = {"telnyx": Telnyx(), "plivo": Plivo(), "vonage": Vonage()}


@pytest.mark.usefixtures("either_socket")
@pytest.mark.parametrize("vendor", STREAMS)
async def test_each_vendors_second_stream_goes_on_with_the_call(vendor: str) -> None:
    async with world(None, tone_agent(greeting=GREETING)) as here:
        path = f"/{vendor}/media"
        for _ in range(2):
            async with stream(here, path) as phone:
                for message in STREAMS[vendor].start():
                    await phone.socket.send(message)
                await phone.socket.recv()  # the agent's audio
                assert len(here.hub.calls.ids) == 1
                assert not here.hub.kept.away
                phone.socket.transport.abort()
            await away(here)
        assert (await here.http.get("/metrics")).text.count("bargein_calls_total 1.0") == 1


@pytest.mark.usefixtures("either_socket")
async def test_vonage_ends_a_call_by_closing_its_socket() -> None:
    async with world(None, tone_agent(greeting=GREETING)) as here:
        async with stream(here, "/vonage/media") as phone:
            await phone.socket.send(STREAMS["vonage"].start()[0])
            await phone.socket.recv()
            (call_id,) = here.hub.calls.ids
            with here.hub.calls.watchers(call_id).one_more() as watcher:
                await phone.socket.close()
                async with asyncio.timeout(5):
                    while await watcher.next() is not None:
                        pass
        (ended,) = here.hub.calls.listing()["finished"]
        assert "gone" in str(ended["over"]) or "closed" in str(ended["over"])
