"""What holds for every voice on a socket, against its simulator; what is a vendor's own stands in its own file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bargein.errors import BargeinError, VendorLost, VendorRefused
from bargein.protocols import SpeechChunk
from bargein_simulators.simulated_tts import Fault
from tests.vendors.timed import TEXT, check_exact, clock_of, cut, first_before_whole, pieces, spoken
from tests.vendors.tts_vendors import KEY, Vendor, aura, cartesia, eleven

AnyVendor = Vendor[Any, Any]
every = pytest.mark.parametrize("vendor", [cartesia, eleven, aura], ids=lambda vendor: vendor.name)
timed = pytest.mark.parametrize("vendor", [cartesia, eleven], ids=lambda vendor: vendor.name)


@timed
async def test_the_words_heard_are_exact_at_any_cut(vendor: AnyVendor) -> None:
    async with vendor() as (voice, sim):
        check_exact(TEXT, await spoken(voice, TEXT), sim.spoke[0])


@timed
async def test_so_they_are_when_the_text_comes_in_pieces_and_at_a_telephones_rate(vendor: AnyVendor) -> None:
    async with vendor(rate=8_000) as (voice, sim):
        parts = [TEXT[at : at + 7] for at in range(0, len(TEXT), 7)]
        check_exact(TEXT, await spoken(voice, *parts), sim.spoke[0])


@timed
async def test_a_voice_that_gives_no_times_is_estimated_and_says_so(vendor: AnyVendor) -> None:
    async with vendor("untimed") as (voice, _):
        stretches = await spoken(voice, TEXT)
        assert "".join(s.text for s in stretches) == TEXT
        clock = clock_of(stretches)
        heard = clock.heard(clock.ms / 2)
        assert not heard.exact
        assert 0.2 < heard.end / len(TEXT) < 0.8


@timed
async def test_sound_comes_before_the_text_is_whole(vendor: AnyVendor) -> None:
    async with vendor() as (voice, _):
        await first_before_whole(voice)


@every
async def test_a_model_that_thinks_for_long_is_not_the_vendors_fault(vendor: AnyVendor) -> None:
    async with vendor(timeout_s=0.3) as (voice, _):

        async def slowly() -> AsyncIterator[str]:
            yield "This is the first sentence. "
            await asyncio.sleep(0.8)
            yield "And this the second."

        async with asyncio.timeout(10):
            assert len([s async for s in voice.speak(slowly())]) > 2


@timed
async def test_a_cut_ends_the_sound_and_the_next_reply_has_the_same_socket(vendor: AnyVendor) -> None:
    async with vendor() as (voice, sim):
        sim.speed = 4.0
        await cut(voice)
        check_exact("Something else.", await spoken(voice, "Something else."), sim.spoke[1])
        assert sim.sockets == 1


@every
async def test_two_replies_at_once_have_a_socket_each(vendor: AnyVendor) -> None:
    async with vendor() as (voice, sim):
        both = await asyncio.gather(spoken(voice, "One of them."), spoken(voice, "The other one."))
        assert ["".join(s.text for s in one) for one in both] == ["One of them.", "The other one."]
        assert sim.sockets == 2


@pytest.mark.parametrize(
    ("fault", "error"),
    [("401", VendorRefused), ("402", VendorRefused), ("429", VendorLost), ("500", VendorLost), ("silent", VendorLost),
     ("stall", VendorLost), ("drop", VendorLost), ("garbage", VendorLost)],
)  # fmt: skip
@every
async def test_every_fault_is_typed_and_the_next_reply_is_well(
    vendor: AnyVendor, fault: Fault, error: type[BargeinError]
) -> None:
    async with vendor(fault, timeout_s=0.4) as (voice, _):
        with pytest.raises(error) as caught:
            await spoken(voice, TEXT)
        assert caught.value.advice
        assert KEY not in str(caught.value)
        assert "".join(s.text for s in await spoken(voice, "Hello again.")) == "Hello again."


@every
async def test_what_sounded_before_a_socket_died_is_known(vendor: AnyVendor) -> None:
    async with vendor("drop") as (voice, sim):
        got: list[SpeechChunk] = []

        async def listen() -> None:
            async for stretch in voice.speak(pieces(TEXT)):
                got.append(stretch)

        with pytest.raises(VendorLost):
            await listen()
        assert sum(s.pcm.ms for s in got) == sim.spoke[0].sent_ms > 0


@every
async def test_a_wrong_key_says_what_to_check(vendor: AnyVendor) -> None:
    async with vendor(api_key="wrong-key") as (voice, _):
        with pytest.raises(VendorRefused) as refused:
            await spoken(voice, "Hello.")
    assert refused.value.advice == f"Check {vendor.key}"
    assert "wrong-key" not in str(refused.value)


@timed
async def test_a_wrong_voice_is_refused(vendor: AnyVendor) -> None:
    async with vendor(voice="nobody") as (voice, sim):
        sim.voices = ("somebody",)
        with pytest.raises(VendorRefused, match=r"404|voice"):
            await spoken(voice, "Hello.")


@every
async def test_nothing_to_say_needs_no_socket(vendor: AnyVendor) -> None:
    async with vendor() as (voice, sim):
        assert await spoken(voice) == []
        assert sim.sockets == 0
