"""The voices of OpenAI and Groq against their simulator: a request for each clause, one ahead, and every fault."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, Literal

import numpy as np
import pytest

from bargein.errors import BargeinError, UsageError, VendorLost, VendorRefused
from bargein.vendors.common.speech_requests import pcm16, wav16
from bargein.vendors.groq.speech import GroqSpeech
from bargein.vendors.openai.speech import OpenAISpeech
from bargein_simulators.audio_formats import wav_header
from bargein_simulators.openai_speech import SpeechSimulator, speech_app
from bargein_simulators.simulated_tts import Fault, Spoke
from tests.simulators.serving import serving
from tests.vendors.timed import TEXT, clock_of, pieces, spoken

KEY = "secret-key"
Which = Literal["openai", "groq"]
BOTH = pytest.mark.parametrize("which", ["openai", "groq"])


@asynccontextmanager
async def speech(
    which: Which, *faults: Fault, timeout_s: float = 2.0, **more: Any
) -> AsyncIterator[tuple[Any, SpeechSimulator]]:
    sim = SpeechSimulator(api_key=KEY)
    sim.faults.extend(faults)
    async with serving(speech_app(sim)) as url:
        make = OpenAISpeech if which == "openai" else GroqSpeech
        voice = make(api_key=KEY, base_url=f"{url}/v1", timeout_s=timeout_s, **more)
        try:
            yield voice, sim
        finally:
            await voice.aclose()
            await sim.speech.aclose()


def in_order(sim: SpeechSimulator, text: str = TEXT) -> list[Spoke]:
    """Requests run side by side, and may arrive in any order."""
    return sorted(sim.spoke, key=lambda spoke: text.index(spoke.text))


@BOTH
async def test_all_text_and_all_sound_come_in_order(which: Which) -> None:
    async with speech(which) as (voice, sim):
        stretches = await spoken(voice, TEXT)
        assert "".join(s.text for s in stretches) == TEXT
        assert "".join(s.text for s in in_order(sim)) == TEXT
        assert sum(s.pcm.ms for s in stretches) == sum(s.sent_ms for s in sim.spoke)


@BOTH
async def test_words_are_estimated_within_one_of_the_truth(which: Which) -> None:
    async with speech(which) as (voice, sim):
        clock = clock_of(await spoken(voice, TEXT))
        ends: list[float] = []
        at_ms = 0.0
        for spoke in in_order(sim):
            ends += [at_ms + w.end_ms for w in spoke.words]
            at_ms += spoke.sent_ms
        off = [
            abs(len(clock.heard(float(cut)).text.split()) - sum(end <= cut for end in ends))
            for cut in np.linspace(0, at_ms, 100)
        ]
        assert sum(o <= 1 for o in off) >= 95


@BOTH
async def test_the_next_clause_is_made_while_one_is_given_out(which: Which) -> None:
    async with speech(which) as (voice, sim):
        sim.speed = 4.0
        await spoken(voice, "This is the first one. ", "The second one. ", "The third.")
        first, second, _ = in_order(sim, "This is the first one. The second one. The third.")
        assert second.came_s - first.came_s < first.sent_ms / 1000 / sim.speed, "asked for before the first was whole"


@BOTH
async def test_closing_it_closes_the_requests(which: Which) -> None:
    async with speech(which) as (voice, sim):
        sim.speed = 4.0
        async with asyncio.timeout(10):
            async with aclosing(voice.speak(pieces(TEXT))) as sound:
                await anext(sound)
            await sim.spoke[0].over.wait()
        assert sim.spoke[0].ended == "disconnected"


@BOTH
@pytest.mark.parametrize(
    ("fault", "error"),
    [("401", VendorRefused), ("402", VendorRefused), ("429", VendorLost), ("500", VendorLost), ("silent", VendorLost),
     ("stall", VendorLost), ("drop", VendorLost)],
)  # fmt: skip
async def test_every_fault_is_typed_and_the_next_reply_is_well(
    which: Which, fault: Fault, error: type[BargeinError]
) -> None:
    async with speech(which, fault, fault, timeout_s=0.3) as (voice, sim):
        with pytest.raises(error) as caught:
            await spoken(voice, "This is one clause, and no more than that.")
        assert caught.value.advice
        assert KEY not in str(caught.value)
        sim.faults.clear()
        assert "".join(s.text for s in await spoken(voice, "Hello again.")) == "Hello again."


@BOTH
async def test_what_fails_before_its_first_sound_is_tried_once_more(which: Which) -> None:
    async with speech(which, "500") as (voice, _):
        assert "".join(s.text for s in await spoken(voice, "Hello again.")) == "Hello again."


async def test_a_wav_that_is_none_is_an_error_of_the_vendor() -> None:
    async with speech("groq", "garbage", "garbage") as (voice, _):
        with pytest.raises(VendorLost):
            await spoken(voice, "This is one clause, and no more than that.")


async def test_groq_gets_no_more_than_it_takes_and_the_text_stays_whole() -> None:
    text = "and so on " * 60
    async with speech("groq") as (voice, sim):
        assert "".join(s.text for s in await spoken(voice, text)) == text
        assert all(len(s.text) <= 200 for s in sim.spoke)


async def test_an_error_of_the_text_comes_out_of_the_voice() -> None:
    async def broken() -> AsyncIterator[str]:
        yield "This is one clause. "
        raise VendorLost("The model is gone", advice="Try again")

    async with speech("openai") as (voice, _):
        with pytest.raises(VendorLost, match="model"):
            async for _ in voice.speak(broken()):
                pass


def test_a_speed_that_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="9"):
        OpenAISpeech(api_key=KEY, speed=9)


@pytest.mark.parametrize("size", [1, 3, 7, 64, 1000])
def test_samples_survive_any_cut_of_the_stream(size: int) -> None:
    samples = np.arange(-300, 300, dtype=np.int16)
    for decode, data in ((pcm16(), samples.tobytes()), (wav16(24_000)(), wav_header(24_000) + samples.tobytes())):
        got = [decode(data[at : at + size]) for at in range(0, len(data), size)]
        assert np.array_equal(np.concatenate(got), samples)


def test_a_wav_of_another_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="format"):
        wav16(16_000)()(wav_header(24_000))
