"""Flux and Nova: their ranges, what Configure changes within a connection, and audio that names its own encoding."""

from __future__ import annotations

import asyncio
import io
import json
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from deepgram.listen.v1.types import ListenV1ConfigureFailure, ListenV1ConfigureSuccess
from deepgram.listen.v2.types import ListenV2ConfigureFailure, ListenV2ConfigureSuccess
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bargein.audio.alaw import to_alaw
from bargein.audio.mulaw import to_mulaw
from bargein.audio.pcm import Pcm, Samples
from bargein.audio.resample import resample
from bargein_simulators.audio_formats import wav_header
from bargein_simulators.deepgram_flux import FluxSimulator, flux_app
from bargein_simulators.deepgram_nova import NovaSimulator, nova_app
from tests.simulators.serving import serving
from tests.sounds import load

Json = dict[str, Any]
FLUX = "/v2/listen?model=flux-general-en"
NOVA = "/v1/listen?model=nova-3&interim_results=true"
RAW = "&encoding=linear16&sample_rate=16000"


def spoken(rate: int = 16_000, quiet_s: float = 1.5) -> Samples:
    """Speech, and silence behind it."""
    clip = load("interruption-3.wav")
    with_silence = np.concatenate((clip.samples, np.zeros(int(quiet_s * clip.rate), np.int16)))
    return resample(Pcm(with_silence, clip.rate), rate).samples


def wav(samples: Samples, rate: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, rate, 0, "NONE", ""))
        out.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()


@asynccontextmanager
async def connected(app: FastAPI, path: str) -> AsyncIterator[ClientConnection]:
    async with (
        serving(app, ws=True) as url,
        asyncio.timeout(10),
        connect(url.replace("http", "ws") + path, close_timeout=0.5) as socket,
    ):
        yield socket


async def until(socket: ClientConnection, fits: Any) -> Json:
    while not fits(message := json.loads(await socket.recv())):
        pass
    assert isinstance(message, dict)
    return message


def turn_end(message: Json) -> bool:
    return message.get("event") == "EndOfTurn"


# ---------------------------------------------------------------------------------------------------------------- Flux


@pytest.mark.parametrize(
    "query",
    [
        "&eot_threshold=0.4",
        "&eot_threshold=1.1",
        "&eager_eot_threshold=0.2",
        "&eager_eot_threshold=0.95&eot_threshold=1.0",
        "&eager_eot_threshold=0.8",
        "&eot_timeout_ms=400",
        "&eot_timeout_ms=60001",
    ],
)
async def test_flux_refuses_a_query_outside_the_ranges(query: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connected(flux_app(), FLUX + RAW + query):
            pass
    assert refused.value.response.status_code == 400
    assert json.loads(refused.value.response.body or b"")["err_code"] == "INVALID_QUERY_PARAMETER"


@pytest.mark.parametrize("query", ["&encoding=opus&sample_rate=48000", "&encoding=linear16", "&sample_rate=16000"])
async def test_flux_refuses_audio_that_it_does_not_read(query: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connected(flux_app(), FLUX + query):
            pass
    assert refused.value.response.status_code == 400


async def configured(socket: ClientConnection, **settings: object) -> Json:
    await socket.send(json.dumps({"type": "Configure", **settings}))
    answer = await until(socket, lambda message: message["type"].startswith("Configure"))
    kind: Any = ListenV2ConfigureSuccess if answer["type"] == "ConfigureSuccess" else ListenV2ConfigureFailure
    kind.model_validate(answer)
    return answer


async def test_flux_configure_changes_what_it_names_and_keeps_the_rest() -> None:
    async with connected(flux_app(FluxSimulator(delay_ms=0)), FLUX + RAW + "&keyterm=Oslo") as socket:
        first = await configured(socket, thresholds={"eot_threshold": 0.8})
        assert first["thresholds"] == {"eot_threshold": 0.8, "eager_eot_threshold": None, "eot_timeout_ms": 5_000}
        assert first["keyterms"] == ["Oslo"]
        second = await configured(socket, thresholds={"eager_eot_threshold": 0.5}, keyterms=["Bergen"], numerals=True)
        assert second["thresholds"] == {"eot_threshold": 0.8, "eager_eot_threshold": 0.5, "eot_timeout_ms": 5_000}
        assert (second["keyterms"], second["numerals"]) == (["Bergen"], True)


@pytest.mark.parametrize(
    "settings",
    [
        {"thresholds": {"eot_threshold": 0.4}},
        {"thresholds": {"eot_threshold": 1.2}},
        {"thresholds": {"eager_eot_threshold": 0.9}},
        {"thresholds": {"eot_timeout_ms": 100}},
        {"thresholds": {"end_threshold": 0.7}},
        {"thresholds": {"eot_threshold": "high"}},
        {"keyterms": "Oslo"},
        {"language_hints": ["de"]},
        {"endpointing": 300},
    ],
)
async def test_flux_configure_that_is_wrong_changes_nothing(settings: Json) -> None:
    async with connected(flux_app(FluxSimulator(delay_ms=0)), FLUX + RAW) as socket:
        failed = await configured(socket, **settings)
        assert (failed["type"], failed["code"]) == ("ConfigureFailure", "INVALID_CONFIGURATION")
        kept = (await configured(socket))["thresholds"]
        assert kept == {"eot_threshold": 0.7, "eager_eot_threshold": None, "eot_timeout_ms": 5_000}


async def test_flux_language_hints_are_for_the_multilingual_model() -> None:
    path = "/v2/listen?model=flux-general-multi&language_hint=en" + RAW
    async with connected(flux_app(FluxSimulator(delay_ms=0)), path) as socket:
        assert (await configured(socket))["language_hints"] == ["en"]
        assert (await configured(socket, language_hints=["de"]))["language_hints"] == ["de"]


async def test_flux_configure_is_applied_to_the_turn_under_way() -> None:
    async with connected(flux_app(FluxSimulator(delay_ms=0)), FLUX + RAW + "&eot_threshold=1.0") as socket:
        await socket.send(spoken(quiet_s=1.2).tobytes())
        await until(socket, lambda message: message.get("event") == "StartOfTurn")
        await configured(socket, thresholds={"eot_timeout_ms": 500})
        await socket.send(np.zeros(3_200, np.int16).tobytes())
        assert (await until(socket, turn_end))["trigger"] == "timeout"


async def test_flux_with_a_threshold_of_one_ends_no_turn_but_by_timeout_or_by_force() -> None:
    query = "&eot_threshold=1.0&eot_timeout_ms=3000"
    async with connected(flux_app(FluxSimulator(delay_ms=0)), FLUX + RAW + query) as socket:
        await socket.send(spoken(quiet_s=4.0).tobytes())
        ended = await until(socket, turn_end)
        assert ended["trigger"] == "timeout"
        await socket.send(spoken(quiet_s=1.2).tobytes())
        await socket.send(json.dumps({"type": "ForceEndTurn"}))
        assert (await until(socket, turn_end))["trigger"] == "manual"


# ------------------------------------------------------------------------------------------------ audio of both of them


@pytest.mark.parametrize(
    ("query", "encode"),
    [
        ("&encoding=alaw&sample_rate=8000", lambda: to_alaw(spoken(8_000))),
        ("&encoding=mulaw&sample_rate=8000", lambda: to_mulaw(spoken(8_000))),
        ("&encoding=linear32&sample_rate=16000", lambda: (spoken() / 32_768).astype("<f4").tobytes()),
        ("&encoding=linear16&sample_rate=44100", lambda: spoken(44_100).tobytes()),
        ("", lambda: wav(spoken(24_000), 24_000)),
        ("", lambda: wav(spoken(22_050), 22_050)),
    ],
)
async def test_flux_and_nova_read_the_same_audio(query: str, encode: Any) -> None:
    data = encode()
    async with connected(flux_app(FluxSimulator(delay_ms=0)), FLUX + query) as socket:
        for at in range(0, len(data), 1_000):
            await socket.send(data[at : at + 1_000])
        assert (await until(socket, turn_end))["transcript"] == "Hello there, can you help me?"
    async with connected(nova_app(NovaSimulator(delay_ms=0)), NOVA + query) as socket:
        for at in range(0, len(data), 1_000):
            await socket.send(data[at : at + 1_000])
        final = await until(socket, lambda message: message.get("speech_final"))
        assert final["channel"]["alternatives"][0]["transcript"] == "hello there can you help me"


async def test_without_an_encoding_raw_samples_are_no_audio() -> None:
    async with connected(nova_app(), NOVA) as socket:
        await socket.send(spoken().tobytes())
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "DATA-0000")
    async with connected(flux_app(FluxSimulator(delay_ms=0)), FLUX) as socket:
        await socket.send(spoken().tobytes())
        assert (await until(socket, lambda message: message["type"] == "Error"))["code"] == "UNPARSABLE_AUDIO"


@pytest.mark.parametrize("rate", [0, 1, 7_999, 48_001, 96_000, 2**31 - 1])
async def test_a_header_with_a_rate_that_no_vendor_hears_is_no_audio(rate: int) -> None:
    data = wav_header(rate) + bytes(3_200)
    async with connected(nova_app(), NOVA) as socket:
        await socket.send(data)
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "DATA-0000")
    async with connected(flux_app(FluxSimulator(delay_ms=0)), FLUX) as socket:
        await socket.send(data)
        assert (await until(socket, lambda message: message["type"] == "Error"))["code"] == "UNPARSABLE_AUDIO"


# ---------------------------------------------------------------------------------------------------------------- Nova


@pytest.mark.parametrize("rate", [11_025, 22_050, 44_100, 47_999])
async def test_nova_hears_every_rate_that_it_takes(rate: int) -> None:
    data = spoken(rate).tobytes()
    async with connected(nova_app(NovaSimulator(delay_ms=0)), f"{NOVA}&encoding=linear16&sample_rate={rate}") as socket:
        await socket.send(data)
        final = await until(socket, lambda message: message.get("speech_final"))
        assert final["channel"]["alternatives"][0]["transcript"] == "hello there can you help me"


async def test_nova_turns_formatting_on_within_a_connection() -> None:
    async with connected(nova_app(NovaSimulator(delay_ms=0)), NOVA + RAW) as socket:
        await socket.send(json.dumps({"type": "Configure", "features": {"punctuate": True}}))
        await socket.send(spoken().tobytes())
        final = await until(socket, lambda message: message.get("speech_final"))
        assert final["channel"]["alternatives"][0]["transcript"] == "Hello there, can you help me?"


@pytest.mark.parametrize(
    ("model", "settings", "expected"),
    [
        ("nova-3", {"keyterms": ["Oslo"]}, {"type": "ConfigureSuccess", "keyterms": ["Oslo"]}),
        ("nova-3", {"keyterms": []}, {"type": "ConfigureSuccess", "keyterms": []}),
        ("nova-2", {"features": {"numerals": True}}, {"type": "ConfigureSuccess"}),
        (
            "nova-2",
            {"keyterms": ["Oslo"]},
            {"type": "ConfigureFailure", "code": "CONFIGURE_KEYTERMS_NOT_SUPPORTED"},
        ),
        (
            "nova-3",
            {"keyterms": ["word"] * 501},
            {"type": "ConfigureFailure", "code": "CONFIGURE_KEYTERM_LIMIT_EXCEEDED"},
        ),
        ("nova-3", {"keyterms": "Oslo"}, {"type": "ConfigureFailure", "code": "CONFIGURE_INTERNAL_ERROR"}),
    ],
)
async def test_nova_answers_configure(model: str, settings: Json, expected: Json) -> None:
    async with connected(nova_app(NovaSimulator(delay_ms=0)), f"/v1/listen?model={model}{RAW}") as socket:
        await socket.send(json.dumps({"type": "Configure", **settings}))
        answer = json.loads(await socket.recv())
    kind: Any = ListenV1ConfigureSuccess if answer["type"] == "ConfigureSuccess" else ListenV1ConfigureFailure
    kind.model_validate(answer)
    told = {name: value for name, value in answer.items() if name not in ("request_id", "description")}
    assert told == expected
