"""Deepgram Aura against its simulator: text and sound go together, flushes are few, and a cut clears."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import numpy as np
import pytest
from deepgram.speak.v1.types import (
    SpeakV1Clear,
    SpeakV1Cleared,
    SpeakV1Flush,
    SpeakV1Flushed,
    SpeakV1Metadata,
    SpeakV1Text,
)
from websockets.asyncio.client import connect

from bargein.clock import ManualClock
from bargein.errors import BargeinError, Misuse, VendorLost, VendorRefused
from bargein.simulators.deepgram_speak import SpeakSimulator, speak_app
from bargein.simulators.voices import Fault
from bargein.tts.deepgram_aura import AuraVoice
from tests.simulators.serving import serving
from tests.tts.timed import TEXT, clock_of, pieces, spoken

KEY = "secret-key"


@asynccontextmanager
async def aura(*faults: Fault, timeout_s: float = 2.0, **more: Any) -> AsyncIterator[tuple[AuraVoice, SpeakSimulator]]:
    sim = SpeakSimulator(api_key=KEY)
    sim.faults.extend(faults)
    async with serving(speak_app(sim), ws=True) as url:
        voice = AuraVoice(api_key=KEY, base_url=url, timeout_s=timeout_s, **more)
        try:
            yield voice, sim
        finally:
            await voice.aclose()
            await sim.speech.aclose()


async def test_all_text_and_all_sound_come_in_order() -> None:
    async with aura() as (voice, sim):
        stretches = await spoken(voice, TEXT)
        assert "".join(s.text for s in stretches) == TEXT
        assert "".join(s.text for s in sim.spoke) == TEXT
        assert sum(s.pcm.ms for s in stretches) == sum(s.sent_ms for s in sim.spoke)


async def test_words_are_estimated_within_one_of_the_truth_and_marked_so() -> None:
    async with aura() as (voice, sim):
        stretches = await spoken(voice, TEXT)
        ends: list[float] = []
        at_ms = 0.0
        for spoke in sim.spoke:
            ends += [at_ms + w.end_ms for w in spoke.words]
            at_ms += spoke.sent_ms
        clock = clock_of(stretches)
        off = []
        for cut in np.linspace(0, at_ms, 100):
            heard = clock.heard(float(cut))
            off.append(abs(len(heard.text.split()) - sum(end <= cut for end in ends)))
        assert not clock.heard(at_ms / 2).exact
        assert max(off) <= 2
        assert sum(o <= 1 for o in off) >= 95


async def test_the_first_clause_sounds_before_the_text_is_whole() -> None:
    async with aura() as (voice, _):
        more = asyncio.Event()

        async def slowly() -> AsyncIterator[str]:
            yield "This is the first sentence. "
            await more.wait()
            yield "And this the second."

        async with asyncio.timeout(10), aclosing(voice.speak(slowly())) as sound:
            first = await anext(sound)
            assert first.text == "This is the first sentence. "
            more.set()
            rest = [stretch async for stretch in sound]
        assert "".join(s.text for s in rest) == "And this the second."


async def test_flushes_stay_within_the_vendors_limit() -> None:
    text = "".join(f"This is sentence number {n}. " for n in range(40))
    async with aura(clock=ManualClock()) as (voice, sim):
        stretches = await spoken(voice, text)
        assert "".join(s.text for s in stretches) == text
        assert len(sim.spoke) <= 20
        for _ in range(6):
            await spoken(voice, "Another reply.")
        assert sim.sockets == 2, "one with flushes to spare"


async def test_a_cut_clears_and_the_next_reply_has_the_same_socket() -> None:
    async with aura() as (voice, sim):
        sim.speed = 4.0
        async with asyncio.timeout(10):
            async with aclosing(voice.speak(pieces(TEXT))) as sound:
                await anext(sound)
            assert sim.spoke[0].ended == "cancelled"
            stretches = await spoken(voice, "Something else.")
        assert sim.sockets == 1
        assert [s.text for s in stretches if s.text] == ["Something else."]
        assert sum(s.pcm.ms for s in stretches) == sim.spoke[-1].sent_ms, "no late sound of the cut reply"


@pytest.mark.parametrize(
    ("fault", "error"),
    [("401", VendorRefused), ("402", VendorRefused), ("429", VendorLost), ("500", VendorLost), ("silent", VendorLost),
     ("stall", VendorLost), ("drop", VendorLost), ("garbage", VendorLost)],
)  # fmt: skip
async def test_every_fault_is_typed_and_the_next_reply_is_well(fault: Fault, error: type[BargeinError]) -> None:
    async with aura(fault, timeout_s=0.4) as (voice, _):
        with pytest.raises(error) as caught:
            await spoken(voice, TEXT)
        assert caught.value.advice
        assert KEY not in str(caught.value)
        assert "".join(s.text for s in await spoken(voice, "Hello again.")) == "Hello again."


async def test_a_wrong_key_says_what_to_check() -> None:
    async with aura() as (_, sim), serving(speak_app(sim), ws=True) as url:
        wrong = AuraVoice(api_key="wrong", base_url=url)
        with pytest.raises(VendorRefused) as refused:
            await spoken(wrong, "Hello.")
        assert refused.value.advice == "Check DEEPGRAM_API_KEY"
        await wrong.aclose()


def test_a_rate_that_it_does_not_give_is_refused() -> None:
    with pytest.raises(Misuse, match="11025"):
        AuraVoice(api_key=KEY, rate=11_025)


async def test_messages_are_what_the_vendors_types_say_both_ways() -> None:
    answers: dict[str, Any] = {"Metadata": SpeakV1Metadata, "Flushed": SpeakV1Flushed, "Cleared": SpeakV1Cleared}
    asked: list[tuple[Any, dict[str, str]]] = [
        (SpeakV1Text, {"type": "Speak", "text": "Hello."}),
        (SpeakV1Flush, {"type": "Flush"}),
        (SpeakV1Clear, {"type": "Clear"}),
    ]
    sim, seen = SpeakSimulator(), set()
    async with serving(speak_app(sim), ws=True) as url:
        where = url.replace("http", "ws") + "/v1/speak?model=aura-2-thalia-en"
        async with asyncio.timeout(10), connect(where) as socket:
            for kind, message in asked:
                kind.model_validate(message)
                await socket.send(json.dumps(message))
                while kind is SpeakV1Flush and "Flushed" not in seen:
                    told = await socket.recv()
                    if isinstance(told, str):
                        answers[json.loads(told)["type"]].model_validate(json.loads(told))
                        seen.add(json.loads(told)["type"])
            told = json.loads(await socket.recv())
            answers["Cleared"].model_validate(told)
    await sim.speech.aclose()
    assert seen == {"Metadata", "Flushed"}
