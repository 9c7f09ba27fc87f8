"""Cartesia against its simulator: every word's time, every fault, and one socket for many replies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

import pytest
from cartesia.types import GenerationRequest
from cartesia.types.websocket_client_event import CancelContextRequest
from cartesia.types.websocket_response import Chunk, Done, Error, Timestamps
from websockets.asyncio.client import connect

from bargein.contracts import Spoken
from bargein.errors import BargeinError, Misuse, VendorLost, VendorRefused
from bargein.simulators.cartesia import CartesiaSimulator, cartesia_app
from bargein.simulators.voices import Fault
from bargein.tts.cartesia import CartesiaVoice
from tests.simulators.serving import serving
from tests.tts.timed import TEXT, check_exact, clock_of, pieces, spoken

KEY = "secret-key"


@asynccontextmanager
async def cartesia(
    *faults: Fault, timeout_s: float = 2.0, **more: Any
) -> AsyncIterator[tuple[CartesiaVoice, CartesiaSimulator]]:
    sim = CartesiaSimulator(api_key=KEY)
    sim.faults.extend(faults)
    async with serving(cartesia_app(sim), ws=True) as url:
        voice = CartesiaVoice(api_key=KEY, base_url=url.replace("http", "ws"), timeout_s=timeout_s, **more)
        try:
            yield voice, sim
        finally:
            await voice.aclose()
            await sim.speech.aclose()


async def test_the_words_heard_are_exact_at_any_cut() -> None:
    async with cartesia() as (voice, sim):
        stretches = await spoken(voice, TEXT)
        check_exact(TEXT, stretches, sim.spoke[0])


async def test_so_they_are_when_the_times_come_before_their_sound() -> None:
    async with cartesia() as (voice, sim):
        sim.times_first = True
        check_exact(TEXT, await spoken(voice, TEXT), sim.spoke[0])


async def test_so_they_are_when_the_text_comes_in_pieces_and_at_a_telephones_rate() -> None:
    async with cartesia(rate=8_000) as (voice, sim):
        parts = [TEXT[at : at + 7] for at in range(0, len(TEXT), 7)]
        stretches = await spoken(voice, *parts)
        check_exact(TEXT, stretches, sim.spoke[0])


async def test_a_voice_that_gives_no_times_is_estimated_and_says_so() -> None:
    async with cartesia("untimed") as (voice, _):
        stretches = await spoken(voice, TEXT)
        assert "".join(s.text for s in stretches) == TEXT
        clock = clock_of(stretches)
        heard = clock.heard(clock.ms / 2)
        assert not heard.exact
        assert 0.2 < heard.end / len(TEXT) < 0.8


async def test_sound_comes_before_the_text_is_whole() -> None:
    async with cartesia() as (voice, _):
        more = asyncio.Event()

        async def slowly() -> AsyncIterator[str]:
            yield "This is the first sentence. "
            await more.wait()
            yield "And this the second."

        async with asyncio.timeout(10), aclosing(cast("Any", voice.speak(slowly()))) as sound:
            first = await anext(sound)
            assert len(first.pcm.samples)
            more.set()
            rest = [stretch async for stretch in sound]
        assert "".join(s.text for s in [first, *rest]) == "This is the first sentence. And this the second."


async def test_a_model_that_thinks_for_long_is_not_the_vendors_fault() -> None:
    async with cartesia(timeout_s=0.3) as (voice, _):

        async def slowly() -> AsyncIterator[str]:
            yield "This is the first sentence. "
            await asyncio.sleep(0.8)
            yield "And this the second."

        async with asyncio.timeout(10):
            assert len([s async for s in voice.speak(slowly())]) > 2


async def test_a_cut_ends_the_context_and_the_next_reply_has_the_same_socket() -> None:
    async with cartesia() as (voice, sim):
        sim.speed = 4.0
        async with asyncio.timeout(10):
            async with aclosing(cast("Any", voice.speak(pieces(TEXT)))) as sound:
                await anext(sound)
            stretches = await spoken(voice, "Something else.")
            assert "".join(s.text for s in stretches) == "Something else."
        assert sim.sockets == 1
        assert sim.spoke[0].ended == "cancelled"
        check_exact("Something else.", stretches, sim.spoke[1])


async def test_two_replies_at_once_have_a_socket_each() -> None:
    async with cartesia() as (voice, sim):
        both = await asyncio.gather(spoken(voice, "One of them."), spoken(voice, "The other one."))
        assert ["".join(s.text for s in one) for one in both] == ["One of them.", "The other one."]
        assert sim.sockets == 2


@pytest.mark.parametrize(
    ("fault", "error"),
    [("401", VendorRefused), ("402", VendorRefused), ("429", VendorLost), ("500", VendorLost), ("silent", VendorLost),
     ("stall", VendorLost), ("drop", VendorLost), ("garbage", VendorLost)],
)  # fmt: skip
async def test_every_fault_is_typed_and_the_next_reply_is_well(fault: Fault, error: type[BargeinError]) -> None:
    async with cartesia(fault, timeout_s=0.4) as (voice, _):
        with pytest.raises(error) as caught:
            await spoken(voice, TEXT)
        assert caught.value.advice
        assert KEY not in str(caught.value)
        stretches = await spoken(voice, "Hello again.")
        assert "".join(s.text for s in stretches) == "Hello again."


async def test_what_sounded_before_a_socket_died_is_known() -> None:
    async with cartesia("drop") as (voice, sim):
        got: list[Spoken] = []

        async def listen() -> None:
            async for stretch in voice.speak(pieces(TEXT)):
                got.append(stretch)

        with pytest.raises(VendorLost):
            await listen()
        assert sum(s.pcm.ms for s in got) == sim.spoke[0].sent_ms > 0


async def test_a_wrong_key_and_a_wrong_voice_say_what_to_check() -> None:
    async with cartesia() as (_, sim), serving(cartesia_app(sim), ws=True) as url:
        wrong = CartesiaVoice(api_key="wrong", base_url=url.replace("http", "ws"))
        with pytest.raises(VendorRefused) as refused:
            await spoken(wrong, "Hello.")
        assert refused.value.advice == "Check CARTESIA_API_KEY"
        sim.voices = ("somebody",)
        nobody = CartesiaVoice(api_key=KEY, base_url=url.replace("http", "ws"), voice="nobody")
        with pytest.raises(VendorRefused, match="404"):
            await spoken(nobody, "Hello.")
        await wrong.aclose()
        await nobody.aclose()


async def test_nothing_to_say_needs_no_socket() -> None:
    async with cartesia() as (voice, sim):
        assert await spoken(voice) == []
        assert sim.sockets == 0


def test_a_rate_that_it_does_not_give_is_refused() -> None:
    with pytest.raises(Misuse, match="12000"):
        CartesiaVoice(api_key=KEY, rate=12_000)


def test_our_messages_are_what_the_vendors_types_say() -> None:
    dialect = CartesiaVoice(api_key=KEY)._dialect
    (first,) = (json.loads(m) for m in dialect.say("r1", "Hello there.", first=True))
    sent = GenerationRequest.model_validate(first)
    assert (sent.transcript, sent.context_id, sent.add_timestamps) == ("Hello there. ", "r1", True)
    last = GenerationRequest.model_validate(json.loads(dialect.end("r1")[0]))
    assert last.transcript == ""
    assert first.keys() == json.loads(dialect.end("r1")[0]).keys(), "nothing may change within a context"
    assert CancelContextRequest.model_validate(json.loads(dialect.cancel("r1")[0])).cancel


async def test_the_simulators_messages_are_what_the_vendors_types_say() -> None:
    types: dict[str, Any] = {"chunk": Chunk, "timestamps": Timestamps, "done": Done, "error": Error}
    sim = CartesiaSimulator()
    seen = set()
    async with serving(cartesia_app(sim), ws=True) as url:
        dialect = CartesiaVoice(api_key=KEY)._dialect
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
    assert seen == {"chunk", "timestamps", "done"}
