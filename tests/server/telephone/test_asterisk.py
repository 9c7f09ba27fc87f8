"""Whole calls of Asterisk's WebSocket channel; who may make them; dialling; transfers by ARI."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_sockets
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from bargein.errors import BargeinError, VendorLost, VendorRefused
from bargein.server import doctor, serve
from bargein.server.auth import Gate
from bargein.server.refusals import Refusal
from bargein.server.telephone.asterisk import Ari, AsteriskControl, AsteriskLine
from bargein.server.telephone.serve import SocketRequest
from bargein.transports.telephone.dialect import Started
from bargein_bench.callers.asterisk_call import AsteriskCaller
from bargein_bench.callers.asterisk_channel import AsteriskChannel, converse
from bargein_bench.callers.asterisk_queue import OLD, MediaQueue
from bargein_bench.callers.caller_audio import EndCallStep, PressKey
from bargein_bench.callers.line import CallerLine
from bargein_bench.callers.yielding import score
from benchmarks import unique_agent
from tests.server.kit import TOKEN, settings, tone_agent, world
from tests.server.telephone.test_phone_call import at, spoken

GREETING = "one two three four five six seven eight nine ten " * 6
MEDIA = Subprotocol("media")
LOGIN: dict[str, Any] = {
    "asterisk_url": "http://pbx.test:8088",
    "ari_user": "bargein",
    "ari_password": "a-secret-of-ari",
}


def records(folder: Path) -> list[str]:
    return [each.read_text() for each in folder.glob("*/events.jsonl")]


@pytest.fixture(params=["picows", "asgi"])
def either_socket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "FAST", request.param == "picows")


# -------------------------------------------------------------------------------------------------- whole calls


async def test_callers_are_greeted_cut_the_reply_are_answered_and_hang_up(tmp_path: Path) -> None:
    words = at(900, spoken("interruption-1.wav"))
    async with world(settings(tmp_path, token=TOKEN), tone_agent(greeting=GREETING)) as here:
        address = f"{here.url.replace('http', 'ws')}/asterisk/media?token={TOKEN}"
        cuts = AsteriskCaller(address, (words, PressKey(3_600, "5"), EndCallStep(3_760)), 4_000)
        given = {"agent": "tone"}
        old = AsteriskCaller(
            address, (words,), 3_760, release=OLD, as_json=False, codec="ulaw", dtx=True, parameters=given
        )
        await asyncio.gather(cuts.run(), old.run())
        assert await here.nobody_left()
    for each in (cuts, old):
        assert not each.result.faults
        assert each.channel.queue.flushes >= 1
        assert not each.channel.queue.paused
        told = score(each.result)
        assert told.stale_ms == 0
        assert told.yields
        assert told.yields[0].stop_ms is not None
        assert told.yields[0].answer_ms is not None
    notes = records(tmp_path)
    assert len(notes) == 2
    for text in notes:
        assert TOKEN not in text
        assert '"kind":"fault"' not in text.replace(" ", "")
    assert sum('"key"' in text for text in notes) == 1


async def test_a_reply_that_is_held_for_a_cough_goes_on_at_the_very_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "FAST", False)  # the other kind of socket
    cough = at(900, spoken("cough-3.wav"))
    async with world(settings(), unique_agent.AGENT) as here:
        address = f"{here.url.replace('http', 'ws')}/asterisk/media"
        quiet, coughs = AsteriskCaller(address, (), 2_300), AsteriskCaller(address, (cough,), 2_300)
        await asyncio.gather(quiet.run(), coughs.run())
        assert await here.nobody_left()
    assert coughs.channel.held_ms
    assert coughs.channel.queue.flushes == 0
    whole, held = bytes(quiet.channel.core), bytes(coughs.channel.core)
    assert 32_000 < len(held) < len(whole)
    assert held == whole[: len(held)]


def test_what_the_address_says_stands_above_the_channels_variables() -> None:
    line = AsteriskLine(settings(), Gate(settings()))
    caller = SocketRequest("127.0.0.1", {}, f"/asterisk/media?token={TOKEN}&agent=front&channel=17.2")
    dialect = line.dialect(caller)
    texts: list[str] = []
    MediaQueue("slin16", texts.append, variables={"BARGEIN_AGENT": "back", "BARGEIN_LANGUAGE": "de"}).start()
    started = dialect.read(texts[0])
    assert isinstance(started, Started)
    assert started.parameters == {"agent": "front", "channel": "17.2", "language": "de"}
    assert TOKEN not in str(started)


@pytest.mark.parametrize("query", ["%ff=%fe&" * 3, "a=1&" * 200, "=", "&&&", "agent=" + "x" * 5000])
def test_an_odd_query_is_read_without_an_error(query: str) -> None:
    line = AsteriskLine(settings(), Gate(settings()))
    assert line.dialect(SocketRequest("127.0.0.1", {}, f"/asterisk/media?{query}")).name == "asterisk"


# ----------------------------------------------------------------------------------------------------- admission


def test_callers_from_elsewhere_need_the_token_and_pages_never_get_in() -> None:
    here = {"host": "127.0.0.1:8080"}
    unlocked = AsteriskLine(settings(), Gate(settings()))
    locked = AsteriskLine(settings(token=TOKEN), Gate(settings(token=TOKEN)))
    unlocked.admit(SocketRequest("127.0.0.1", here, "/asterisk/media"))
    locked.admit(SocketRequest("10.1.1.1", here, f"/asterisk/media?token={TOKEN}"))
    locked.admit(SocketRequest("10.1.1.1", here | {"authorization": f"Bearer {TOKEN}"}, "/asterisk/media"))
    for line, who in (
        (unlocked, SocketRequest("10.1.1.1", here, "/asterisk/media")),
        (unlocked, SocketRequest("127.0.0.1", here | {"origin": "http://127.0.0.1:8080"}, "/asterisk/media")),
        (locked, SocketRequest("127.0.0.1", here, "/asterisk/media")),
        (locked, SocketRequest("127.0.0.1", here, "/asterisk/media?token=wrong")),
    ):
        with pytest.raises(Refusal) as refusal:
            line.admit(who)
        assert refusal.value.status in (401, 403)


@pytest.mark.usefixtures("either_socket")
async def test_the_subprotocol_that_asterisk_asks_for_is_accepted_and_a_stranger_is_not() -> None:
    async with world(settings(token=TOKEN)) as here:
        address = f"{here.url.replace('http', 'ws')}/asterisk/media"
        async with connect(f"{address}?token={TOKEN}", subprotocols=[MEDIA]) as socket:
            assert socket.subprotocol == "media"
        async with connect(f"{address}?token={TOKEN}") as socket:
            assert socket.subprotocol is None
        with pytest.raises(InvalidStatus) as refused:
            async with connect(address, subprotocols=[MEDIA]):
                pass
        assert refused.value.response.status_code == 401
        assert await here.nobody_left()


# ------------------------------------------------------------------------------------------------------ dialling


@dataclass
class WaitingAsterisk:
    """An Asterisk where one channel waits for us."""

    url: str = ""
    channels: list[AsteriskChannel] = field(default_factory=list)
    taken: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def answer(self, _: ServerConnection, request: Request) -> Response | None:
        if request.path != "/media/waiting-1":
            return Response(404, "Not Found", Headers(), b"")
        if self.taken:
            return Response(409, "Conflict", Headers(), b"")
        self.taken = True
        return None

    async def talk(self, socket: ServerConnection) -> None:
        line = CallerLine((), 800)
        outbox: asyncio.Queue[str | bytes] = asyncio.Queue()
        channel = AsteriskChannel(line, outbox.put_nowait, connection_id="waiting-1")
        self.channels.append(channel)

        async def write() -> None:
            while True:
                await socket.send(await outbox.get())

        async def read() -> None:
            async for message in socket:
                channel.receive(message)

        tasks = [asyncio.create_task(each()) for each in (write, read)]
        try:
            await converse(channel, line)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await socket.close()
            self.over.set()


@asynccontextmanager
async def waiting_asterisk() -> AsyncIterator[WaitingAsterisk]:
    pbx = WaitingAsterisk()
    async with serve_sockets(
        pbx.talk,
        "127.0.0.1",
        0,
        process_request=pbx.answer,
        subprotocols=[MEDIA],
        compression=None,
    ) as server:
        pbx.url = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        yield pbx


async def test_a_channel_that_waits_is_dialled_answered_and_greeted(tmp_path: Path) -> None:
    async with waiting_asterisk() as pbx:
        chosen = settings(tmp_path, token=TOKEN, asterisk_url=pbx.url)
        async with world(chosen, tone_agent(greeting=GREETING)) as here:
            dial = {"connection_id": "waiting-1", "agent": "tone", "answer": True}
            owner = {"Authorization": f"Bearer {TOKEN}"}
            assert (await here.http.post("/asterisk/calls", json=dial)).status_code == 401
            answer = await here.http.post("/asterisk/calls", json=dial, headers=owner)
            assert (answer.status_code, answer.json()) == (202, {"connection_id": "waiting-1"})
            again = await here.http.post("/asterisk/calls", json=dial, headers=owner)
            assert (again.status_code, again.json()["error"]["code"]) == (409, "not_connected")
            other = await here.http.post("/asterisk/calls", json=dial | {"connection_id": "other"}, headers=owner)
            assert other.status_code == 502
            for bad in ("../../ari/channels", "a/b", "", "x" * 200, "a?b", "a%2fb"):
                told = await here.http.post("/asterisk/calls", json={"connection_id": bad}, headers=owner)
                assert told.status_code == 422
            async with asyncio.timeout(5):
                await pbx.over.wait()
            assert await here.nobody_left()
    (channel,) = pbx.channels
    assert channel.queue.answered
    assert channel.queue.taken > 20
    (record,) = records(tmp_path)
    assert "waiting-1" in record


async def test_without_an_asterisk_and_with_one_that_is_off_the_asker_is_told() -> None:
    async with world() as here:
        told = await here.http.post("/asterisk/calls", json={"connection_id": "a"})
        assert (told.status_code, told.json()["error"]["code"]) == (404, "no_asterisk")
    async with world(settings(asterisk_url="http://127.0.0.1:9")) as here:
        told = await here.http.post("/asterisk/calls", json={"connection_id": "a"})
        assert (told.status_code, told.json()["error"]["code"]) == (502, "not_connected")
        assert await here.nobody_left()


async def test_an_asterisk_that_sends_nonsense_or_vanishes_leaves_nothing_behind() -> None:
    async def talk(socket: ServerConnection) -> None:
        try:
            await socket.send("no such event")
            await socket.send(b"\x01" * 641)
            await socket.send('{"event":"MEDIA_START","format":"opus","optimal_frame_size":0}')
            await socket.wait_closed()
        except ConnectionClosed:
            pass

    async with serve_sockets(talk, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        async with world(settings(asterisk_url=url)) as here:
            told = await here.http.post("/asterisk/calls", json={"connection_id": "a"})
            assert told.status_code == 202
            async with asyncio.timeout(5):
                while server.connections:  # noqa: ASYNC110  # a test may look
                    await asyncio.sleep(0.01)
            assert await here.nobody_left()


# ----------------------------------------------------------------------------------------------------------- ARI


def control(answer: Callable[[httpx.Request], httpx.Response]) -> AsteriskControl:
    ari = Ari("http://pbx.test:8088/", "bargein", "a-secret-of-ari", httpx.MockTransport(answer))
    return AsteriskControl(ari, "1736.12", "bargein-transfer")


async def test_a_channel_of_a_stasis_application_goes_on_in_the_context() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(204)

    await control(answer).transfer("+4930123")
    await control(answer).hang_up()
    first, second = asked
    assert (first.method, first.url.path) == ("POST", "/ari/channels/1736.12/continue")
    assert dict(first.url.params) == {"context": "bargein-transfer", "extension": "+4930123", "priority": "1"}
    assert first.headers["authorization"].startswith("Basic ")
    assert (second.method, second.url.path) == ("DELETE", "/ari/channels/1736.12")


async def test_a_channel_in_dial_finds_the_number_in_a_global_variable() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(409 if request.url.path.endswith("/continue") else 204)

    await control(answer).transfer("+4930123")
    assert asked[1].url.path == "/ari/asterisk/variable"
    assert dict(asked[1].url.params) == {"variable": "BARGEIN_TRANSFER_173612", "value": "+4930123"}


@pytest.mark.parametrize(
    ("status", "kind"), [(400, VendorRefused), (401, VendorRefused), (404, VendorRefused), (500, VendorLost)]
)
async def test_a_refusal_says_what_to_do_and_never_the_password(status: int, kind: type[BargeinError]) -> None:
    with pytest.raises(kind) as error:
        await control(lambda _: httpx.Response(status)).transfer("+4930123")
    assert "a-secret" not in str(error.value)


async def test_an_asterisk_that_is_not_there_is_lost_and_a_call_that_is_gone_is_hung_up() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no", request=request)

    with pytest.raises(VendorLost):
        await control(refuse).transfer("+4930123")
    await control(lambda _: httpx.Response(404)).hang_up()


def test_only_a_call_that_names_its_channel_can_be_transferred() -> None:
    line = AsteriskLine(settings(**LOGIN), Gate(settings()))
    bare = AsteriskLine(settings(), Gate(settings()))
    named = Started("pbx-17.3", "", parameters={"channel": "1736.12"})
    assert line.exchange(named) is not None
    assert bare.exchange(named) is None
    for channel in ("", "../x", "a b", "x" * 100):
        assert line.exchange(Started("pbx-17.3", "", parameters={"channel": channel})) is None


async def test_the_doctor_tells_what_asterisk_can_do() -> None:
    off = await doctor.examine_asterisk(settings())
    assert (off.state, off.advice[:25]) == ("off", "Set BARGEIN_ASTERISK_URL ")
    look = await doctor.examine_asterisk(settings(asterisk_url="http://127.0.0.1:9"))
    assert look.state == "look"
    fails = await doctor.examine_asterisk(settings(**LOGIN | {"asterisk_url": "http://127.0.0.1:9"}))
    assert fails.state == "fails"
    assert "a-secret" not in json.dumps([fails.detail, fails.advice])
