"""The simulated Cartesia: its formats, flushes, times and buffer, and what it refuses."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cartesia import AsyncCartesia
from cartesia.types.websocket_response import WebsocketResponse
from pydantic import TypeAdapter
from websockets.asyncio.client import ClientConnection

from bargein_simulators.cartesia import CartesiaSimulator, cartesia_app
from tests.simulators.serving import serving
from tests.simulators.tts_kit import TEXT, connected, decoded, sounds_like

Json = dict[str, Any]

CARTESIA: TypeAdapter[WebsocketResponse] = TypeAdapter(WebsocketResponse)


def cartesia_request(text: str, **more: object) -> str:
    message: Json = {
        "context_id": "c",
        "model_id": "sonic-3",
        "transcript": text,
        "voice": {"mode": "id", "id": "v"},
        "language": "en",
        "output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 24_000},
    }
    return json.dumps(message | more)


async def until_done(socket: ClientConnection, *kinds: str) -> list[Json]:
    events: list[Json] = []
    while not events or events[-1]["type"] not in ("done", "error", *kinds):
        events.append(json.loads(await socket.recv()))
        CARTESIA.validate_python(events[-1])
    return events


def audio_of(events: list[Json]) -> bytes:
    return b"".join(base64.b64decode(event["data"]) for event in events if event["type"] == "chunk")


@pytest.mark.parametrize(
    ("encoding", "ours", "rate"),
    [
        ("pcm_s16le", "s16le", 16_000),
        ("pcm_f32le", "f32le", 24_000),
        ("pcm_mulaw", "mulaw", 8_000),
        ("pcm_alaw", "alaw", 8_000),
    ],
)
async def test_cartesia_gives_the_encoding_that_is_asked_for(encoding: str, ours: str, rate: int) -> None:
    sim = CartesiaSimulator()
    form = {"container": "raw", "encoding": encoding, "sample_rate": rate}
    async with connected(cartesia_app(sim), "/tts/websocket") as socket:
        await socket.send(cartesia_request(TEXT, output_format=form))
        samples = decoded(audio_of(await until_done(socket)), ours)
    sounds_like(samples, sim.spoke[0].sent_ms, rate)
    await sim.speech.aclose()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (
            {"output_format": {"container": "mp3", "bit_rate": 128_000, "sample_rate": 44_100}},
            "output_format.container",
        ),
        ({"output_format": {"container": "raw", "encoding": "opus", "sample_rate": 24_000}}, "output_format.encoding"),
        ({"output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 12_345}}, "sample_rate"),
        ({"max_buffer_delay_ms": 9_000}, "max_buffer_delay_ms"),
        ({"model_id": None}, "model_id"),
        ({"voice": "v"}, "voice"),
        ({"generation_config": {"speed": 3}}, "generation_config.speed"),
        ({"add_phoneme_timestamps": True}, "add_phoneme_timestamps"),
    ],
)
async def test_cartesia_refuses_what_it_does_not_do_by_name(given: Json, field: str) -> None:
    async with connected(cartesia_app(), "/tts/websocket") as socket:
        await socket.send(cartesia_request(TEXT, **given))
        [error] = await until_done(socket)
        assert (error["type"], error["status_code"], error["context_id"]) == ("error", 400, "c")
        assert field in error["message"]


async def test_cartesia_flushes_are_counted_and_each_is_confirmed() -> None:
    sim = CartesiaSimulator()
    async with connected(cartesia_app(sim), "/tts/websocket") as socket:
        await socket.send(cartesia_request("Stay hungry, ", **{"continue": True}))
        await socket.send(cartesia_request("", **{"continue": True, "flush": True}))
        first = await until_done(socket, "flush_done")
        await socket.send(cartesia_request("stay foolish."))
        second = await until_done(socket)
    assert {event["flush_id"] for event in first} == {1}
    assert (first[-1]["type"], first[-1]["flush_done"], first[-1]["done"]) == ("flush_done", True, False)
    assert {event["flush_id"] for event in second if event["type"] == "chunk"} == {2}
    assert second[-1]["type"] == "done"
    assert sim.spoke[0].text == "Stay hungry, stay foolish."
    await sim.speech.aclose()


async def test_cartesia_gives_times_only_where_they_are_asked_for() -> None:
    sim = CartesiaSimulator()
    async with connected(cartesia_app(sim), "/tts/websocket") as socket:
        await socket.send(cartesia_request(TEXT))
        assert {event["type"] for event in await until_done(socket)} == {"chunk", "done"}
        await socket.send(cartesia_request(TEXT, context_id="d", add_timestamps=True))
        assert "timestamps" in {event["type"] for event in await until_done(socket)}
    await sim.speech.aclose()


async def test_cartesia_speaks_tokens_as_one_text() -> None:
    """Words that come one by one sound as the whole text does, and not as a list of words."""
    sim = CartesiaSimulator()
    text = "One two three four."
    async with connected(cartesia_app(sim), "/tts/websocket") as socket:
        await socket.send(cartesia_request(text))
        await until_done(socket)
        for word in ("One ", "two ", "three ", "four."):
            await socket.send(cartesia_request(word, context_id="t", **{"continue": True}))
        await socket.send(cartesia_request("", context_id="t"))
        await until_done(socket)
    [whole, tokens] = sim.spoke
    assert tokens.sent_ms == pytest.approx(whole.sent_ms, abs=20)  # espeak varies by a fraction of a millisecond
    ends = [word.end_ms for word in tokens.words]
    assert ends == pytest.approx([word.end_ms for word in whole.words], abs=20)
    await sim.speech.aclose()


async def test_cartesia_waits_no_longer_for_more_text_than_it_was_told() -> None:
    sim = CartesiaSimulator()
    async with connected(cartesia_app(sim), "/tts/websocket") as socket:
        await socket.send(cartesia_request("no end yet ", max_buffer_delay_ms=20, **{"continue": True}))
        assert json.loads(await socket.recv())["type"] == "chunk"
    await sim.speech.aclose()


async def test_cartesias_own_client_maps_audio_to_its_flushes() -> None:
    sim = CartesiaSimulator()
    form: Any = {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 24_000}
    voice: Any = {"mode": "id", "id": "v"}
    async with (
        serving(cartesia_app(sim), ws=True) as url,
        AsyncCartesia(api_key="k", websocket_base_url=url.replace("http", "ws")) as client,
        client.tts.websocket_connect() as connection,
    ):
        context = connection.context(model_id="sonic-3", voice=voice, output_format=form)
        await context.push("Stay hungry, ")
        await context.push("", flush=True)
        await context.push("stay foolish.")
        await context.no_more_inputs()
        audio = {1: b"", 2: b""}
        async for event in context.receive():
            if event.type == "chunk" and event.flush_id is not None:
                audio[event.flush_id] += event.audio or b""
    assert min(len(data) for data in audio.values()) > 48 * 200
    assert sum(len(data) for data in audio.values()) == pytest.approx(sim.spoke[0].sent_ms * 48, abs=4)
    await sim.speech.aclose()
