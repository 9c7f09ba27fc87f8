"""Cartesia against its simulator: every word's time, and what it says on the wire."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from cartesia.types import GenerationRequest
from cartesia.types.websocket_client_event import CancelContextRequest
from cartesia.types.websocket_response import Chunk, Done, Error, FlushDone, Timestamps
from websockets.asyncio.client import connect

from bargein.errors import UsageError
from bargein.vendors.cartesia.speech import CartesiaSpeech
from bargein_simulators.cartesia import CartesiaSimulator, cartesia_app
from tests.simulators.serving import serving
from tests.vendors.timed import TEXT, check_exact, cut, spoken
from tests.vendors.tts_vendors import KEY, cartesia


async def test_the_words_heard_are_exact_also_when_the_times_come_before_their_sound() -> None:
    async with cartesia() as (voice, sim):
        sim.times_first = True
        check_exact(TEXT, await spoken(voice, TEXT), sim.spoke[0])


async def test_a_cut_ends_the_context() -> None:
    async with cartesia() as (voice, sim):
        sim.speed = 4.0
        await cut(voice)
        await sim.spoke[0].over.wait()
        assert sim.spoke[0].ended == "cancelled"


def test_a_rate_that_it_does_not_give_is_refused() -> None:
    with pytest.raises(UsageError, match="12000"):
        CartesiaSpeech(api_key=KEY, rate=12_000)


def test_our_messages_are_what_the_vendors_types_say() -> None:
    dialect = CartesiaSpeech(api_key=KEY)._dialect
    (first,) = (json.loads(m) for m in dialect.say("r1", "Hello there.", first=True))
    sent = GenerationRequest.model_validate(first)
    assert (sent.transcript, sent.context_id, sent.add_timestamps) == ("Hello there. ", "r1", True)
    last = GenerationRequest.model_validate(json.loads(dialect.end("r1")[0]))
    assert last.transcript == ""
    assert first.keys() == json.loads(dialect.end("r1")[0]).keys(), "nothing may change within a context"
    assert CancelContextRequest.model_validate(json.loads(dialect.cancel("r1")[0])).cancel


async def test_the_simulators_messages_are_what_the_vendors_types_say() -> None:
    types: dict[str, Any] = {
        "chunk": Chunk,
        "timestamps": Timestamps,
        "flush_done": FlushDone,
        "done": Done,
        "error": Error,
    }
    sim = CartesiaSimulator()
    seen = set()
    async with serving(cartesia_app(sim), ws=True) as url:
        dialect = CartesiaSpeech(api_key=KEY)._dialect
        async with asyncio.timeout(10), connect(url.replace("http", "ws") + "/tts/websocket") as socket:
            for message in (*dialect.say("r1", "Hello there.", first=True), *dialect.end("r1")):
                await socket.send(message)
            while "done" not in seen:
                told = json.loads(await socket.recv())
                types[told["type"]].model_validate(told)
                seen.add(told["type"])
            sim.voices = ("nobody",)
            await socket.send(dialect.say("r2", "Hello.", first=True)[0])
            told = json.loads(await socket.recv())
            assert Error.model_validate(told).status_code == 404
    await sim.speech.aclose()
    assert seen == {"chunk", "timestamps", "flush_done", "done"}
