"""Mistral's speech against its simulator: a generation for each clause, a cut that closes, and every fault."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection, serve

from bargein.errors import BargeinError, VendorLost, VendorRefused
from bargein.vendors.mistral.speech import MistralSpeech, float32
from bargein_simulators.simulated_tts import Fault
from bargein_simulators.speech import SimulatedSpeech
from tests.vendors.mistral.speech_kit import (
    DELTA,
    DONE,
    KEY,
    Vendor,
    mistral,
    scripted,
    simulated,
    speaking,
)
from tests.vendors.timed import TEXT, check_estimated, cut, first_before_whole, pieces, spoken


async def test_all_text_and_all_sound_come_in_order_wherever_the_messages_are_cut() -> None:
    async with mistral() as (voice, sim):
        sim.message_bytes = 4_799
        stretches = await spoken(voice, TEXT)
        assert "".join(s.text for s in stretches) == TEXT
        assert [s.text for s in stretches if s.text] == [s.text for s in sim.spoke], "each with its clause's first"
        assert all(s.words is None for s in stretches)
        made = [(await sim.speech.say(s.text, voice.rate)).pcm.samples for s in sim.spoke]
        assert np.array_equal(np.concatenate([s.pcm.samples for s in stretches]), np.concatenate(made))


async def test_words_are_estimated_within_one_of_the_truth_and_marked_so() -> None:
    async with mistral(speech=SimulatedSpeech()) as (voice, sim):
        check_estimated(await spoken(voice, TEXT), sim.spoke)


async def test_the_first_clause_sounds_before_the_text_is_whole() -> None:
    async with mistral() as (voice, _):
        assert (await first_before_whole(voice)).text == "This is the first sentence. "


async def test_the_model_does_not_wait_for_the_sound() -> None:
    async with scripted(Vendor(DELTA)) as voice:
        written = asyncio.Event()

        async def text() -> AsyncIterator[str]:
            for n in range(20):
                yield f"This is sentence number {n}. "
            written.set()

        async with asyncio.timeout(10), aclosing(voice.speak(text())) as sound:
            await anext(sound)
            await written.wait()


async def test_one_reply_after_the_other_has_the_same_socket_and_two_at_once_one_each() -> None:
    async with mistral() as (voice, sim):
        await spoken(voice, "Hello there.")
        await spoken(voice, "Hello again.")
        assert sim.sockets == 1
        both = await asyncio.gather(spoken(voice, "One of them."), spoken(voice, "The other one."))
        assert ["".join(s.text for s in one) for one in both] == ["One of them.", "The other one."]
        assert sim.sockets == 2


async def test_a_cut_closes_the_socket_and_the_next_reply_finds_another_open() -> None:
    async with mistral() as (voice, sim):
        sim.speed = 4.0
        async with asyncio.timeout(10):
            await cut(voice)
            await sim.spoke[0].over.wait()
            assert sim.spoke[0].ended == "disconnected"
            await asyncio.gather(*voice._opening)
            assert sim.sockets == 2
            stretches = await spoken(voice, "Something else.")
        assert sim.sockets == 2
        assert [s.text for s in stretches if s.text] == ["Something else."]
        assert sum(s.pcm.ms for s in stretches) == sim.spoke[-1].sent_ms, "no late sound of the cut reply"


async def test_a_reply_that_is_cancelled_before_its_first_sound_closes_too() -> None:
    vendor = Vendor()
    async with scripted(vendor) as voice, asyncio.timeout(10):
        reply = asyncio.create_task(spoken(voice, "Hello."))
        await vendor.flushed.wait()
        reply.cancel()
        await vendor.gone.wait()
        with pytest.raises(asyncio.CancelledError):
            await reply


async def test_every_fault_is_typed_and_the_next_reply_is_well() -> None:
    faults: dict[Fault, type[BargeinError]] = {
        "401": VendorRefused,
        "402": VendorRefused,
        "429": VendorLost,
        "500": VendorLost,
        "silent": VendorLost,
        "slow": VendorLost,
        "stall": VendorLost,
        "drop": VendorLost,
        "garbage": VendorLost,
    }
    async with simulated() as (url, sim):
        for fault, error in faults.items():
            sim.faults.append(fault)
            async with speaking(url, timeout_s=0.3) as voice:
                with pytest.raises(error) as caught:
                    async with asyncio.timeout(1.5):
                        await spoken(voice, TEXT)
                assert caught.value.advice, fault
                assert KEY not in str(caught.value)
                assert "".join(s.text for s in await spoken(voice, "Hello again.")) == "Hello again.", fault
            assert not sim.faults


async def test_what_sounded_before_a_socket_died_is_known() -> None:
    async with scripted(Vendor(DELTA, DELTA, "{}")) as voice:
        heard: list[float] = []

        async def hear() -> None:
            async for stretch in voice.speak(pieces(TEXT)):
                heard.append(stretch.pcm.ms)

        with pytest.raises(VendorLost):
            await hear()
        assert heard == [50.0, 50.0]


async def test_a_model_that_thinks_for_long_is_not_the_vendors_fault() -> None:
    async with scripted(Vendor(DELTA, DONE), timeout_s=0.1) as voice:

        async def slowly() -> AsyncIterator[str]:
            yield "This is the first sentence. "
            await asyncio.sleep(0.2)
            yield "And this the second."

        assert len([stretch async for stretch in voice.speak(slowly())]) == 2


async def test_a_wrong_key_says_what_to_check_and_so_does_a_voice_to_which_the_vendor_only_closes() -> None:
    async with simulated() as (url, sim):
        sim.voices = ("gb_jane_neutral",)
        async with speaking(url, api_key="wrong") as voice:
            with pytest.raises(VendorRefused) as refused:
                await spoken(voice, "Hello.")
            assert refused.value.advice == "Check MISTRAL_API_KEY"
            assert "wrong" not in str(refused.value)
        async with speaking(url, voice="nobody") as voice:
            with pytest.raises(VendorRefused, match="Check the voice"):
                await spoken(voice, "Hello.")
        async with speaking(url, voice="gb_jane_neutral") as voice:
            assert await spoken(voice, "Hello.")


async def test_a_vendor_that_goes_away_has_refused_nothing() -> None:
    codes = (1000, 1011, 1012)
    left = list(codes)

    async def take(socket: ServerConnection) -> None:
        await socket.close(left.pop(0))

    async with (
        serve(take, "127.0.0.1", 0) as server,
        speaking(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}") as voice,
    ):
        for code in codes:
            with pytest.raises(VendorLost, match=str(code)):
                await spoken(voice, "Hello.")


async def test_a_vendor_that_opens_no_session_is_lost_in_time() -> None:
    async def take(socket: ServerConnection) -> None:
        await socket.wait_closed()

    async with serve(take, "127.0.0.1", 0) as server:
        voice = MistralSpeech(base_url=f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout_s=0.05)
        with pytest.raises(VendorLost, match=r"0\.05 s"):
            await spoken(voice, "Hello.")
        await voice.aclose()


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([{"type": "error", "error": {"message": f"The key {KEY} may not", "code": 403}}], VendorRefused),
        ([DELTA, {"type": "error", "error": {"message": "No such voice", "code": 404}}], VendorRefused),
        ([{"type": "error", "error": {"message": "Invalid model", "code": 1500}}], VendorRefused),
        ([{"type": "error", "error": {"message": "Too many", "code": 429}}], VendorLost),
        ([{"type": "error", "error": {"message": "Overloaded", "code": 3505}}], VendorLost),
        ([{"type": "error", "error": KEY}], VendorLost),
        ([{**DELTA, "audio_data": "=none="}], VendorLost),
        ([{"type": "speech.audio.delta"}], VendorLost),
        (["[]"], VendorLost),
        (["{}"], VendorLost),
    ],
)
async def test_an_error_or_nonsense_of_the_vendor_is_typed(
    answers: Sequence[object], error: type[BargeinError]
) -> None:
    async with scripted(Vendor(*answers)) as voice:
        with pytest.raises(error) as caught:
            await spoken(voice, "Hello.")
        assert caught.value.advice
        assert KEY not in str(caught.value)


async def test_events_that_are_not_known_are_skipped() -> None:
    async with scripted(Vendor({"type": "speech.audio.mood", "mood": "good"}, DELTA, DONE)) as voice:
        assert [(s.text, s.pcm.ms) for s in await spoken(voice, "Hello.")] == [("Hello.", 50.0)]


async def test_words_without_sound_were_not_spoken() -> None:
    async with scripted(Vendor(DONE)) as voice:
        with pytest.raises(VendorLost, match="no sound for its words"):
            await spoken(voice, "Hello.")


async def test_signs_alone_need_no_vendor() -> None:
    async with speaking("ws://127.0.0.1:9") as voice:
        assert [(s.text, s.pcm.ms) for s in await spoken(voice, "...!")] == [("...!", 0.0)]


async def test_an_error_of_the_text_comes_out_of_the_voice() -> None:
    async def broken() -> AsyncIterator[str]:
        yield "This is one clause. "
        raise VendorLost("The model is gone", advice="Try again")

    async with scripted(Vendor(DELTA, DONE)) as voice:
        with pytest.raises(VendorLost, match="model"):
            async for _ in voice.speak(broken()):
                pass


# -------------------------------------------------------------------------------------------------- the samples


@pytest.mark.parametrize("size", [1, 3, 7, 64, 1_001])
def test_samples_survive_any_cut_of_the_stream(size: int) -> None:
    samples = np.linspace(-32_768, 32_767, 900).astype(np.int16)
    data, decode = (samples.astype(np.float32) / 32_768).astype("<f4").tobytes(), float32()
    got = [decode(data[at : at + size]) for at in range(0, len(data), size)]
    assert np.array_equal(np.concatenate(got), samples)


def test_what_is_too_loud_is_clipped_and_what_is_no_number_is_silence() -> None:
    data = np.array([1.0, -1.0, 1.5, -1.5, np.inf, -np.inf, np.nan, 0.25, 1e30], "<f4").tobytes()
    assert float32()(data).tolist() == [32_767, -32_768, 32_767, -32_768, 32_767, -32_768, 0, 8_192, 32_767]
