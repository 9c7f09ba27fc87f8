"""The microphone's positions: bursts, gaps, and clients that count anew."""

from __future__ import annotations

from bargein import protocols as c
from tests.transports.browser.test_transport import browser, mic, next_of, settle


async def test_a_burst_is_an_error_for_the_client_and_moves_the_beginning_of_the_stream() -> None:
    async with browser() as (transport, wire, clock):
        for k in range(5):  # five seconds at once
            wire.inbox.put_nowait(mic(16_000 * k, 16_000))
            item = await next_of(transport)
            assert isinstance(item, c.AudioIn)
            assert item.first_sample == 16_000 * k
        await settle()
        assert wire.codes == ["audio_ahead"]
        for k in range(200):
            clock.advance(20)
            wire.inbox.put_nowait(mic(80_000 + 320 * k, 320))
            assert isinstance(await next_of(transport), c.AudioIn)
        await settle()
        assert wire.codes == ["audio_ahead"]


async def test_a_gap_that_time_does_not_allow_is_an_error_and_the_audio_follows_what_came() -> None:
    async with browser() as (transport, wire, clock):
        for first, at in ((0, 0), (10_000_000, 320), (10_000_320, 640)):
            clock.advance(20)
            wire.inbox.put_nowait(mic(first, 320))
            item = await next_of(transport)
            assert isinstance(item, c.AudioIn)
            assert item.first_sample == at
        await settle()
        assert wire.codes == ["audio_ahead"]


async def test_a_client_that_counts_anew_is_deaf_for_no_more_than_four_frames() -> None:
    async with browser() as (transport, wire, clock):
        for k in range(100):
            clock.advance(20)
            wire.inbox.put_nowait(mic(320 * k, 320))
            assert isinstance(await next_of(transport), c.AudioIn)
        for k in range(6):
            clock.advance(20)
            wire.inbox.put_nowait(mic(320 * k, 320))
        items = [await next_of(transport) for _ in range(2)]
        assert [item.first_sample for item in items if isinstance(item, c.AudioIn)] == [32_000, 32_320]
        await settle()
        assert wire.codes == ["audio_back"] * 4


async def test_a_gap_as_long_as_time_itself_is_no_fault() -> None:
    async with browser() as (transport, wire, clock):
        clock.advance(60_000)
        wire.inbox.put_nowait(mic(960_000))
        item = await next_of(transport)
        assert isinstance(item, c.AudioIn)
        assert item.first_sample == 960_000
