"""Who may open the sockets of vendors that sign nothing, and one whole call over each of them."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bargein.audio.pcm import Samples
from bargein.audio.resample import StreamResampler
from bargein.server import serve
from bargein.server.auth import Gate
from bargein.server.refusals import Refusal
from bargein.server.telephone.carriers import CARRIERS, carriers
from bargein.server.telephone.serve import SocketRequest
from tests.server.kit import TOKEN, settings, tone_agent, world
from tests.sounds import load
from tests.transports.telephone.simulated_stream import CLEAR, VendorMessages
from tests.transports.telephone.test_plivo import Plivo
from tests.transports.telephone.test_telnyx import Telnyx
from tests.transports.telephone.test_vonage import Vonage

VENDORS: dict[str, Callable[[], VendorMessages]] = {"telnyx": Telnyx, "vonage": Vonage, "plivo": Plivo}
GREETING = "one two three four five six seven eight nine ten " * 6
OPEN = Gate(settings())
LOCKED = Gate(settings(token=TOKEN))


def caller(path: str = "", host: str = "127.0.0.1", **headers: str) -> SocketRequest:
    return SocketRequest(host, {"host": "127.0.0.1:8080"} | {n.replace("_", "-"): v for n, v in headers.items()}, path)


def refused(gate: Gate, who: SocketRequest) -> tuple[int, str]:
    """By every one of them, and alike."""
    said: set[tuple[int, str]] = set()
    for vendor in carriers(gate).values():
        with pytest.raises(Refusal) as refusal:
            vendor.admit(who)
        assert TOKEN not in str(refusal.value)
        said.add((refusal.value.status, refusal.value.code))
    (same,) = said
    return same


# ------------------------------------------------------------------------------------------------------ admission


def test_every_path_has_its_vendor_and_every_stream_its_own_dialect() -> None:
    made = carriers(OPEN)
    assert set(made) == set(CARRIERS) == {"/telnyx/media", "/vonage/media", "/plivo/media"}
    for path, vendor in made.items():
        assert vendor.dialect(caller()).name == path.split("/")[1]
        assert vendor.dialect(caller()) is not vendor.dialect(caller())


@pytest.mark.parametrize(
    "who",
    [
        caller(),
        caller(host="::1"),
        SocketRequest("127.0.0.1", {"host": "localhost"}, ""),
        SocketRequest("127.0.0.1", {"host": "[::1]:8080"}, ""),
    ],
)
def test_without_a_token_this_machine_may_call(who: SocketRequest) -> None:
    for vendor in carriers(OPEN).values():
        vendor.admit(who)


@pytest.mark.parametrize(
    "who",
    [
        caller(host="10.1.1.1"),
        caller(host=""),
        caller(x_forwarded_for="10.1.1.1"),
        caller(forwarded="for=10.1.1.1"),
        caller(x_real_ip="10.1.1.1"),
        caller(x_forwarded_host="phone.example"),
        SocketRequest("127.0.0.1", {"host": "phone.example"}, ""),
        SocketRequest("127.0.0.1", {"host": "[::1"}, ""),
        SocketRequest("127.0.0.1", {}, ""),
    ],
)
def test_without_a_token_nobody_from_elsewhere_may_call(who: SocketRequest) -> None:
    assert refused(OPEN, who) == (403, "no_token_set")


@pytest.mark.parametrize(
    "page",
    [
        "http://localhost:3000",
        "http://127.0.0.1:8080",
        "https://elsewhere.example",
        "http://127.0.0.1.example",
        "null",
        "",
        "http://[::1",
    ],
)
def test_a_page_of_another_site_in_our_own_browser_may_not_call(page: str) -> None:
    assert refused(OPEN, caller(origin=page)) == (403, "foreign_origin")


def test_the_token_opens_the_way_as_a_bearer_and_in_the_address() -> None:
    odd = "a token+with/odd=characters&more"
    for vendor in carriers(LOCKED).values():
        vendor.admit(caller(host="10.1.1.1", x_forwarded_for="10.2.2.2", authorization=f"Bearer {TOKEN}"))
        vendor.admit(caller(f"/x?agent=a&token={TOKEN}", host="10.1.1.1"))
        vendor.admit(caller(f"/x?token={LOCKED.page_token('phone')}"))
    for vendor in carriers(Gate(settings(token=odd))).values():
        vendor.admit(caller(f"/x?token={quote(odd, safe='')}"))


@pytest.mark.parametrize(
    "who",
    [
        caller(),
        caller("/x?token="),
        caller("/x?token"),
        caller("/x?token=wrong"),
        caller(f"/x?other={TOKEN}"),
        caller(f"/x?token={TOKEN}x"),
        caller(f"/token={TOKEN}"),
        caller(authorization="Bearer wrong"),
        caller(authorization=f"Basic {TOKEN}"),
        caller("//[?token=%ff"),
    ],
)
def test_where_a_token_is_set_this_machine_needs_it_too(who: SocketRequest) -> None:
    assert refused(LOCKED, who) == (401, "no_token")


# -------------------------------------------------------------------------------------------------- whole calls


class Phone:
    """A vendor's end: plays what it gets as time passes, and speaks."""

    def __init__(self, socket: ClientConnection, messages: VendorMessages, rate: int) -> None:
        self._socket = socket
        self._messages = messages
        self._line: deque[list[int] | str] = deque()
        self._frames = self._sound(rate)
        self.speaks = False
        self.sounded = 0  # frames
        self.clears = 0

    def _sound(self, rate: int) -> Iterator[tuple[int, Samples]]:
        frame = rate // 50
        pcm = load("interruption-1.wav")
        speech = StreamResampler(pcm.rate, rate).push_audio(pcm.samples, last=True)
        words = (speech[i : i + frame] for i in range(0, len(speech) // frame * frame, frame))
        quiet = np.zeros(frame, np.int16)
        for number in count(1):
            yield number, next(words, quiet) if self.speaks else quiet

    async def events(self) -> None:
        with suppress(ConnectionClosed):
            async for message in self._socket:
                data = message if isinstance(message, bytes) else message.encode()
                heard = self._messages.heard(data, binary=isinstance(message, bytes))
                if heard is not CLEAR:
                    self._line.append(heard)
                    continue
                self.clears += 1
                left = [item for item in self._line if isinstance(item, str)]
                self._line.clear()
                for name in left if self._messages.returning else ():
                    await self._socket.send(self._messages.mark(name))
                if (answer := self._messages.cleared()) is not None:
                    await self._socket.send(answer)

    async def live(self, until: Callable[[], bool]) -> None:
        """Frame by frame, in real time."""
        async with asyncio.timeout(15):
            while not until():
                await self._socket.send(self._messages.spoken(*next(self._frames)))
                while self._line and isinstance(self._line[0], str):
                    await self._socket.send(self._messages.mark(str(self._line.popleft())))
                if self._line:
                    self.sounded += 1
                    self._line.popleft()
                await asyncio.sleep(0.02)


@pytest.fixture(params=["picows", "asgi"])
def either_socket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "FAST", request.param == "picows")


@pytest.mark.usefixtures("either_socket")
@pytest.mark.parametrize("name", VENDORS)
async def test_a_caller_is_greeted_interrupts_is_answered_and_hangs_up(name: str, tmp_path: Path) -> None:
    messages, rate = VENDORS[name](), CARRIERS[f"/{name}/media"]().rate
    async with world(settings(tmp_path, token=TOKEN), tone_agent(greeting=GREETING)) as here:
        address = f"{here.url.replace('http', 'ws')}/{name}/media?token={TOKEN}"
        async with asyncio.TaskGroup() as group, connect(address, compression=None) as socket:
            for message in messages.start():
                await socket.send(message)
            phone = Phone(socket, messages, rate)
            group.create_task(phone.events())
            await phone.live(lambda: phone.sounded == 20)
            (call_id,) = here.hub.calls.ids
            status = here.hub.calls.status(call_id)
            assert (status["agent_speaking"], status["kind"]) == (True, "greeting")

            phone.speaks = True
            await phone.live(lambda: phone.clears > 0)
            await phone.live(lambda: here.hub.calls.status(call_id)["kind"] == "reply")
            before = phone.sounded
            await phone.live(lambda: phone.sounded == before + 20)

            if (stop := messages.stop()) is not None:
                await socket.send(stop)
                await socket.wait_closed()
        assert await here.nobody_left()
    facts = here.hub.calls.status(call_id)["facts"]
    assert isinstance(facts, dict)
    assert facts["transport"] == name
    notes = [json.loads(line) for line in (tmp_path / call_id / "events.jsonl").read_text().splitlines()]
    assert not [note for note in notes if note.get("kind") == "fault"]
    assert TOKEN not in (tmp_path / call_id / "events.jsonl").read_text()


@pytest.mark.usefixtures("either_socket")
@pytest.mark.parametrize("name", VENDORS)
async def test_a_stranger_is_refused_before_the_socket_opens_and_the_token_is_never_logged(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with world(settings(token=TOKEN)) as here:
        address = f"{here.url.replace('http', 'ws')}/{name}/media"
        for query in ("", "?token=wrong-and-secret"):
            with pytest.raises(InvalidStatus) as refusal:
                async with connect(address + query):
                    pass
            assert refusal.value.response.status_code == 401
        async with connect(f"{address}?token={TOKEN}"):
            pass
        assert await here.nobody_left()
    assert TOKEN not in caplog.text
    assert "wrong-and-secret" not in caplog.text


@pytest.mark.parametrize("name", VENDORS)
async def test_a_page_of_another_site_does_not_get_a_socket(name: str) -> None:
    async with world() as here:
        address = f"{here.url.replace('http', 'ws')}/{name}/media"
        with pytest.raises(InvalidStatus) as refusal:
            async with connect(address, origin="https://elsewhere.example"):  # type: ignore[arg-type]
                pass
        assert refusal.value.response.status_code == 403
        async with connect(address):
            pass
