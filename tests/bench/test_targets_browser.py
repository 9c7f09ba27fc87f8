"""The bench as a page: against our own server, and against small ones with manners of their own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from itertools import pairwise

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from bargein.errors import UsageError, VendorLost, VendorRefused
from bargein_bench.callers.caller_audio import Echo, EndCallStep, PressKey, SayLine
from bargein_bench.record import RATE, AudioSpan, Record, Target
from bargein_bench.targets.browser import AGENT, AGENT_RATE, FRAME, HEADER, LAST, MICROPHONE, BrowserTarget
from tests.bench.simulated_time import LoopClock, simulated_time
from tests.server.kit import TOKEN, settings, tone_agent, world
from tests.sounds import labels, load

GREETING = "la " * 80  # 8 s
WELCOME = {"type": "welcome", "call_id": "c1", "rate_in": 16_000, "rate_out": 24_000, "more": [1]}
FAR = 3 * RATE  # nothing takes longer than this, on however slow a machine


def said(name: str, at_ms: float, **how: bool) -> SayLine:
    label = next(each for each in labels() if each.file == name)
    sound = load(name)
    return SayLine(at_ms, sound.samples, int(label.onset_ms * sound.rate / 1000), name=name, **how)


def of(record: Record, reply: str) -> list[AudioSpan]:
    return [each for each in record.spans if each.reply == reply]


def whole(record: Record) -> None:
    """What is true of every record."""
    assert len(record.agent) == len(record.caller) > 0
    assert all(a.end <= b.begin for a, b in pairwise(record.spans))
    assert all(0 <= each.begin < each.end <= len(record.agent) for each in record.spans)


# ----------------------------------------------------------------------------------------------- our own server


async def test_an_interruption_is_held_cut_and_answered() -> None:
    async with world(settings(), tone_agent(greeting=GREETING)) as here:
        target: Target = BrowserTarget(here.url, agent="tone")
        record = await target.call([said("interruption-3.wav", 400, after_agent=True)], 5500)
        assert await here.nobody_left()
    whole(record)
    assert (record.faults, record.stale_ms, record.closed_by) == ({}, 0, "us")
    assert record.call_id
    (spoken,) = record.spoken
    first, second = of(record, "1")[0], of(record, "2")[0]
    assert first.first == second.first == 0
    last = of(record, "1")[-1]
    assert spoken.onset < last.end < spoken.onset + FAR
    assert second.begin > spoken.end  # it let the caller finish
    assert not record.agent[last.end : second.begin].any()
    assert np.abs(record.agent[second.begin + 80 : second.begin + 800]).max() > 4000
    kinds = [each.what.partition(":")[0] for each in record.notes]
    assert kinds[0] == "hold"
    assert "cut" in kinds
    (tail,) = record.cleared
    assert tail.at >= last.end  # it was held until then
    assert len(tail.samples) > 0
    loud = np.abs(record.caller[spoken.onset : spoken.end]).max()
    assert loud > 10 * np.abs(record.caller[: spoken.onset - 4000]).max()


async def test_after_a_short_sound_the_same_reply_goes_on_at_the_very_next_sample() -> None:
    async with world(settings(), tone_agent(greeting=GREETING)) as here:
        record = await BrowserTarget(here.socket_url).call([said("backchannel-2.wav", 500, after_agent=True)], 3500)
    whole(record)
    assert record.faults == {}
    kinds = [each.what.partition(":")[0] for each in record.notes]
    assert kinds == ["hold", "resume"]
    assert record.cleared == ()
    heard = 0
    for each in record.spans:
        assert each.reply == "1"
        assert each.first is not None
        assert each.first == pytest.approx(heard, abs=2)  # places are rounded down to 8000 Hz
        heard = each.first + each.end - each.begin
    held = [b.begin - a.end for a, b in pairwise(record.spans)]
    assert max(held) > 0.05 * RATE
    assert record.gap_ms < 50  # a hold is no gap


async def test_the_button_cuts_and_the_script_hangs_up() -> None:
    async with world(settings(), tone_agent(greeting=GREETING)) as here:
        record = await BrowserTarget(here.url).call([PressKey(1500, "1"), EndCallStep(2500)], 10_000)
        assert await here.nobody_left()
    whole(record)
    assert 2300 <= record.lasted_ms <= 2500
    assert of(record, "1")[-1].end < 1500 * 8 + FAR // 3
    assert [each.what.partition(":")[0] for each in record.notes] == ["cut"]
    assert record.closed_by == "us"


async def test_who_must_not_call_is_told_so_and_no_token_is_shown() -> None:
    async with world(settings(token=TOKEN), tone_agent()) as here:
        with pytest.raises(VendorRefused, match="401"):
            await BrowserTarget(here.url).call([], 500)
        with pytest.raises(VendorRefused) as refused:
            await BrowserTarget(here.url, token="wrong-but-secret").call([], 500)
        assert "wrong-but-secret" not in str(refused.value)
        with pytest.raises(VendorRefused, match="unknown_agent"):
            await BrowserTarget(here.url, token=TOKEN, agent="nobody").call([], 500)
        assert (await BrowserTarget(here.url, token=TOKEN).call([], 300)).faults == {}


async def test_a_full_server_is_busy() -> None:
    async with world(settings(max_calls=1), tone_agent()) as here, here.client():
        with pytest.raises(VendorRefused, match="busy"):
            await BrowserTarget(here.url).call([], 500)


# ------------------------------------------------------------------------------------------------- other servers

Manners = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def server(manners: Manners, status: int | None = None) -> AsyncIterator[str]:
    def process(connection: ServerConnection, request: Request) -> Response | None:
        return None if status is None else connection.respond(HTTPStatus(status), "no")

    async with serve(
        manners, "127.0.0.1", 0, compression=None, process_request=process, subprotocols=[Subprotocol("bargein.v1")]
    ) as made:
        yield f"ws://127.0.0.1:{made.sockets[0].getsockname()[1]}"


def frame(reply: int, first: int, count: int = 480, flags: int = 0) -> bytes:
    return HEADER.pack(AGENT, flags, 0, reply, 0, first) + np.full(count, 5000, "<i2").tobytes()


class Scripted:
    """A server that says what it is told to; got: what the page said, without its microphone; mic: that."""

    def __init__(self, *steps: object) -> None:
        self.steps = steps
        self.got: list[dict[str, object]] = []
        self.mic: list[tuple[int, int, int]] = []

    async def __call__(self, socket: ServerConnection) -> None:
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(self.read(socket))
            for step in self.steps:
                if isinstance(step, float):
                    await asyncio.sleep(step)
                elif isinstance(step, (bytes, str)):
                    await socket.send(step)
                elif isinstance(step, int):
                    await socket.close(step, "enough")
                else:
                    await socket.send(json.dumps(step))
            await reading

    async def read(self, socket: ServerConnection) -> None:
        async for raw in socket:
            if isinstance(raw, str):
                self.got.append(json.loads(raw))
                if self.got[-1]["type"] == "hangup":
                    return
            else:
                kind, _, _, _, sequence, sample = HEADER.unpack_from(raw)
                assert kind == MICROPHONE
                self.mic.append((sequence, sample, (len(raw) - HEADER.size) // 2))


@simulated_time
async def test_the_page_says_what_the_page_says() -> None:
    manners = Scripted(
        WELCOME,
        *(frame(1, 480 * k) for k in range(20)),
        0.15,
        {"type": "hold", "reply_id": 1},
        0.2,
        {"type": "resume", "reply_id": 1},
        0.1,
        {"type": "audio_interrupted", "reply_id": 1},
        frame(1, 9600),
        frame(2, 0, flags=LAST),
    )
    async with server(manners) as url:
        record = await BrowserTarget(f"{url}/calls/browser", agent="a", policy="patient", clock=LoopClock()).call(
            [], 1200
        )
    whole(record)
    assert manners.got[0] == {
        "type": "hello",
        "protocol": "bargein.v1",
        "agent": "a",
        "policy": "patient",
        "follows": True,
    }
    assert manners.got[-1] == {"type": "hangup"}
    said = manners.got[1:-1]
    kinds = [each["type"] for each in said]
    assert [k for k in kinds if k != "played"] == ["held", "flushed", "finished"]
    held, flushed, finished = (next(each for each in said if each["type"] == k) for k in kinds if k != "played")
    assert (held["reply_id"], flushed["reply_id"], finished) == (1, 1, {**finished, "reply_id": 2, "played": 480})
    assert all(each["playing"] is True for each in said if each["type"] == "played")
    one = [int(str(each["played"])) for each in said if each["reply_id"] == 1]
    assert one == sorted(one)
    assert [(sequence, sample) for sequence, sample, _ in manners.mic] == [(k, 256 * k) for k in range(1200 // 16)]
    assert {count for _, _, count in manners.mic} == {FRAME}
    assert (record.stale_ms, record.faults, record.call_id) == (20, {}, "c1")
    sounded = sum(each.end - each.begin for each in of(record, "1"))
    assert sounded == pytest.approx(int(str(flushed["played"])) * RATE / AGENT_RATE, abs=3)
    (tail,) = record.cleared
    assert sounded + len(tail.samples) == pytest.approx(9600 * RATE / AGENT_RATE, abs=4)


@simulated_time
async def test_nonsense_is_counted_and_kills_no_call() -> None:
    manners = Scripted(
        WELCOME,
        "{",
        "[]",
        '{"type": 7}',
        {"type": "hold", "reply_id": "x"},
        {"type": "hold"},
        {"type": "news", "reply_id": 1},
        {"type": "decision", "kind": "answer", "why": "no verdict"},
        {"type": "decision", "kind": "resume", "why": "a cough"},
        b"",
        b"\x02",
        HEADER.pack(1, 0, 0, 1, 0, 0),
        frame(1, 0)[:-1],
        frame(1, 2**31),
        {"type": "error", "code": "voice_lost", "message": "m", "advice": "a", "fatal": False},
        frame(1, 0, flags=LAST),
    )
    async with server(manners) as url:
        record = await BrowserTarget(url, clock=LoopClock()).call([], 400)
    whole(record)
    assert record.faults == {
        "a message that cannot be read": 4,
        "a frame that cannot be read": 3,
        "a frame that is no sound of an agent": 1,
        "more sound ahead than a client keeps": 1,
        "error voice_lost": 1,
    }
    assert [each.what for each in record.notes] == ["resume: a cough"]
    assert sum(each.end - each.begin for each in record.spans) == 160


@simulated_time
async def test_who_closes_is_said() -> None:
    async with server(Scripted(WELCOME, 0.2, {"type": "bye", "reason": "all is said"}, 1000)) as url:
        record = await BrowserTarget(url, clock=LoopClock()).call([], 5000)
    assert record.closed_by == "the server, 1000 enough (all is said)"
    assert record.lasted_ms < 3000
    async with server(Scripted(WELCOME, 0.1, 1011)) as url:
        record = await BrowserTarget(url, clock=LoopClock()).call([], 5000)
    assert record.closed_by == "the server, 1011 enough"


@simulated_time
async def test_an_echo_comes_back_from_what_sounded() -> None:
    frames = [frame(1, 480 * k) for k in range(40)]
    async with server(Scripted(WELCOME, 0.1, *frames)) as url:
        record = await BrowserTarget(url, clock=LoopClock()).call([], 1000, echo=Echo(100, -20))
    (span,) = record.spans
    back = record.caller[span.begin + 850 : span.begin + 850 + 4000]  # 100 ms, and what a filter takes
    assert np.median(back) == pytest.approx(500, rel=0.05)
    assert np.abs(record.caller[: span.begin + 750]).max() < 100


@simulated_time
async def test_a_call_goes_to_the_server_where_it_is_sent_and_no_further() -> None:
    told = Scripted(WELCOME)
    async with server(told) as there:
        sent = Scripted({"type": "elsewhere", "at": there.replace("ws", "http", 1), "why": "more room"})
        async with server(sent) as url:
            assert (await BrowserTarget(url, clock=LoopClock()).call([], 200)).call_id == "c1"
    assert [manners.got[0]["follows"] for manners in (sent, told)] == [True, False]
    for at in ("/n/b", "ftp://b"):
        async with server(Scripted({"type": "elsewhere", "at": at, "why": "more room"})) as url:
            with pytest.raises(VendorRefused):
                await BrowserTarget(url).call([], 200)


@simulated_time
async def test_what_is_no_agent_refuses_or_is_not_there() -> None:
    for status, error in ((403, VendorRefused), (404, VendorRefused), (302, VendorRefused), (503, VendorLost)):
        async with server(Scripted(), status) as url:
            with pytest.raises(error, match=str(status)):
                await BrowserTarget(f"{url}/?key=secret").call([], 500)
    with pytest.raises(VendorLost, match="Start the server"):
        await BrowserTarget("ws://127.0.0.1:1").call([], 500)
    problem = {"type": "error", "code": "bad_settings", "message": "not tok-secret", "advice": "tok-secret!"}
    for steps, error in (
        (({"type": "state"}, problem), VendorRefused),
        (("{",), VendorRefused),
        (({"type": "welcome"},), VendorRefused),
        (({**WELCOME, "rate_out": 8000},), VendorRefused),
        ((1013,), VendorLost),
    ):
        async with server(Scripted(*steps)) as url:
            with pytest.raises(error) as raised:
                await BrowserTarget(f"{url}/?key=secret", token="tok-secret").call([], 500)
            assert "secret" not in str(raised.value)
    for url in ("", "ftp://x", "localhost:8080", "ws://"):
        with pytest.raises(UsageError):
            BrowserTarget(url)
