"""The bench as a plain client of OpenAI Realtime: against the simulator, and against servers that talk nonsense."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection, serve

from bargein.audio.pcm import Pcm
from bargein.audio.resample import resample
from bargein.errors import UsageError, VendorLost, VendorRefused
from bargein_bench.callers.caller_audio import EndCallStep, PressKey, SayLine
from bargein_bench.record import RATE, Record, Target
from bargein_bench.targets import realtime
from bargein_bench.targets.realtime import SERVER_VAD, RealtimeTarget
from bargein_simulators.openai_realtime import RealtimeSimulator, realtime_app
from tests.bench.simulated_time import LoopClock, simulated_time
from tests.simulators.serving import serving
from tests.simulators.tone_speech import ToneSpeech
from tests.sounds import labels, load

LONG = "This is a long answer, which goes on and on, so that anybody can interrupt it in the middle of any word. " * 2
SHORT = "All right."


def said(name: str, at_ms: float, **how: bool) -> SayLine:
    label = next(each for each in labels() if each.file == name)
    sound = resample(load(name), realtime.RATE)
    return SayLine(at_ms, sound.samples, int(label.onset_ms * sound.rate / 1000), name=name, **how)


def simulator(**how: object) -> RealtimeSimulator:
    given = {
        "respond": lambda said, items: LONG,
        "first_audio_ms": 50,
        "transcript_ms": 0,
        "api_key": "k",
        "speech": ToneSpeech(),
    } | how
    return RealtimeSimulator(**given)  # type: ignore[arg-type]


@asynccontextmanager
async def served(sim: RealtimeSimulator) -> AsyncIterator[str]:
    async with serving(realtime_app(sim), ws=True) as root:
        try:
            yield f"{root.replace('http', 'ws')}/v1/realtime"
        finally:
            await sim.speech.aclose()


def whole(record: Record) -> None:
    """What is true of every record."""
    assert len(record.agent) == len(record.caller) > 0
    assert all(a.end <= b.begin for a, b in pairwise(record.spans))
    assert all(0 <= each.begin < each.end <= len(record.agent) for each in record.spans)


@simulated_time
async def test_an_interruption_silences_truncates_and_is_answered() -> None:
    sim = simulator(speed=2, respond=lambda said, items: LONG if not said else SHORT, scripts=lambda: ["Wait."])
    async with served(sim) as url:
        target: Target = RealtimeTarget(url, clock=LoopClock(), api_key="k", opening=True)
        record = await target.call([said("interruption-3.wav", 1000, after_agent=True)], 6000)
    whole(record)
    session = sim.sessions[0]
    assert (record.faults, record.closed_by, record.call_id) == ({}, "us", session.id)
    (spoken,) = record.spoken
    first, second = record.spans
    assert spoken.onset < first.end < spoken.onset + RATE
    assert second.begin > spoken.end
    assert (first.first, second.first) == (0, 0)
    heard = [item for item in session.items.values() if item.wire.get("role") == "assistant"]
    assert [first.reply, second.reply] == [item.id for item in heard]
    assert heard[0].truncated_ms == pytest.approx((first.end - first.begin) / 8, abs=1)
    assert heard[1].truncated_ms is None
    assert record.stale_ms == 400  # two deltas escape the simulator's cancel, and a client drops them
    (tail,) = record.cleared
    assert tail.at == pytest.approx(first.end, abs=1)
    assert not record.agent[first.end : second.begin].any()
    notes = [each.what for each in record.notes]
    assert notes == [
        "speech_started",
        "response.done cancelled turn_detected",
        "speech_stopped",
        "response.done completed",
    ]
    pcm = {"type": "audio/pcm", "rate": 24_000}
    assert session.config["audio"]["input"]["format"] == session.config["audio"]["output"]["format"] == pcm
    turns = session.config["audio"]["input"]["turn_detection"]
    assert turns | SERVER_VAD == turns


@simulated_time
async def test_where_the_server_may_not_interrupt_the_same_reply_goes_on() -> None:
    sim = simulator()
    detection = {"type": "server_vad", "interrupt_response": False, "create_response": False}
    async with served(sim) as url:
        target = RealtimeTarget(url, clock=LoopClock(), api_key="k", opening=True, turn_detection=detection)
        record = await target.call([said("interruption-3.wav", 700, after_agent=True)], 4000)
    whole(record)
    (span,) = record.spans
    assert span.first == 0
    assert span.end == len(record.agent)
    assert "speech_started" in [each.what for each in record.notes]
    assert (record.cleared, record.stale_ms, record.late) == ((), 0, 0)
    assert record.most_queued_ms > 2000  # it was made faster than it can be heard
    assert not any(event["type"] == "conversation.item.truncate" for _, event in sim.sessions[0].received)


@simulated_time
async def test_the_button_cancels_and_the_script_hangs_up() -> None:
    sim = simulator(speed=2)
    async with served(sim) as url:
        target = RealtimeTarget(
            url,
            clock=LoopClock(),
            api_key="k",
            opening=True,
            turn_detection=None,
            voice="marin",
            instructions="Be.",
        )
        record = await target.call([PressKey(1500, "1"), EndCallStep(2500)], 9000)
    whole(record)
    assert 2300 <= record.lasted_ms <= 2500
    (span,) = record.spans
    assert span.end < 2400 * 8
    assert "response.done cancelled client_cancelled" in [each.what for each in record.notes]
    config = sim.sessions[0].config
    assert (config["instructions"], config["audio"]["output"]["voice"]) == ("Be.", "marin")
    assert config["audio"]["input"]["turn_detection"] is None


@simulated_time
async def test_what_fails_is_counted_and_who_leaves_is_said() -> None:
    sim = simulator()
    async with served(sim) as url:
        sim.faults.append("fail")
        record = await RealtimeTarget(url, clock=LoopClock(), api_key="k", opening=True).call([], 800)
        assert record.faults == {"response failed: server_error": 1}
        assert record.spans == ()
        sim.faults.append("drop")
        record = await RealtimeTarget(url, clock=LoopClock(), api_key="k", opening=True).call([], 8000)
        assert record.closed_by.startswith("the server, 1011")
        assert record.lasted_ms < 5000


@simulated_time
async def test_who_is_refused_or_finds_nobody_is_told_so_without_the_key() -> None:
    async with served(simulator()) as url:
        for target in (RealtimeTarget(url, api_key="wrong-secret"), RealtimeTarget(url)):
            with pytest.raises(VendorRefused, match="401") as refused:
                await target.call([], 500)
            assert "secret" not in str(refused.value)
        with pytest.raises(VendorRefused, match="invalid_value"):
            await RealtimeTarget(url, clock=LoopClock(), api_key="k", voice="nobody").call([], 500)
    sim = simulator()
    async with served(sim) as url:
        sim.faults.append("404")
        with pytest.raises(VendorRefused, match="404"):
            await RealtimeTarget(f"{url}?key=secret&model=m", api_key="k").call([], 500)
        sim.faults.append("500")
        with pytest.raises(VendorLost, match="500") as lost:
            await RealtimeTarget(f"{url}?key=secret", api_key="k").call([], 500)
        assert "secret" not in str(lost.value)
        record = await RealtimeTarget(f"{url}?model=m", clock=LoopClock(), api_key="k").call([], 300)
        assert record.faults == {}
        assert sim.sessions[0].config["model"] == "m"
    with pytest.raises(VendorLost, match="Start the server"):
        await RealtimeTarget("ws://127.0.0.1:1/v1/realtime").call([], 500)
    for url in ("", "ftp://x", "localhost:8080", "ws://"):
        with pytest.raises(UsageError):
            RealtimeTarget(url)


def test_the_environments_key_is_openais_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "from-the-environment")
    assert RealtimeTarget("wss://api.openai.com/v1/realtime")._key == "from-the-environment"
    for url in ("ws://127.0.0.1:1/v1", "ws://api.openai.com/v1", "wss://api.openai.com.example.org/v1"):
        assert RealtimeTarget(url)._key == realtime.NO_KEY


@simulated_time
async def test_nonsense_is_counted_and_kills_no_call() -> None:
    tone = np.full(4800, 5000, "<i2").tobytes()

    def delta(item: object, data: bytes, response: str = "r1") -> dict[str, object]:
        kind = "response.output_audio.delta"
        return {"type": kind, "item_id": item, "response_id": response, "delta": base64.b64encode(data).decode()}

    nonsense: list[object] = [
        "{",
        [],
        {},
        {"type": 7},
        {"type": "brand.new", "delta": None},
        {"type": "response.output_audio.delta"},
        {"type": "response.output_audio.delta", "item_id": "i", "delta": "?"},
        {"type": "response.output_audio.done", "item_id": "never"},
        {"type": "response.done"},
        {"type": "response.done", "response": {"status": "incomplete", "status_details": {"reason": "content_filter"}}},
        {"type": "error", "error": {"type": "server_error", "code": None}},
        {"type": "error"},
        delta("i1", tone),
        delta("i1", b"\x01"),
        {"type": "input_audio_buffer.speech_started"},
        delta("i2", tone),  # another item of the response that was interrupted
        delta("i3", tone, "r2"),
        delta("i4", tone, "r2"),  # i3 never told its end
    ]
    got: list[dict[str, object]] = []

    async def manners(socket: ServerConnection) -> None:
        await socket.send(json.dumps({"type": "session.created", "session": None}))
        got.append(json.loads(await socket.recv()))
        await socket.send("{")
        await socket.send(json.dumps({"type": "session.updated"}))
        for each in nonsense:
            await socket.send(each if isinstance(each, str) else json.dumps(each))
        async for raw in socket:
            got.append(json.loads(raw))

    async with serve(manners, "127.0.0.1", 0, compression=None) as made:
        port = made.sockets[0].getsockname()[1]
        record = await RealtimeTarget(f"http://127.0.0.1:{port}/v1", clock=LoopClock()).call([], 1000)
    whole(record)
    assert record.faults == {
        "an event that cannot be read": 6,
        "an event without a type": 2,
        "response incomplete: content_filter": 1,
        "error server_error": 1,
        "half a sample": 1,
    }
    assert [(each.reply, each.end - each.begin) for each in record.spans if each.reply != "i1"] == [
        ("i3", 1600),
        ("i4", 1600),
    ]
    assert record.stale_ms == 200
    (cut,) = [event for event in got if event["type"] == "conversation.item.truncate"]
    assert (cut["item_id"], cut["content_index"]) == ("i1", 0)
    sent = [np.frombuffer(base64.b64decode(str(e["audio"])), "<i2") for e in got if "audio" in e]
    assert {len(samples) for samples in sent} == {480}
    assert len(sent) == 50
    back = resample(Pcm(np.concatenate(sent).astype(np.int16), 24_000), RATE).samples
    assert record.caller.tolist() == back.tolist()
