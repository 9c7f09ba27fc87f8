"""ElevenLabs against its simulator: sockets that it closes, and what it says on the wire."""

from __future__ import annotations

import asyncio
import json

import pytest
from elevenlabs.types import AudioOutputMulti, CloseContext, FinalOutputMulti, InitializeConnectionMulti, SendTextMulti

from bargein.audio.pcm import Pcm
from bargein.errors import UsageError
from bargein.vendors.elevenlabs.speech import ElevenLabsSpeech, _Dialect
from bargein_simulators.elevenlabs_wire import alignment
from bargein_simulators.simulated_tts import Chunk
from bargein_simulators.speech import SimulatedSpeech
from tests.vendors.timed import spoken
from tests.vendors.tts_vendors import KEY, eleven


async def test_a_socket_that_the_vendor_closed_meanwhile_is_replaced_unseen() -> None:
    async with eleven() as (voice, sim):
        sim.inactive_s = 0.1
        await spoken(voice, "Hello there.")
        await asyncio.sleep(0.3)
        assert await spoken(voice, "Hello again.")
        assert sim.sockets == 2


def test_a_rate_that_it_does_not_give_is_refused() -> None:
    with pytest.raises(UsageError, match="12000"):
        ElevenLabsSpeech(api_key=KEY, rate=12_000)


def test_our_messages_are_what_the_vendors_types_say() -> None:
    opening, first = (json.loads(m) for m in _Dialect({}).say("r1", "Hello there.", first=True))
    assert InitializeConnectionMulti.model_validate(opening).context_id == "r1"
    sent = SendTextMulti.model_validate(first)
    assert (sent.text, sent.flush, sent.context_id) == ("Hello there. ", True, "r1")
    assert CloseContext.model_validate(json.loads(_Dialect({}).end("r1")[0])).close_context


async def test_the_simulators_messages_are_what_the_vendors_types_say() -> None:
    speech = SimulatedSpeech()
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
