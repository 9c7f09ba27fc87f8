"""A simulated caller against small servers whose manners are known, and what is told of them."""

from __future__ import annotations

import asyncio
import base64
import json
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from bargein.audio.mulaw import from_mulaw, to_mulaw
from bargein.errors import UsageError, VendorLost, VendorRefused
from bargein_bench.callers import call_script
from bargein_bench.callers.caller import Caller
from bargein_bench.callers.caller_audio import Echo, EndCallStep, PressKey, SayLine, Step
from bargein_bench.callers.crowd import CallPlan, run
from bargein_bench.callers.yielding import audible, gaps, score
from tests.bench.simulated_time import LoopClock, simulated_time

TONE = (np.sin(np.arange(160) * 0.4) * 9000).astype(np.int16)
VOICE = (np.random.default_rng(1).normal(0, 4000, 8000)).astype(np.int16)

Manners = Callable[[ServerConnection, list[dict[str, object]]], Awaitable[None]]


@asynccontextmanager
async def server(manners: Manners) -> AsyncIterator[tuple[str, list[dict[str, object]]]]:
    """A server with these manners; its address, and all that it got."""
    got: list[dict[str, object]] = []

    async def handle(socket: ServerConnection) -> None:
        await manners(socket, got)

    async with serve(handle, "127.0.0.1", 0, compression=None) as made:
        port = made.sockets[0].getsockname()[1]
        yield f"ws://127.0.0.1:{port}/media", got


async def talks(socket: ServerConnection, got: list[dict[str, object]], *, yields: bool, frames: int = 1000) -> None:
    """Plays a tone; a polite one clears it at the first loud frame."""
    stream = ""

    async def say(**message: object) -> None:
        await socket.send(json.dumps({"streamSid": stream, **message}))

    async def play() -> None:
        payload = base64.b64encode(to_mulaw(TONE)).decode()
        for k in range(frames):
            await say(event="media", media={"payload": payload})
            if k % 5 == 4:
                await say(event="mark", mark={"name": str(k)})
            await asyncio.sleep(0.02)

    playing: asyncio.Task[None] | None = None
    async for raw in socket:
        message = json.loads(raw)
        got.append(message)
        if message["event"] == "start":
            stream = message["streamSid"]
            playing = asyncio.create_task(play())
        elif message["event"] == "media" and yields and playing is not None and not playing.done():
            samples = from_mulaw(base64.b64decode(message["media"]["payload"]))
            if np.abs(samples.astype(int)).max() > 2000:
                playing.cancel()
                await say(event="clear")
        elif message["event"] == "stop":
            break
    if playing is not None:
        playing.cancel()
        await asyncio.wait([playing])


async def polite(socket: ServerConnection, got: list[dict[str, object]]) -> None:
    await talks(socket, got, yields=True)


async def rude(socket: ServerConnection, got: list[dict[str, object]]) -> None:
    await talks(socket, got, yields=False)


@simulated_time
async def test_a_caller_says_what_twilio_says_in_twilios_order() -> None:
    async with server(polite) as (url, got):
        steps: list[Step] = [PressKey(300, "5"), EndCallStep(700)]
        result = await Caller(url, steps, 2000, parameters={"agent": "front"}, clock=LoopClock()).run()
    kinds = [str(m["event"]) for m in got]
    assert kinds[:2] == ["connected", "start"]
    assert kinds[-1] == "stop"
    assert [int(str(m["sequenceNumber"])) for m in got[1:]] == list(range(1, len(got)))
    start = got[1]["start"]
    assert isinstance(start, dict)
    assert start["customParameters"] == {"agent": "front"}
    assert start["mediaFormat"] == {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    media = [m["media"] for m in got if m["event"] == "media"]
    assert [m["chunk"] for m in media] == [str(k + 1) for k in range(len(media))]  # type: ignore[index]
    assert [m["timestamp"] for m in media] == [str(20 * k) for k in range(len(media))]  # type: ignore[index]
    assert all(len(base64.b64decode(m["payload"])) == 160 for m in media)  # type: ignore[index]
    assert [m["dtmf"] for m in got if m["event"] == "dtmf"] == [{"track": "inbound_track", "digit": "5"}]
    marks = [m["mark"]["name"] for m in got if m["event"] == "mark"]  # type: ignore[index]
    assert marks == [str(k) for k in range(4, 5 * len(marks), 5)]
    assert result.lasted < 2000 * 8


@simulated_time
async def test_a_server_that_yields_is_told_from_one_that_does_not() -> None:
    said = [SayLine(800, VOICE, 0, name="wait")]
    async with server(polite) as (url, _):
        kind = score(await Caller(url, said, 4000, clock=LoopClock()).run())
    async with server(rude) as (url, _):
        other = score(await Caller(url, said, 4000, clock=LoopClock()).run())
    assert [y.name for y in kind.yields] == ["wait"]
    stop = kind.yields[0].stop_ms
    assert stop is not None
    assert 0 < stop < 1000
    assert kind.clears == 1
    assert [y.stop_ms for y in other.yields] == [None]
    assert other.faults == {}


@simulated_time
async def test_a_far_network_adds_its_way_there_and_back() -> None:
    said = [SayLine(900, VOICE, 0)]
    async with server(polite) as (url, _):
        far = score(await Caller(url, said, 4000, way_ms=150, clock=LoopClock()).run())
    stop = far.yields[0].stop_ms
    assert stop is not None
    assert stop >= 300


@simulated_time
async def test_a_line_that_echoes_gives_back_what_it_played() -> None:
    async with server(rude) as (url, got):
        result = await Caller(url, [], 1500, echo=Echo(100, -10), clock=LoopClock()).run()
    heard = np.concatenate(
        [from_mulaw(base64.b64decode(m["media"]["payload"])) for m in got if m["event"] == "media"]  # type: ignore[index]
    )
    played = result.telephone.signal()[: len(heard)].astype(float)
    assert np.corrcoef(heard[4000:8000], played[3200:7200])[0, 1] > 0.98
    assert np.std(heard[4000:8000]) == pytest.approx(np.std(played[3200:7200]) * 10**-0.5, rel=0.1)


@simulated_time
async def test_what_a_server_says_wrong_is_counted_and_does_no_harm() -> None:
    async def odd(socket: ServerConnection, got: list[dict[str, object]]) -> None:
        await socket.send("{")
        await socket.send(json.dumps({"event": "media", "streamSid": "MZ?", "media": {"payload": "AA=="}}))
        async for raw in socket:
            message = json.loads(raw)
            if message["event"] == "start":
                sid = message["streamSid"]
                await socket.send(json.dumps({"event": "connected", "streamSid": sid}))
                await socket.send(json.dumps({"event": "media", "streamSid": sid, "media": {"payload": "%%"}}))
                await socket.send(b"\x00")
            elif message["event"] == "stop":
                return

    async with server(odd) as (url, _):
        told = score(await Caller(url, [], 400, clock=LoopClock()).run())
    assert told.faults == {
        "a message that cannot be read": 2,
        "another streamSid": 1,
        "event 'connected'": 1,
        "a message that is no text": 1,
    }


@simulated_time
async def test_a_server_that_hangs_up_ends_the_call() -> None:
    async def curt(socket: ServerConnection, got: list[dict[str, object]]) -> None:
        await socket.recv()
        await socket.close(1008, "busy")

    async with server(curt) as (url, _):
        result = await Caller(url, [], 5000, clock=LoopClock()).run()
    assert result.closed_by == "the server, 1008 busy"
    assert result.lasted < 4 * 8000


@simulated_time
async def test_nobody_there_and_nobody_willing_are_different_errors() -> None:
    with pytest.raises(VendorLost, match="No server answers"):
        await Caller("ws://127.0.0.1:9/media", [], 100, clock=LoopClock()).run()
    async with serve(lambda _: asyncio.sleep(0), "127.0.0.1", 0, process_request=_refuse) as made:
        port = made.sockets[0].getsockname()[1]
        with pytest.raises(VendorRefused, match="403"):
            await Caller(f"ws://127.0.0.1:{port}/media", [], 100, clock=LoopClock()).run()


def _refuse(connection: ServerConnection, request: Request) -> Response:
    return connection.respond(403, "no")


@simulated_time
async def test_many_callers_go_on_when_some_find_nobody() -> None:
    async with server(polite) as (url, _):
        plan = CallPlan(url, 3, 600, lambda n: [SayLine(300, VOICE, 0)] if n else [], apart_ms=5)
        done = await run(plan, clock=LoopClock())
    assert len(done.scores) == 3
    assert done.summary()["misses"] == 0
    lost = await run(CallPlan("ws://127.0.0.1:9/media", 2, 100, lambda _: []), clock=LoopClock())
    assert sum(lost.failed.values()) == 2
    assert lost.summary()["onset_to_silence_ms"] == {"n": 0}


# ------------------------------------------------------------------------------------------------------- measures


def test_what_can_be_heard_is_what_stands_out_of_silence() -> None:
    signal = np.concatenate((np.zeros(800, np.int16), VOICE[:800], np.full(800, 3, np.int16)))
    assert audible(signal).tolist() == [False] * 100 + [True] * 100 + [False] * 100


def test_lost_and_repeated_sound_is_seen_against_the_original() -> None:
    heard = np.concatenate((VOICE[:2000], np.zeros(500, np.int16), VOICE[1900:4000], VOICE[4200:5000]))
    assert gaps(heard, VOICE) == [(0, 2000), (1900, 2100), (4200, 800)]


# -------------------------------------------------------------------------------------------------------- scripts


def test_a_script_is_read_and_what_is_wrong_in_it_is_named(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(VOICE.astype("<i2").tobytes())
    script = tmp_path / "s.json"
    script.write_text(
        '[{"at_ms": 10, "say": "a.wav"}, {"after_agent_ms": 5, "say": "a.wav"}, {"at_ms": 20, "key": "#"},'
        ' {"at_ms": 30, "hang_up": true}]'
    )
    first, second, press, end = call_script.read(script)
    assert isinstance(first, SayLine)
    assert len(first.samples) == 4000
    assert isinstance(second, SayLine)
    assert second.after_agent
    assert (press, end) == (PressKey(20.0, "#"), EndCallStep(30.0))
    for wrong, named in (
        ("{}", "no list"),
        ('[{"at_ms": 1, "key": "x"}]', "Step 1"),
        ('[{"at_ms": 1, "say": "none.wav"}]', "none.wav"),
        ("[", "cannot be read"),
    ):
        script.write_text(wrong)
        with pytest.raises(UsageError, match=named):
            call_script.read(script)
