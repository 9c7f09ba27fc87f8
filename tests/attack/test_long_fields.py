"""Whatever a network writes into a field costs little, and stays short in log, record and status."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from time import thread_time

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect

from bargein.clock import ManualClock
from bargein.server.log_formats import LINE_CHARS, LineFormatter
from bargein.transports.telephone.asterisk import AsteriskDialect
from bargein.transports.telephone.dialect import TelephoneDialect
from bargein.transports.telephone.plivo import PlivoDialect
from bargein.transports.telephone.telnyx import TelnyxDialect
from bargein.transports.telephone.transport import TelephoneTransport
from bargein.transports.telephone.twilio import TwilioDialect
from bargein.transports.telephone.vonage import VonageDialect
from tests.attack.foreign_fields import HOSTILE, OTHERS, STARTS, spoiled, texts
from tests.server.kit import Client, World, bare, world
from tests.server.test_registry import served

DIALECTS: dict[str, Callable[[], TelephoneDialect]] = {
    "twilio": TwilioDialect,
    "telnyx": TelnyxDialect,
    "plivo": PlivoDialect,
    "vonage": VonageDialect,
    "asterisk": AsteriskDialect,
}
CPU_S = 0.25  # for one message, to its line in the log: the old log took 17 s for the worst


class NoWire:
    unsent = 0

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def text(self, data: bytes) -> None:
        self.sent.append(data)

    def binary(self, data: bytes) -> None:
        self.sent.append(data)

    def close(self, code: int, reason: str) -> None:
        self.sent.append(reason.encode())


class Lines(logging.Handler):
    """What the server's log would write."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(LineFormatter())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += self.format(record).splitlines()


@pytest.fixture
def lines() -> Iterator[list[str]]:
    handler, log = Lines(), logging.getLogger("bargein")
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    yield handler.lines
    log.removeHandler(handler)
    log.setLevel(before)
    assert all(len(line) <= LINE_CHARS + 30 and line.isprintable() for line in handler.lines)


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("name", DIALECTS)
def test_a_field_costs_little_and_stays_short(name: str, hostile: str, lines: list[str]) -> None:
    text = HOSTILE[hostile]
    later = [json.dumps(each) for message in OTHERS[name] for each in spoiled(message, text)]
    for first in texts(name, hostile):
        telephone = TelephoneTransport(NoWire(), DIALECTS[name](), ManualClock(1000))
        began = thread_time()
        telephone.incoming(first)
        assert thread_time() - began < CPU_S
        if (started := telephone.started) is not None:
            ids = (started.stream, started.call, started.account, *started.extra.values())
            assert all(len(each) <= 200 and each.isprintable() for each in ids)
            assert all(len(n) <= 100 and len(v) <= 1000 for n, v in started.parameters.items())
    good = TelephoneTransport(NoWire(), DIALECTS[name](), clock := ManualClock(1000))
    good.incoming(json.dumps(STARTS[name]))
    assert good.started is not None
    for message in later:
        clock.advance(10_000)  # the log takes a fault now and then only
        began = thread_time()
        good.incoming(message)
        assert thread_time() - began < CPU_S


@pytest.mark.parametrize("name", DIALECTS)
def test_a_start_that_is_refused_fits_a_close_frame(name: str) -> None:
    """In bytes, also where its characters are wide."""
    for first in spoiled(STARTS[name], "\N{ELEPHANT}" * 300):
        telephone = TelephoneTransport(NoWire(), DIALECTS[name](), ManualClock(1000))
        telephone.incoming(json.dumps(first))
        if telephone.closing is not None:
            assert 0 < len(telephone.closing[1].encode()) <= 123


@pytest_asyncio.fixture
async def here() -> AsyncIterator[World]:
    async with world() as made:
        yield made


@pytest.mark.parametrize("name", DIALECTS)
async def test_no_field_makes_the_status_long_and_no_label(name: str, here: World, lines: list[str]) -> None:
    """Over the real server, to its own lists."""
    url = f"{here.url.replace('http', 'ws')}/{name}/media"
    for hostile in ("long", "escape"):
        for first in texts(name, hostile):
            async with connect(url, close_timeout=0.2) as socket:
                await socket.send(first)
                await socket.send(json.dumps({"event": "stop", "streamSid": "MZ1"}))
    await here.nobody_left()
    listed = (await here.http.get("/calls")).json()["finished"]
    for call in listed:
        assert len(json.dumps(call)) < 4000
        assert all(value.isprintable() and len(value) <= 200 for value in call["facts"].values())
        status = (await here.http.get(f"/calls/{call['id']}")).text
        assert len(status) < 12_000
        assert "x" * 300 not in status
    assert len((await here.http.get("/metrics")).text) < 60_000


@pytest.mark.parametrize(
    ("method", "path", "headers", "body"),
    [
        ("GET", f"/calls/{'x' * 5000}", {}, None),
        ("GET", "/calls/a%0Ab%1B[2J", {}, None),
        ("GET", "/healthz", {"Host": "x" * 5000}, None),
        ("POST", "/calls/x/say", {"Origin": "http://" + "x" * 5000}, None),
        ("POST", "/parts/try", {}, {"kind": "x" * 53_000, "name": "y"}),
        ("POST", "/parts/try", {}, {"x" * 53_000: 1}),
        ("POST", "/simulate/faults", {}, {"name": "x" * 53_000}),
        ("POST", "/twilio/voice", {}, {"From": "x" * 53_000, "CallSid": "\n" * 9000}),
    ],
)
async def test_a_refusal_is_short(
    here: World, method: str, path: str, headers: dict[str, str], body: object, lines: list[str]
) -> None:
    form = {"data": body} if path.startswith("/twilio") else {"json": body} if body is not None else {}
    answer: httpx.Response = await here.http.request(method, path, headers=headers, **form)  # type: ignore[arg-type]
    assert 200 <= answer.status_code < 500
    assert len(answer.text) < 5000


HELLOS: dict[str, dict[str, object]] = {
    "of a visitor": {
        "type": "hello",
        "protocol": "bargein.v1",
        "agent": "tone",
        "policy": "patient",
        "language": "en",
        "settings": {"confirm_ms": 400},
    },
    "that chooses": {
        "type": "hello",
        "protocol": "bargein.v1",
        "choice": {
            "preset": "patient",
            "language": "en",
            "prompt": "be brief",
            "stt": {"name": "none", "options": {}},
            "llm": {"name": "openai-compatible", "options": {"model": "y", "base_url": "http://127.0.0.1:1/v1"}},
            "tts": {"name": "espeak", "options": {"voice": "en"}},
        },
    },
    "of one that comes back": {
        "type": "hello",
        "protocol": "bargein.v1",
        "resume": {"call_id": "20260101-000000-00000000", "secret": "s", "received": 1},
    },
}


async def first_answer(client: Client) -> dict[str, object]:
    async with asyncio.timeout(5):
        while True:
            raw = await client.socket.recv()
            if isinstance(raw, str) and (answer := json.loads(raw))["type"] in ("error", "welcome"):
                return dict(answer)


@pytest.mark.parametrize("hostile", ["long", "escape"])
@pytest.mark.parametrize("kind", HELLOS)
async def test_a_page_gets_a_short_answer_of_its_own(kind: str, hostile: str, lines: list[str]) -> None:
    """An error, or a welcome where the field is nobody's business; never a fault of ours."""
    codes = set()
    async with served(bare(), max_calls=200) as here:
        for message in spoiled(HELLOS[kind], HOSTILE[hostile]):
            async with here.client({}) as client:
                await client.send(message)
                answer = await first_answer(client)
                assert len(json.dumps(answer)) < 5000
                assert str(answer.get("message", "")).isprintable()
                codes.add(answer.get("code", "welcome"))
                await client.send({"type": "hangup"})
    assert "internal" not in codes
    assert len(codes) > 1, codes
