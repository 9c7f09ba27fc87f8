"""Deepgram Aura against its simulator: text and sound go together, flushes are few, and a cut clears."""

from __future__ import annotations

import asyncio
import json
from typing import Any

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
from bargein.errors import UsageError
from bargein.vendors.deepgram.aura import DeepgramAura
from bargein_simulators.deepgram_speak import SpeakSimulator, speak_app
from tests.simulators.serving import serving
from tests.vendors.timed import TEXT, check_estimated, cut, first_before_whole, spoken
from tests.vendors.tts_vendors import KEY, aura


async def test_all_text_and_all_sound_come_in_order() -> None:
    async with aura() as (voice, sim):
        stretches = await spoken(voice, TEXT)
        assert "".join(s.text for s in stretches) == TEXT
        assert "".join(s.text for s in sim.spoke) == TEXT
        assert sum(s.pcm.ms for s in stretches) == sum(s.sent_ms for s in sim.spoke)


async def test_words_are_estimated_within_one_of_the_truth_and_marked_so() -> None:
    async with aura() as (voice, sim):
        check_estimated(await spoken(voice, TEXT), sim.spoke)


async def test_the_first_clause_sounds_before_the_text_is_whole() -> None:
    async with aura() as (voice, _):
        assert (await first_before_whole(voice)).text == "This is the first sentence. "


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
        await cut(voice)
        assert sim.spoke[0].ended == "cancelled"
        stretches = await spoken(voice, "Something else.")
        assert sim.sockets == 1
        assert [s.text for s in stretches if s.text] == ["Something else."]
        assert sum(s.pcm.ms for s in stretches) == sim.spoke[-1].sent_ms, "no late sound of the cut reply"


def test_a_rate_that_it_does_not_give_is_refused() -> None:
    with pytest.raises(UsageError, match="11025"):
        DeepgramAura(api_key=KEY, rate=11_025)


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
