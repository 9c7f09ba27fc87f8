"""ElevenLabs against its simulator: every word's time, every fault, and sockets that are used again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

import pytest
from elevenlabs.types import AudioOutputMulti, CloseContext, FinalOutputMulti, InitializeConnectionMulti, SendTextMulti

from bargein.audio.pcm import Pcm
from bargein.contracts import Spoken
from bargein.errors import BargeinError, Misuse, VendorLost, VendorRefused
from bargein.simulators.elevenlabs import ElevenLabsSimulator, alignment, elevenlabs_app
from bargein.simulators.speech import Speech
from bargein.simulators.voices import Chunk, Fault
from bargein.tts.elevenlabs import ElevenLabsVoice, _Dialect
from tests.simulators.serving import serving
from tests.tts.timed import TEXT, check_exact, clock_of, pieces, spoken

KEY = "secret-key"


@asynccontextmanager
async def eleven(
    *faults: Fault, timeout_s: float = 2.0, **more: Any
) -> AsyncIterator[tuple[ElevenLabsVoice, ElevenLabsSimulator]]:
    sim = ElevenLabsSimulator(api_key=KEY)
    sim.faults.extend(faults)
    async with serving(elevenlabs_app(sim), ws=True) as url:
        voice = ElevenLabsVoice(api_key=KEY, base_url=url.replace("http", "ws"), timeout_s=timeout_s, **more)
        try:
            yield voice, sim
        finally:
            await voice.aclose()
            await sim.speech.aclose()


async def test_the_words_heard_are_exact_at_any_cut() -> None:
    async with eleven() as (voice, sim):
        stretches = await spoken(voice, TEXT)
        check_exact(TEXT, stretches, sim.spoke[0])


async def test_so_they_are_when_the_text_comes_in_pieces_and_at_a_telephones_rate() -> None:
    async with eleven(rate=8_000) as (voice, sim):
        parts = [TEXT[at : at + 7] for at in range(0, len(TEXT), 7)]
        stretches = await spoken(voice, *parts)
        check_exact(TEXT, stretches, sim.spoke[0])


async def test_a_voice_that_gives_no_times_is_estimated_and_says_so() -> None:
    async with eleven("untimed") as (voice, _):
        stretches = await spoken(voice, TEXT)
        assert "".join(s.text for s in stretches) == TEXT
        clock = clock_of(stretches)
        heard = clock.heard(clock.ms / 2)
        assert not heard.exact
        assert 0.2 < heard.end / len(TEXT) < 0.8


async def test_sound_comes_before_the_text_is_whole() -> None:
    async with eleven() as (voice, _):
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
    async with eleven(timeout_s=0.3) as (voice, _):

        async def slowly() -> AsyncIterator[str]:
            yield "This is the first sentence. "
            await asyncio.sleep(0.8)
            yield "And this the second."

        async with asyncio.timeout(10):
            assert len([s async for s in voice.speak(slowly())]) > 2


async def test_a_cut_ends_the_context_and_the_next_reply_has_the_same_socket() -> None:
    async with eleven() as (voice, sim):
        sim.speed = 4.0
        async with asyncio.timeout(10):
            async with aclosing(cast("Any", voice.speak(pieces(TEXT)))) as sound:
                await anext(sound)
            stretches = await spoken(voice, "Something else.")
            assert "".join(s.text for s in stretches) == "Something else."
        assert sim.sockets == 1
        check_exact("Something else.", stretches, sim.spoke[1])


async def test_two_replies_at_once_have_a_socket_each() -> None:
    async with eleven() as (voice, sim):
        both = await asyncio.gather(spoken(voice, "One of them."), spoken(voice, "The other one."))
        assert ["".join(s.text for s in one) for one in both] == ["One of them.", "The other one."]
        assert sim.sockets == 2


async def test_a_socket_that_the_vendor_closed_meanwhile_is_replaced_unseen() -> None:
    async with eleven() as (voice, sim):
        sim.inactive_s = 0.1
        await spoken(voice, "Hello there.")
        await asyncio.sleep(0.3)
        assert await spoken(voice, "Hello again.")
        assert sim.sockets == 2


@pytest.mark.parametrize(
    ("fault", "error"),
    [("401", VendorRefused), ("402", VendorRefused), ("429", VendorLost), ("500", VendorLost), ("silent", VendorLost),
     ("stall", VendorLost), ("drop", VendorLost), ("garbage", VendorLost)],
)  # fmt: skip
async def test_every_fault_is_typed_and_the_next_reply_is_well(fault: Fault, error: type[BargeinError]) -> None:
    async with eleven(fault, timeout_s=0.4) as (voice, _):
        with pytest.raises(error) as caught:
            await spoken(voice, TEXT)
        assert caught.value.advice
        assert KEY not in str(caught.value)
        stretches = await spoken(voice, "Hello again.")
        assert "".join(s.text for s in stretches) == "Hello again."


async def test_what_sounded_before_a_socket_died_is_known() -> None:
    async with eleven("drop") as (voice, sim):
        got: list[Spoken] = []

        async def listen() -> None:
            async for stretch in voice.speak(pieces(TEXT)):
                got.append(stretch)

        with pytest.raises(VendorLost):
            await listen()
        assert sum(s.pcm.ms for s in got) == sim.spoke[0].sent_ms > 0


async def test_a_wrong_key_and_a_wrong_voice_say_what_to_check() -> None:
    async with eleven() as (_, sim), serving(elevenlabs_app(sim), ws=True) as url:
        wrong = ElevenLabsVoice(api_key="wrong", base_url=url.replace("http", "ws"))
        with pytest.raises(VendorRefused) as refused:
            await spoken(wrong, "Hello.")
        assert refused.value.advice == "Check ELEVENLABS_API_KEY"
        sim.voices = ("somebody",)
        nobody = ElevenLabsVoice(api_key=KEY, base_url=url.replace("http", "ws"), voice="nobody")
        with pytest.raises(VendorRefused, match="voice"):
            await spoken(nobody, "Hello.")
        await wrong.aclose()
        await nobody.aclose()


async def test_nothing_to_say_needs_no_socket() -> None:
    async with eleven() as (voice, sim):
        assert await spoken(voice) == []
        assert sim.sockets == 0


def test_a_rate_that_it_does_not_give_is_refused() -> None:
    with pytest.raises(Misuse, match="12000"):
        ElevenLabsVoice(api_key=KEY, rate=12_000)


def test_our_messages_are_what_the_vendors_types_say() -> None:
    opening, first = (json.loads(m) for m in _Dialect({}).say("r1", "Hello there.", first=True))
    assert InitializeConnectionMulti.model_validate(opening).context_id == "r1"
    sent = SendTextMulti.model_validate(first)
    assert (sent.text, sent.flush, sent.context_id) == ("Hello there. ", True, "r1")
    assert CloseContext.model_validate(json.loads(_Dialect({}).end("r1")[0])).close_context


async def test_the_simulators_messages_are_what_the_vendors_types_say() -> None:
    speech = Speech()
    said = await speech.say("Hello there.")
    await speech.aclose()
    told = alignment(Chunk(said.pcm, 0.0, said.words, said, last=True))
    message = {"audio": "AAAA", "alignment": told, "contextId": "r1", "isFinal": None}
    typed = AudioOutputMulti.model_validate(message)
    assert typed.alignment is not None
    assert "".join(typed.alignment.chars or []) == "Hello there."
    assert typed.alignment.char_start_times_ms is not None
    assert FinalOutputMulti.model_validate({"isFinal": True, "contextId": "r1"}).context_id == "r1"
    assert isinstance(said.pcm, Pcm)
